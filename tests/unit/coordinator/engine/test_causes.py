"""A command or event names the message that caused it: a start or a reply. What a timer, an
operator or a restore caused names none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.engine.encoding import decode_facts, encode_facts
from saga_coordinator.engine.facts import MESSAGES, Announced
from saga_schemas.outcomes import Outcome
from unit.coordinator.engine.sagas import PIVOT, TIMES, Player, definition, play, step

PATIENT = replace(TIMES, step_ms=None)
LINE = definition(step("a", times=PATIENT), step("b", after="a", times=PATIENT), step("p", PIVOT, after="b"), deadline_s=60)


def sent(player: Player) -> list[str]:
    """The commands and events of the last transition."""
    return player.commands + [fact.event for fact in player.facts if isinstance(fact, Announced)]


@pytest.mark.parametrize(
    ("script", "messages", "cause"),
    [
        ("", ["action:a", "started"], "start"),
        ("a:SUCCEEDED", ["action:b"], "a:SUCCEEDED"),
        ("wait:5", ["action:a"], None),
        ("a:FAILED wait:1", ["action:a"], None),
        ("pause a:SUCCEEDED resume wake", ["action:b"], None),
        ("a:SUCCEEDED b:REJECTED", ["undo:a", "compensating"], "b:REJECTED"),
        ("a:SUCCEEDED b:REJECTED wait:5", ["undo:a"], None),
        ("a:SUCCEEDED b:REJECTED a:UNDONE", ["finished"], "a:UNDONE"),
        ("a:SUCCEEDED b:REJECTED newer:a", ["undo:a"], "a:SUCCEEDED"),
        ("a:SUCCEEDED wait:60 wait:10.1", ["undo:b", "compensating"], None),
        ("a:SUCCEEDED wait:60 wait:10.1 b:UNDONE", ["undo:a"], "b:UNDONE"),
        ("a:SUCCEEDED b:SUCCEEDED p:SUCCEEDED", ["finished"], "p:SUCCEEDED"),
        ("a:SUCCEEDED cancel", ["undo:b", "compensating"], None),
        ("a:SUCCEEDED cancel b:REJECTED", ["attention"], "b:REJECTED"),
        ("a:SUCCEEDED cancel b:REJECTED retry:b", ["undo:b"], None),
        ("a:SUCCEEDED recover", ["action:a", "action:b"], None),
        ("a:SUCCEEDED recover b:SUCCEEDED a:REJECTED", ["resolve:p"], "a:REJECTED"),
    ],
)
def test_a_message_names_what_caused_it(script: str, messages: list[str], cause: str | None) -> None:
    player = play(LINE, script)
    assert (sent(player), player.causes) == (messages, {cause})


def test_a_reply_from_the_future_causes_its_alarm() -> None:
    player = play(LINE)
    player.tell(player.reply("a", Outcome.SUCCEEDED, version=9))
    assert (sent(player), player.causes) == (["attention"], {"a:SUCCEEDED"})


def test_the_cause_is_in_no_state() -> None:
    player, silent = play(LINE), Player(LINE)
    silent.facts, silent.saga = player.facts, player.saga
    for each in (player, silent):
        reply = each.reply("a", Outcome.SUCCEEDED)
        each.tell(reply if each is player else replace(reply, message_id=None))
    assert (player.causes, silent.causes) == ({"a:SUCCEEDED"}, {None})
    assert player.saga == silent.saga


def test_a_journal_without_causes_is_read_and_its_messages_have_none() -> None:
    facts = play(LINE, "a:SUCCEEDED b:REJECTED").facts
    written = encode_facts(facts).replace(b',"b:REJECTED"]', b"]")
    read = decode_facts(written)
    assert written != encode_facts(facts)
    assert {fact.causation_id for fact in read if isinstance(fact, MESSAGES)} == {None}
    assert decode_facts(encode_facts(read)) == read
