"""examples/: the first thing people copy runs as it stands, its own tests among it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from saga_coordinator.definitions import compile_definition, lint
from saga_participant.registry import build_registry
from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas

LOYALTY = Path(__file__).resolve().parents[2] / "examples" / "loyalty"
sys.path.insert(0, str(LOYALTY))

from loyalty import loyalty  # noqa: E402 - found by the line above
from test_loyalty import *  # noqa: E402, F403 - the example's own tests are collected here
from vouchers import vouchers  # noqa: E402

pytestmark: list[pytest.MarkDecorator] = []  # the star brought the example's own mark; here asyncio tests need none


def test_every_step_has_a_participant_that_handles_its_commands() -> None:
    catalog = Catalog(read_schemas(LOYALTY / "schemas"))
    document = lint((LOYALTY / "reward.saga.yaml").read_bytes(), "reward.saga.yaml", catalog).required()
    compiled = compile_definition(document, catalog)
    handled = {each.name: set(build_registry(each._handlers, each._directories).routes) for each in (loyalty, vouchers)}

    for step in compiled.definition.steps:
        orders = [step.action, *([step.compensation] if step.compensation else [])]
        assert {order.message.record for order in orders} <= handled[step.participant]


def test_the_example_answers_with_the_record_the_definition_reads() -> None:
    catalog = Catalog(read_schemas(LOYALTY / "schemas"))
    document = lint((LOYALTY / "reward.saga.yaml").read_bytes(), "reward.saga.yaml", catalog).required()

    assert [step.reply for step in document.steps] == ["loyalty.PointsGranted", None]
