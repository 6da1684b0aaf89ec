"""A saga that is ended as it is says what stays of it, and what may."""

from __future__ import annotations

import pytest

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.events import Refused
from saga_coordinator.engine.facts import Acted, Announced, EffectLeft
from unit.coordinator.engine.rows import CHAIN, LINE, NONE_A, PAIR, READS, TO_P, TO_R
from unit.coordinator.engine.sagas import Player, play


def left(player: Player) -> dict[str, str]:
    return {fact.step: fact.effect for fact in player.facts if isinstance(fact, EffectLeft)}


@pytest.mark.parametrize(
    ("shape", "script", "stays", "may_stay"),
    [
        (LINE, "", "", "a"),
        (LINE, "a:SUCCEEDED", "a", "b"),
        (LINE, "a:IN_PROGRESS", "", "a"),
        (LINE, "a:FAILED", "", "a"),
        (LINE, TO_P + " cancel", "a b", "p"),
        (LINE, TO_R, "a b p", "r"),
        (LINE, TO_R + " r:REJECTED", "a b p", ""),
        (LINE, TO_R + " r:UNSUPPORTED", "a b p", "r"),
        (CHAIN, "a:SUCCEEDED cancel", "a", "b"),
        (CHAIN, "a:SUCCEEDED cancel b:UNDONE", "", "a"),
        (CHAIN, "a:SUCCEEDED cancel b:UNDONE a:REJECTED", "", "a"),
        (CHAIN, "a:SUCCEEDED cancel waive!:b", "", "a b"),
        (CHAIN, "a:SUCCEEDED b:SUCCEEDED cancel c:UNDONE b:UNDONE waive:a", "", "a"),
        (NONE_A, "a:SUCCEEDED cancel", "a", "b"),
        (READS, "b:REJECTED", "", "a"),
        (PAIR, "a:SUCCEEDED a:REJECTED", "", "a b"),
        (LINE, "a:SUCCEEDED recover", "", "a b p r"),
        (LINE, "hold:b a:SUCCEEDED", "a", ""),
    ],
)
def test_what_is_left_is_listed(shape: Definition, script: str, stays: str, may_stay: str) -> None:
    player = play(shape, script + " terminate")
    assert player.state.phase == "FORCED"
    assert left(player) == dict.fromkeys(stays.split(), "stays") | dict.fromkeys(may_stay.split(), "may_stay")
    assert player.commands == []


def test_it_says_so_to_whoever_follows_its_events() -> None:
    player = play(LINE, "a:SUCCEEDED terminate")
    (told,) = [fact for fact in player.facts if isinstance(fact, Announced)]
    assert (told.event, told.phase, told.reason) == ("finished", "FORCED", "terminate: enough; stays: a; may stay: b")
    assert [(fact.act, fact.actor, fact.reason) for fact in player.facts if isinstance(fact, Acted)] == [
        ("terminate", "ann", "enough")
    ]


def test_the_reason_why_it_went_back_is_kept() -> None:
    assert play(LINE, "terminate").state.reason == "terminate: enough"
    assert play(CHAIN, "a:SUCCEEDED b:REJECTED terminate").state.reason == "b: REJECTED no"


def test_nothing_of_it_waits_or_needs_anybody_any_more() -> None:
    player = play(LINE, TO_R + " r:REJECTED pause! terminate")
    assert player.state.closed_at_us == player.now
    assert (player.state.attention, player.state.paused_at_us) == (None, None)
    assert {(state.attention, state.due_at_us, state.hold) for state in player.state.steps.values()} == {(None, None, None)}


def test_a_finished_saga_is_not_terminated() -> None:
    with pytest.raises(Refused) as refused:
        play(LINE, "a:REJECTED terminate")
    assert refused.value.code == "finished"
