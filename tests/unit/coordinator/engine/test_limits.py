"""Limits that a person changes for one saga."""

from __future__ import annotations

import pytest

from saga_coordinator.engine import timing
from saga_coordinator.engine.events import Refused
from saga_coordinator.engine.facts import Acted
from unit.coordinator.engine.rows import CHAIN, LINE, TO_R
from unit.coordinator.engine.sagas import SECOND, play


def test_they_hold_for_this_saga_and_are_merged() -> None:
    player = play(LINE, "limits:a,attempts=5 limits:a,attempts=6,cap_ms=2000 limits:b,step_ms=0")
    assert player.state.limits == {"a": {"attempts": 6, "cap_ms": 2000}, "b": {"step_ms": 0}}
    assert [(fact.act, fact.step, fact.actor) for fact in player.facts if isinstance(fact, Acted)] == [("limits", "b", "ann")]


def test_more_attempts_keep_it_from_turning_back() -> None:
    script = "a:FAILED wait:1 a:FAILED wait:2 a:FAILED"
    assert play(LINE, script).state.phase == "COMPENSATING"
    assert play(LINE, "limits:a,attempts=4 " + script).state.phase == "RUNNING"


def test_fewer_attempts_are_spent_by_the_next_failure() -> None:
    assert play(LINE, "a:FAILED wait:1 limits:a,attempts=1 a:FAILED").state.phase == "COMPENSATING"


def test_a_longer_time_moves_the_limit() -> None:
    assert play(LINE, "wait:30 wait:10.1").state.phase == "COMPENSATING"
    assert play(LINE, "limits:a,step_ms=60000 wait:30 wait:10.1").state.phase == "RUNNING"
    assert play(LINE, "limits:a,step_ms=0 wait:300 wait:100").state.phase == "RUNNING"


def test_a_limit_that_is_over_already_is_proved_first() -> None:
    player = play(LINE, "limits:a,step_ms=0 wait:100 limits:a,step_ms=30000 wake")
    assert (player.state.phase, player.sent[-1].probe) == ("RUNNING", True)
    assert player.play("wait:10.1").state.phase == "COMPENSATING"


def test_a_shorter_cap_ends_a_long_backoff() -> None:
    player = play(LINE, TO_R + " " + " ".join(["r:FAILED wait:10"] * 6) + " r:FAILED")
    player.play("limits:r,cap_ms=1000")
    assert timing.next_wake_up_us(LINE, player.state, player.now) == player.now + SECOND


def test_the_undo_has_attempts_of_its_own() -> None:
    script = "a:SUCCEEDED cancel b:FAILED wait:1 b:FAILED"
    assert play(CHAIN, script).state.steps["b"].status == "stuck_back"
    assert play(CHAIN, "limits:b,undo_attempts=3 " + script).state.steps["b"].status == "undo_backoff"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("limits:nobody,attempts=5", "step_unknown"),
        ("limits:a,attempts=0", "limit_refused"),
        (TO_R + " limits:a,attempts=5", "not_stuck"),
        ("a:REJECTED limits:a,attempts=5", "finished"),
    ],
)
def test_what_makes_no_sense_is_refused(script: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        play(LINE, script)
    assert refused.value.code == code


def test_past_the_pivot_retries_may_be_without_end() -> None:
    assert play(LINE, TO_R + " limits:r,attempts=0").state.limits == {"r": {"attempts": 0}}
