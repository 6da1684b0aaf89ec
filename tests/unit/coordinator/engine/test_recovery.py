"""A saga restored from a backup (row 22), a newer run at the participant (15b), and the alarm that
the database went back."""

from __future__ import annotations

import pytest

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.events import Refused
from saga_coordinator.engine.facts import Announced
from saga_coordinator.engine.recovery import unanswered
from saga_coordinator.engine.state import Phase
from saga_coordinator.engine.waiting import waiting_for
from saga_schemas.outcomes import Kind, Outcome
from unit.coordinator.engine.sagas import PIVOT, RETRIABLE, Given, Player, Text, definition, play, step

LINE = definition(step("a"), step("b", after="a"), step("p", PIVOT, after="b"), step("r", RETRIABLE, after="p"))
PAIR = definition(step("a"), step("b"))
NONE = definition(step("a", undo=None), step("b"))
READS = definition(step("a", undo=Text("Undo.a", frozenset({"a"}))), step("b"))
MAYBE = definition(step("a"), step("p", PIVOT, after="a", when=Given(True)), step("r", RETRIABLE, after="p"))
TO_P = "a:SUCCEEDED b:SUCCEEDED"
TO_R = TO_P + " p:SUCCEEDED"


def states(player: Player) -> str:
    return " ".join(f"{name}={state.status}" for name, state in player.state.steps.items()) + f" {player.state.phase}"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("", ["action:a"]),
        ("a:FAILED", ["action:a"]),
        (TO_P, ["action:a", "action:b", "action:p"]),
        (TO_R + " r:REJECTED", ["action:a", "action:b", "action:p", "action:r"]),
        ("a:SUCCEEDED cancel", ["resolve:a", "undo:b"]),
        ("a:SUCCEEDED cancel b:FAILED", ["resolve:a", "undo:b"]),
        ("a:SUCCEEDED cancel b:UNDONE", ["undo:a", "undo:b"]),
        ("a:SUCCEEDED b:REJECTED", ["resolve:b", "undo:a"]),
        (TO_P + " cancel", ["action:a", "action:b", "resolve:p"]),
    ],
)
def test_every_dispatched_step_is_asked_again(given: str, asked: list[str]) -> None:
    player = play(LINE, given + " recover")
    assert sorted(player.commands) == asked
    assert player.state.recovering
    assert player.state.incarnation == 2


@pytest.mark.parametrize("shape", [LINE, NONE, READS, MAYBE])
@pytest.mark.parametrize("then", ["", "b:SUCCEEDED", "b:REJECTED", "b:FENCED", "cancel", "cancel p:FENCED", "cancel p:SUCCEEDED"])
def test_a_lost_saga_that_begins_again_is_as_if_the_backup_had_been_taken_right_after_its_start(
    shape: Definition, then: str
) -> None:
    """What participants answer from memory is the same, whether its start was lost or not."""

    def outcome(player: Player) -> tuple[str, list[str]]:
        try:
            player.play(" ".join(word for word in then.split() if word == "cancel" or word[0] in shape.by_name))
        except Refused as refused:
            return states(player), [refused.code]
        return states(player), player.commands

    known = play(shape, "recover " + " ".join(f"{name}:SUCCEEDED" for name in roots(shape)))
    again = Player(shape).start(incarnation=2, recovered=True).play(" ".join(f"{name}:SUCCEEDED" for name in roots(shape)))
    assert outcome(again) == outcome(known)


def roots(shape: Definition) -> list[str]:
    """The steps that a start asks at once."""
    return [one.name for one in shape.steps if not one.after]


def test_nothing_moves_until_all_have_answered() -> None:
    player = play(LINE, "a:SUCCEEDED recover a:SUCCEEDED")
    assert player.commands == []
    assert states(player) == "a=done b=asked p=idle r=idle RUNNING"
    with pytest.raises(Refused, match="waits for every participant"):
        player.play("cancel")
    with pytest.raises(Refused, match="waits for every participant"):
        player.play("retry:b")
    player.play("b:FAILED b:IN_PROGRESS b:UNSUPPORTED wait:3600")
    assert states(player) == "a=done b=asked p=idle r=idle RUNNING"
    assert player.commands == ["action:b"]
    player.play("b:SUCCEEDED")
    assert player.commands == ["action:p"]
    assert not player.state.recovering


def test_what_it_waits_for_is_said_and_who_has_not_answered() -> None:
    player = play(LINE, "a:SUCCEEDED recover a:SUCCEEDED")
    (waits,) = waiting_for(player.definition, player.state, player.now)
    assert (waits.step, waits.name) == ("b", "reply")
    assert "after a restore; until all have answered nothing moves" in waits.mover
    assert unanswered(player.definition, player.state) == {player.definition.by_name["b"].participant}
    player.play("b:SUCCEEDED")
    assert unanswered(player.definition, player.state) == frozenset()


def test_an_answer_of_the_old_incarnation_counts_no_more() -> None:
    player = play(PAIR, "recover")
    player.tell(player.reply("a", Outcome.SUCCEEDED, incarnation=1))
    assert player.facts == ()


@pytest.mark.parametrize(
    ("given", "answers", "then"),
    [
        (TO_P, "a:SUCCEEDED b:SUCCEEDED p:SUCCEEDED", "a=done b=done p=done r=asked COMMITTED"),
        (TO_P, "a:SUCCEEDED b:SUCCEEDED p:REJECTED", "a=undo_due b=undo_asked p=no_effect r=no_effect COMPENSATING"),
        (TO_P, "a:SUCCEEDED b:FENCED p:FENCED", "a=undo_asked b=undone p=undone r=no_effect COMPENSATING"),
        ("a:SUCCEEDED", "a:FENCED b:FENCED", "a=undone b=undone p=resolving r=idle SETTLING"),
        ("a:SUCCEEDED", "a:SUCCEEDED b:REJECTED", "a=done b=no_effect p=resolving r=idle SETTLING"),
        (TO_P + " cancel", "a:SUCCEEDED b:SUCCEEDED p:SUCCEEDED", "a=done b=done p=done r=asked COMMITTED"),
        (TO_P + " cancel", "a:SUCCEEDED b:SUCCEEDED p:FENCED", "a=undo_due b=undo_asked p=undone r=no_effect COMPENSATING"),
        (TO_R, "a:SUCCEEDED b:SUCCEEDED p:SUCCEEDED r:SUCCEEDED", "a=done b=done p=done r=done COMPLETED"),
        (TO_R, "a:SUCCEEDED b:SUCCEEDED p:SUCCEEDED r:REJECTED", "a=done b=done p=done r=stuck_forward COMMITTED"),
        (TO_R + " waive:r", "a:SUCCEEDED b:SUCCEEDED p:SUCCEEDED r:FENCED", "a=done b=done p=done r=waived FORCED"),
        (TO_R + " waive:r", "a:SUCCEEDED b:SUCCEEDED p:SUCCEEDED r:SUCCEEDED", "a=done b=done p=done r=done COMPLETED"),
        ("a:SUCCEEDED cancel", "a:SUCCEEDED b:UNDONE", "a=undo_asked b=undone p=no_effect r=no_effect COMPENSATING"),
        ("a:SUCCEEDED cancel", "a:FENCED b:UNDONE", "a=undone b=undone p=no_effect r=no_effect COMPENSATED"),
        ("a:SUCCEEDED cancel b:REJECTED", "a:SUCCEEDED b:UNDONE", "a=undo_asked b=undone p=no_effect r=no_effect COMPENSATING"),
    ],
)
def test_the_evidence_decides_where_it_goes_on(given: str, answers: str, then: str) -> None:
    assert states(play(LINE, f"{given} recover {answers}")) == then


def test_what_cannot_be_undone_is_kept_or_had_no_effect() -> None:
    given = "b:REJECTED recover b:REJECTED"
    assert states(play(NONE, given + " a:SUCCEEDED")) == "a=kept b=no_effect COMPENSATED"
    assert states(play(NONE, given + " a:FENCED")) == "a=no_effect b=no_effect COMPENSATED"


def test_a_stuck_step_is_asked_anew_and_its_attention_does_not_vanish_in_silence() -> None:
    player = play(READS, "b:REJECTED a:UNSUPPORTED recover b:REJECTED")
    assert states(player.play("a:SUCCEEDED")) == "a=undo_asked b=no_effect COMPENSATING"


def test_a_conflict_stays_a_matter_for_a_person() -> None:
    player = play(PAIR, "a:SUCCEEDED a:REJECTED recover b:SUCCEEDED")
    assert player.state.steps["a"].attention == "conflict"
    assert not player.state.recovering


def test_deadlines_are_armed_anew() -> None:
    shape = definition(step("a"), step("b", after="a"), deadline_s=60)
    player = play(shape, "wait:50 recover wait:5 a:SUCCEEDED wait:59")
    assert player.state.phase is Phase.RUNNING
    assert states(player.play("wait:1 wait:10.1")) == "a=undo_due b=undo_asked COMPENSATING"


def test_a_saga_whose_pivot_may_have_been_skipped_is_turned_back_by_evidence_only() -> None:
    player = play(MAYBE, "recover")
    with pytest.raises(Refused, match="waits for"):
        player.play("cancel")
    player = play(MAYBE, "hold:p recover a:SUCCEEDED")
    with pytest.raises(Refused, match="may be past its pivot"):
        player.play("cancel")
    player.play("admit:p wake cancel")
    assert states(player) == "a=done p=resolving r=idle SETTLING"


@pytest.mark.parametrize(
    ("script", "attention"),
    [
        ("a:UNSUPPORTED", "unsupported"),
        ("a:FAILED wait:1 a:FAILED wait:2 a:FAILED", "retries_spent"),
        ("wait:30 wait:10.1", "time_over"),
    ],
)
def test_what_would_turn_it_back_asks_for_a_person_instead(script: str, attention: str) -> None:
    shape = definition(step("o"), step("a", after="o"), step("p", PIVOT, after="a", when=Given(True)), deadline_s=20)
    player = play(shape, "recover o:SUCCEEDED " + script)
    assert player.state.phase is Phase.RUNNING
    assert player.state.steps["a"].attention == attention
    assert player.play("wait:7 a:SUCCEEDED").state.steps["a"].attention is None
    assert player.commands == ["action:p"]


def test_a_step_that_cannot_be_asked_after_a_restore() -> None:
    bad = Text("Bad", fails=True)
    before = definition(step("a"), step("b", after="a", action=bad), step("p", PIVOT, after="b", when=Given(True)))
    assert states(play(before, "recover a:SUCCEEDED")) == "a=undo_asked b=no_effect p=no_effect COMPENSATING"
    pivot = definition(step("a"), step("p", PIVOT, after="a", when=Given(True), action=bad))
    assert states(play(pivot, "recover a:SUCCEEDED")) == "a=done p=resolving SETTLING"
    past = definition(step("a"), step("p", PIVOT, after="a", when=Given(False)), step("r", RETRIABLE, after="p", action=bad))
    assert states(play(past, "recover a:SUCCEEDED")) == "a=done p=no_effect r=stuck_forward COMMITTED"


def test_a_newer_run_is_adopted_and_undone() -> None:
    player = play(PAIR, "cancel b:UNDONE")
    newer = player.reply("a", Outcome.SUCCEEDED, kind=Kind.COMPENSATION, row_run=3)
    player.tell(newer)
    assert player.commands == ["undo:a"]
    assert player.sent[-1].run == 3
    player.tell(newer)
    assert player.facts == (), "the old run's answer again"
    assert states(player.play("a:UNDONE")) == "a=undone b=undone COMPENSATED"


@pytest.mark.parametrize("state", ["a:FAILED", "a:REJECTED"])
def test_a_newer_run_is_adopted_in_backoff_and_when_stuck(state: str) -> None:
    player = play(PAIR, f"cancel {state}")
    player.tell(player.reply("a", Outcome.SUCCEEDED, kind=Kind.COMPENSATION, row_run=2))
    assert states(player) == "a=undo_asked b=undo_asked COMPENSATING"


def test_a_newer_run_is_not_undone_while_paused() -> None:
    player = play(PAIR, "cancel pause")
    player.tell(player.reply("a", Outcome.SUCCEEDED, kind=Kind.COMPENSATION, row_run=2))
    assert player.commands == []
    assert player.play("resume wake").commands == ["undo:a"]


def test_a_newer_run_is_adopted_while_recovering() -> None:
    player = play(PAIR, "cancel b:UNDONE recover b:UNDONE")
    player.tell(player.reply("a", Outcome.SUCCEEDED, kind=Kind.COMPENSATION, row_run=2))
    assert player.sent[-1].run == 2
    assert states(player.play("a:UNDONE")) == "a=undone b=undone COMPENSATED"


def test_without_a_newer_run_a_compensations_SUCCEEDED_says_nothing() -> None:
    player = play(PAIR, "cancel")
    for row_run in (None, 1):
        player.tell(player.reply("a", Outcome.SUCCEEDED, kind=Kind.COMPENSATION, row_run=row_run))
        assert player.facts == ()


def test_a_reply_from_the_future_raises_the_alarm_once_and_recovering_ends_it() -> None:
    player = play(LINE)
    future = player.reply("b", Outcome.SUCCEEDED, version=9)
    player.tell(future)
    assert player.state.attention == "reply_from_the_future"
    assert [fact.event for fact in player.facts if isinstance(fact, Announced)] == ["attention"]
    player.tell(future)
    assert player.facts == ()
    assert player.play("recover").state.attention is None


def test_questions_are_repeated_while_paused_only_afterwards() -> None:
    player = play(PAIR, "pause recover")
    assert player.commands == []
    assert sorted(player.play("resume wake").commands) == ["action:a", "action:b"]
