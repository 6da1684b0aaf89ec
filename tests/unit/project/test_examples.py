"""examples/: the first thing people copy runs as it stands, its own tests among it."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from saga_coordinator.definitions import compile_definition, lint
from saga_messaging.memory import MemoryBroker
from saga_participant.handling.registry import build_registry
from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas
from support.coordinators import closed, opened, register, running, settings_for, start
from support.paths import ROOT

LOYALTY = ROOT / "examples" / "loyalty"
sys.path.insert(0, str(LOYALTY))

from loyalty import loyalty  # noqa: E402 - found by the line above
from test_loyalty import *  # noqa: E402, F403 - the example's own tests are collected here
from vouchers import vouchers  # noqa: E402

pytestmark = []  # type: ignore[assignment]  # the star brought the example's own mark; here asyncio tests need none


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


@pytest.mark.parametrize(("email", "end"), [(None, "COMPENSATED"), ("ada@example.org", "COMPLETED")])
async def test_the_whole_example_runs(tmp_path: Path, email: str | None, end: str) -> None:
    """A coordinator and both participants, with a Kafka in memory: without an address the points
    are taken back."""
    broker = MemoryBroker()
    url = f"sqlite+aiosqlite:///{tmp_path / 'coordinator.db'}"
    databases = {each: f"sqlite+aiosqlite:///{tmp_path / each.name}.db" for each in (loyalty, vouchers)}
    async with opened(url) as store, AsyncExitStack() as stack:
        await register(store, (LOYALTY / "reward.saga.yaml").read_text(), Catalog(read_schemas(LOYALTY / "schemas")))
        instance = await stack.enter_async_context(running(store, broker, settings_for(url)))
        for participant, database in databases.items():
            await stack.enter_async_context(participant.on(database))
            await stack.enter_async_context(participant.served(broker))
        purchase: dict[str, object] = {"purchase_id": "p-17", "customer": "ada", "points": 250, "email": email}
        saga_id = await start(instance, "reward", purchase)

        assert await closed(instance, saga_id) == end

    books = sqlite3.connect(tmp_path / "loyalty.db")
    try:
        (balance,) = books.execute("SELECT balance FROM account WHERE customer = 'ada'").fetchone()
    finally:
        books.close()
    assert balance == (0 if end == "COMPENSATED" else 250)
