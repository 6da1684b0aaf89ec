"""State and facts as bytes: sparse, whole, and never guessed at."""

from __future__ import annotations

import orjson
import pytest

from saga_coordinator.engine.encoding import UnreadableState, decode_facts, decode_saga, encode_facts, encode_saga
from saga_coordinator.engine.state import Status
from saga_schemas.outcomes import Kind, Outcome
from unit.coordinator.engine.sagas import PIVOT, definition, play, step

LINE = definition(step("a"), step("b", after="a"), step("p", PIVOT, after="b"))


def test_types_come_back_as_they_were() -> None:
    saga = play(LINE, "a:SUCCEEDED b:SUCCEEDED p:FAILED cancel p:FENCED b:SUCCEEDED").state
    read = decode_saga(saga.id, encode_saga(saga))
    assert read == saga
    step_b = read.steps["b"]
    assert type(step_b.status) is Status
    assert type(step_b.asking) is Kind
    assert {type(word) for word in step_b.evidence} == {Outcome}
    assert {type(word) for word in step_b.sent} == {Kind}
    assert step_b.sent == {Kind.ACTION, Kind.COMPENSATION}
    assert type(step_b.command) is bytes


def test_changes_of_a_journal_record_come_back_as_they_were() -> None:
    player = play(LINE, "a:SUCCEEDED")
    changes = {
        name: value for fact in decode_facts(encode_facts(player.facts)) for name, value in getattr(fact, "changes", {}).items()
    }
    assert type(changes["status"]) is Status
    assert changes["evidence"] == {Outcome.SUCCEEDED}
    assert {type(word) for word in changes["evidence"]} == {Outcome}


def test_sets_of_words_are_stored_as_the_numbers_of_format_1() -> None:
    saga = play(LINE, "a:SUCCEEDED b:SUCCEEDED p:FAILED cancel p:FENCED b:SUCCEEDED").state
    stored = orjson.loads(encode_saga(saga))["steps"]
    assert (stored["b"]["sent"], stored["b"]["evidence"]) == (3, 1)
    assert (stored["p"]["sent"], stored["p"]["evidence"]) == (5, 16)
    assert decode_saga(saga.id, encode_saga(saga)) == saga


def test_a_fresh_step_takes_no_room() -> None:
    saga = play(LINE).state
    assert orjson.loads(encode_saga(saga))["steps"]["b"] == {}
    assert len(encode_saga(saga)) < 700


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"steps":{}}',
        b'{"steps":[],"phase":"RUNNING","input":""}',
        b'{"steps":{"a":{"status":"dreaming"}}}',
        b'{"steps":{"a":{"status":"asked","colour":"red"}}}',
        b'{"steps":{"a":{"evidence":1024}}}',
        b'{"steps":{"a":{"sent":"x"}}}',
        b'{"steps":{"a":{"reply":"***"}}}',
    ],
)
def test_a_state_this_release_cannot_read_is_refused(document: bytes) -> None:
    with pytest.raises(UnreadableState):
        decode_saga("s", document)


def test_a_state_edited_by_hand_is_refused() -> None:
    content = orjson.loads(encode_saga(play(LINE).state))
    for key, value in {"phase": "SLEEPING", "mood": 1, "input": "%"}.items():
        with pytest.raises(UnreadableState):
            decode_saga("s", orjson.dumps(content | {key: value}))


def test_another_format_is_refused_by_its_number() -> None:
    with pytest.raises(UnreadableState, match="format 2 is not 1"):
        decode_saga("s", b"{}", 2)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}x",
        b"7",
        b"[7]",
        b"[[]]",
        b'["step"]',
        b'[["dream"]]',
        b'[["step","a","3"]]',
        b'[["step","a","3",{"colour":1}]]',
        b'[["step","a","3",{"evidence":1024}]]',
        b'[["step","a","3",{"steps":{}}]]',
        b'[["step","a","3",[]]]',
        b'[["step","a","3",{},1]]',
        b'[["phase","3","SLEEPING"]]',
        b'[["acted","act","actor","reason","step","more"]]',
    ],
)
def test_a_journal_record_this_release_cannot_read_is_refused(document: bytes) -> None:
    with pytest.raises(UnreadableState):
        decode_facts(document)
