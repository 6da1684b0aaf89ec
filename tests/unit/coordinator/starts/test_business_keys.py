"""One rule for business keys: what may be computed, what may be given on either door, and what may
be looked up are the same texts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from saga_coordinator.api.bodies import SagaQuery, StartBody
from saga_coordinator.definitions import CompiledDefinition, compile_definition, lint
from saga_coordinator.engine.definition import MappingFailed
from saga_schemas.errors import BadMessage
from saga_schemas.ids import valid_business_key
from saga_schemas.inbound import read_business_key
from support.scripted import catalog_of

DEFINITION = """
saga: keyed
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: none}
"""
CATALOG = catalog_of("t.Input", "t.Do")
KEYED: CompiledDefinition = compile_definition(lint(DEFINITION, "keyed", CATALOG).required(), CATALOG)


def computed(key: str) -> None:
    KEYED.business_key({"id": key})


def given_over_kafka(key: str) -> None:
    read_business_key(key.encode("utf-8", "surrogatepass"))


def given_over_http(key: str) -> None:
    StartBody(definition="keyed", input={}, key=key)


def looked_up(key: str) -> None:
    SagaQuery(key=key)


WAYS = (computed, given_over_kafka, given_over_http, looked_up)
REFUSALS = (MappingFailed, BadMessage, ValidationError)


def accepted(way: Callable[[str], None], key: str) -> bool:
    try:
        way(key)
    except REFUSALS:
        return False
    return True


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(
    "key", ["o\u202e1", "\ufeffo-1", "o\u200b1", "o-1 ", " o-1", "o\x001", "o\x7f1", "o\u20281", "x" * 257, ""]
)
def test_a_key_that_a_person_could_not_type_again_is_refused_on_every_way(way: Callable[[str], None], key: str) -> None:
    assert not accepted(way, key)


@given(st.text(st.characters(codec="utf-8"), max_size=300))
@example("注文-1")
@example("o\ue0001")
@example("a b")
def test_all_ways_agree_about_every_text(key: str) -> None:
    assert {accepted(way, key) for way in WAYS} == {valid_business_key(key)}


def test_who_is_refused_is_told_the_rule() -> None:
    with pytest.raises(MappingFailed, match="1 to 256 printable characters without spaces at the ends"):
        computed("o\u202e1")
