"""What operators may do, what is refused and why, and how attention comes and goes."""

from __future__ import annotations

import pytest

from saga_coordinator.engine.events import Refused
from saga_coordinator.engine.facts import Acted, Announced, Fact, PhaseChanged
from saga_schemas.outcomes import Outcome
from unit.coordinator.engine.sagas import PIVOT, RETRIABLE, Player, Text, definition, play, step

LINE = definition(step("a"), step("b", after="a"), step("p", PIVOT, after="b"), step("r", RETRIABLE, after="p"))
PAIR = definition(step("a"), step("b"))
TO_P = "a:SUCCEEDED b:SUCCEEDED"
TO_R = TO_P + " p:SUCCEEDED"


@pytest.mark.parametrize(
    ("given", "act", "code"),
    [
        (TO_R, "cancel", "past_pivot"),
        ("a:REJECTED", "cancel", "finished"),
        ("a:REJECTED", "retry:a", "finished"),
        ("a:REJECTED", "waive:a", "finished"),
        ("", "retry:nobody", "step_unknown"),
        ("", "waive:nobody", "step_unknown"),
        (TO_P, "waive:p", "is_pivot"),
        (TO_P + " cancel", "waive!:p", "is_pivot"),
        ("", "retry:b", "not_stuck"),
        ("a:SUCCEEDED", "retry:a", "not_stuck"),
        ("", "waive:a", "not_stuck"),
        ("", "waive!:a", "not_stuck"),
        ("a:SUCCEEDED cancel b:UNDONE a:REJECTED", "waive:b", "not_stuck"),
    ],
)
def test_an_act_the_state_does_not_allow_is_refused(given: str, act: str, code: str) -> None:
    player = play(LINE, given)
    before = player.saga
    with pytest.raises(Refused) as refused:
        player.play(act)
    assert refused.value.code == code
    assert player.saga == before


@pytest.mark.parametrize(
    ("given", "act", "word"), [("", "cancel", "cancel"), ("", "retry:a", "retry"), ("cancel", "waive:a", "waive")]
)
def test_who_and_why_are_recorded(given: str, act: str, word: str) -> None:
    player = play(LINE, f"{given} {act}")
    acted = [fact for fact in player.facts if isinstance(fact, Acted)]
    assert [(fact.act, fact.actor) for fact in acted] == [(word, "ann")]
    assert all(fact.reason for fact in acted)


def test_the_first_reason_is_kept() -> None:
    player = play(LINE, TO_P + " cancel p:REJECTED")
    assert player.state.reason == "cancel: changed my mind"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("a:REJECTED", "a: REJECTED no"),
        ("a:FENCED", "a: FENCED"),
        ("a:UNSUPPORTED", "a: UNSUPPORTED"),
        ("a:FAILED wait:1 a:FAILED wait:2 a:FAILED", "a: FAILED no"),
        ("wait:30 wait:10.1", "a: time over"),
        ("cancel", "cancel: changed my mind"),
    ],
)
def test_why_it_went_back_is_said_in_the_saga_and_in_its_events(script: str, reason: str) -> None:
    player = play(LINE, script)
    assert player.state.reason == reason
    announced = [fact for fact in player.facts if isinstance(fact, Announced) and fact.event != "attention"]
    assert {fact.reason for fact in announced} == {reason}


def test_events_are_numbered_without_gap() -> None:
    player, numbers = Player(LINE).start(), [1]
    for word in (TO_R + " r:REJECTED retry:r r:SUCCEEDED").split():
        player.happens(word)
        numbers += [fact.sequence for fact in player.facts if isinstance(fact, Announced)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert player.state.announced == numbers[-1]
    assert isinstance(player.facts[-1], Announced) and player.facts[-1].event == "finished"


def alarms(player: Player, script: str) -> list[str]:
    """The reasons announced while the script plays."""
    found: list[str] = []
    for word in script.split():
        player.facts = ()
        player.happens(word)
        facts: tuple[Fact, ...] = player.facts
        found += [fact.reason or "" for fact in facts if isinstance(fact, Announced) and fact.event == "attention"]
    return found


def test_a_retriable_step_that_always_fails_asks_for_a_person_once() -> None:
    shape = definition(step("p", PIVOT), step("r", RETRIABLE, after="p"))
    player = play(shape, "p:SUCCEEDED")
    assert alarms(player, " ".join(["r:FAILED wait:10"] * 40)) == ["time_over"]
    assert player.state.steps["r"].attention == "time_over"
    assert player.play("r:SUCCEEDED").state.steps["r"].attention is None


def test_a_code_that_is_not_retried_asks_for_a_person_once_past_the_pivot() -> None:
    player = play(LINE, TO_R)
    found = []
    for _ in range(5):
        player.tell(player.reply("r", Outcome.FAILED, code="never"))
        found += [fact.reason for fact in player.facts if isinstance(fact, Announced)]
        player.play("wait:10")
    assert found == ["retries_spent"]


def test_silence_asks_once_and_any_answer_ends_it() -> None:
    player = play(LINE, "cancel")
    assert alarms(player, "wait:300 wait:11 wait:60 wait:60 wait:600") == ["no_answer"]
    player.play("a:FAILED")
    assert player.state.steps["a"].attention is None


def test_a_stuck_step_does_not_stop_the_others() -> None:
    player = play(PAIR, "cancel a:REJECTED b:UNDONE")
    assert player.state.steps["b"].status == "undone"
    assert player.play("retry:a a:UNDONE").state.phase == "COMPENSATED"


def test_a_retry_after_a_rejection_is_a_new_run_with_a_fresh_start() -> None:
    player = play(LINE, TO_R + " r:FAILED wait:1 r:REJECTED retry:r")
    command, state = player.sent[-1], player.state.steps["r"]
    assert (command.run, command.attempt) == (2, 1)
    assert (state.spent, state.evidence, state.attention) == (0, frozenset(), None)
    assert player.play("r:SUCCEEDED").state.phase == "COMPLETED"


def test_a_retry_without_a_definite_no_keeps_the_run() -> None:
    player = play(LINE, TO_R + " r:UNSUPPORTED retry:r")
    assert (player.sent[-1].run, player.sent[-1].attempt) == (1, 2)


def test_a_waive_that_meets_UNSUPPORTED_keeps_waiting_for_an_unsafe_one() -> None:
    player = play(LINE, TO_R + " waive:r r:UNSUPPORTED")
    assert (player.state.steps["r"].status, player.state.steps["r"].attention) == ("resolving", "unsupported")
    assert player.play("waive!:r").state.phase == "FORCED"


def test_a_finished_saga_says_when() -> None:
    player = play(LINE, "a:REJECTED")
    assert player.state.closed_at_us == player.now
    assert [fact.at_us for fact in player.facts if isinstance(fact, PhaseChanged)] == [None, player.now]


def test_a_compensation_that_failed_in_the_mapping_can_be_retried() -> None:
    shape = definition(step("a", undo=Text("Undo.a", fails=True)), step("b", after="a"))
    assert alarms(play(shape, "a:SUCCEEDED"), "b:REJECTED retry:a") == ["no_value", "no_value"]
