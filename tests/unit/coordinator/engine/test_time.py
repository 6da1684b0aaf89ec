"""Re-asks, backoffs, limits and the probe, in numbers; and what is looked at when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.engine import decide, evolve, timing
from saga_coordinator.engine.events import Env, WakeUp
from saga_coordinator.engine.facts import CommandSent
from saga_coordinator.engine.waiting import waiting_for
from saga_schemas.outcomes import Outcome
from unit.coordinator.engine.sagas import PIVOT, RETRIABLE, RETRY, SECOND, TIMES, Player, definition, play, step

LINE = definition(step("a"), step("b", after="a"), step("p", PIVOT, after="b"), step("r", RETRIABLE, after="p"))
PATIENT = replace(TIMES, step_ms=None)
SILENT = definition(step("a", times=PATIENT), step("b", after="a"))


def looks_at(player: Player) -> float:
    """Seconds from now to the next wake-up."""
    wake_at = timing.next_wake_up_us(player.definition, player.state, player.now)
    assert wake_at is not None
    return (wake_at - player.now) / SECOND


@pytest.mark.parametrize(("reasks", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (500, 60)])
def test_the_interval_doubles_up_to_its_cap(reasks: int, seconds: int) -> None:
    assert timing.reask_delay_us(step("a"), reasks) == seconds * SECOND


def test_silence_is_asked_again_at_growing_intervals() -> None:
    player, asked = play(SILENT), []
    for _ in range(6):
        asked.append(looks_at(player))
        player.play(f"wait:{asked[-1]}")
    assert asked == [5, 10, 20, 40, 60, 60]


def test_an_answer_begins_the_interval_anew() -> None:
    player = play(SILENT, "wait:5 wait:10 a:FAILED wait:1")
    assert looks_at(player) == 5


@pytest.mark.parametrize(("spent", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (500, 10)])
def test_a_backoff_grows_up_to_its_cap(spent: int, seconds: float) -> None:
    assert timing.backoff_us(RETRY, "saga", "a", spent, None) == seconds * SECOND


def test_jitter_spreads_and_is_the_same_in_every_replay() -> None:
    retry = replace(RETRY, jitter=0.2)
    delays = [timing.backoff_us(retry, f"saga-{n}", "a", 1, None) for n in range(500)]
    assert delays == [timing.backoff_us(retry, f"saga-{n}", "a", 1, None) for n in range(500)]
    assert 0.8 * SECOND <= min(delays) < 0.85 * SECOND
    assert 1.15 * SECOND < max(delays) <= 1.2 * SECOND


@pytest.mark.parametrize(("wish_ms", "seconds"), [(2_500, 2.5), (0, 0.1), (-7, 0.1), (10**12, 3600)])
def test_a_participants_wish_is_heard_within_bounds(wish_ms: int, seconds: float) -> None:
    player = play(LINE)
    player.tell(player.reply("a", Outcome.FAILED, retry_after_ms=wish_ms))
    assert looks_at(player) == seconds


def test_only_a_new_sequence_extends_the_heartbeat() -> None:
    player = play(LINE)
    player.tell(player.reply("a", Outcome.IN_PROGRESS, sequence=1))
    player.play("wait:15")
    player.tell(player.reply("a", Outcome.IN_PROGRESS, sequence=1))
    assert looks_at(player) == 5
    player.tell(player.reply("a", Outcome.IN_PROGRESS, sequence=2))
    assert looks_at(player) == 15  # the step's own limit comes before the heartbeat at 20


def test_accepted_work_without_heartbeat_is_asked_about_at_the_cap() -> None:
    shape = definition(step("a", times=replace(PATIENT, heartbeat_ms=None)))
    player = play(shape, "a:IN_PROGRESS")
    assert looks_at(player) == 60
    assert player.play("wait:60").commands == ["action:a"]


def test_a_limit_is_proved_by_one_more_question_and_then_by_its_grace() -> None:
    player = play(LINE, "wait:5 wait:10")
    assert looks_at(player) == 15  # at 30, the limit, before the re-ask at 35
    player.play("wait:15")
    probe = player.sent[-1]
    assert (probe.at_us, probe.probe) == (player.now, True)
    player.play("wait:9.99")
    assert player.state.phase == "RUNNING"
    assert player.play("wait:0.02").state.phase == "COMPENSATING"


def test_neither_limit_turns_back_a_step_whose_done_is_there_and_cannot_be_read_but_silence_is_told() -> None:
    for shape in (LINE, replace(definition(step("a", times=replace(PATIENT, step_ms=None))), deadline_ms=20_000)):
        player = play(shape)
        player.unread = frozenset({"a"})
        for _ in range(60):
            player.play("wait:15")
        assert (player.state.phase, player.state.steps["a"].attention) == ("RUNNING", "no_answer")
        player.unread = frozenset({"another"})
        for _ in range(10):
            player.play("wait:15")
        assert player.state.phase == "COMPENSATING"


def test_a_limit_in_a_backoff_is_proved_by_the_next_attempt() -> None:
    player = play(LINE)
    player.tell(player.reply("a", Outcome.FAILED, retry_after_ms=100_000))
    player.play("wait:31")
    assert (player.facts, looks_at(player)) == ((), 69)
    player.play("wait:69")
    assert player.sent[-1].probe
    assert player.play("a:FAILED wait:10.01").state.phase == "COMPENSATING"


def test_a_step_that_keeps_failing_does_not_outlive_its_time() -> None:
    player = play(definition(step("a", retry=replace(RETRY, attempts=1000, cap_ms=1_000))))
    for _ in range(60):
        if player.state.final or player.state.phase != "RUNNING":
            break
        player.play("a:FAILED wait:1")
    assert player.state.reason == "a: time over"


def test_while_replies_wait_the_limit_waits_and_says_so() -> None:
    player = play(LINE, "backlog wait:30 wait:10.1")
    assert [w.name for w in waiting_for(LINE, player.state, player.now)] == ["reply_backlog"]
    assert timing.catch_up_wanted(LINE, player.state, player.now) == {"a-service"}
    assert player.play("a:SUCCEEDED").state.phase == "RUNNING"


def test_a_partition_read_up_to_the_limit_only_is_not_enough() -> None:
    player = play(LINE, "wait:30")
    limit = player.now
    player.now += 60 * SECOND
    for read_up_to, phase in ((limit, "RUNNING"), (limit + 10 * SECOND, "RUNNING"), (limit + 10 * SECOND + 1, "COMPENSATING")):
        env = Env(now_us=player.now, caught_up_at_us={"a-service": read_up_to})
        facts = decide(LINE, player.state, WakeUp(), env, empty=b"")
        assert evolve(player.state, facts).phase == phase


def test_the_deadline_waits_for_the_last_of_the_open_steps() -> None:
    slow = replace(PATIENT, reask_ms=20_000)
    shape = definition(step("a", times=PATIENT), step("b", times=slow), deadline_s=30)
    player = play(shape, "wait:30")
    assert player.commands == ["action:a", "action:b"]
    player.play("wait:10.1 wait:29")
    assert player.state.phase == "RUNNING"
    assert player.play("wait:1").state.phase == "COMPENSATING"


def test_a_step_that_begins_after_the_deadline_needs_no_second_question() -> None:
    shape = definition(step("a", times=PATIENT), step("b", after="a", times=PATIENT), deadline_s=30)
    player = play(shape, "wait:31 a:SUCCEEDED")
    assert player.sent[-1].probe
    assert looks_at(player) == 5


def test_settling_waits_for_the_pivot_alone() -> None:
    player = play(LINE, "recover a:SUCCEEDED cancel")
    assert (player.state.phase, player.commands) == ("SETTLING", ["resolve:p"])
    player.play("wait:30 wait:10.1 b:FAILED wait:1 b:FAILED b:FAILED")
    assert player.state.phase == "SETTLING", "neither the time nor the attempts of a step before the pivot decide"
    assert player.play("p:FENCED").state.phase == "COMPENSATING"


def test_a_saga_that_waits_for_a_person_alone_is_looked_at_every_hour() -> None:
    player = play(LINE, "a:SUCCEEDED cancel b:REJECTED")
    assert looks_at(player) == 3600


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("", ["reply"]),
        ("a:FAILED", ["retry"]),
        ("hold:b a:SUCCEEDED", ["slot"]),
        ("pause a:SUCCEEDED", ["paused"]),
        ("a:SUCCEEDED pause b:REJECTED", ["paused"]),
        ("a:SUCCEEDED b:IN_PROGRESS", ["accepted"]),
        ("a:SUCCEEDED b:IN_PROGRESS cancel b:IN_PROGRESS", ["accepted"]),
        ("a:SUCCEEDED cancel", ["reply"]),
        ("a:SUCCEEDED cancel b:REJECTED", ["attention:undo_rejected"]),
        ("a:SUCCEEDED recover", ["reply", "reply"]),
        ("a:REJECTED", []),
    ],
)
def test_waiting_has_a_name_and_a_mover(script: str, names: list[str]) -> None:
    player = play(LINE, script)
    waits = waiting_for(LINE, player.state, player.now)
    assert [w.name for w in waits] == names
    assert all(w.mover for w in waits)


def test_a_command_sent_again_has_the_same_bytes_and_the_next_attempt() -> None:
    player = play(LINE, "wait:5 wait:10 a:FAILED wait:1")
    sent = [fact for fact in player.sent if isinstance(fact, CommandSent)]
    assert [c.attempt for c in sent] == [1, 2, 3, 4]
    assert len({c.payload for c in sent}) == 1
    assert all(c.expiry_at_us == c.at_us + 3600 * SECOND for c in sent)


# --- lives: a limit counts only time in which somebody lived --------------------------------------


def test_a_probe_of_an_earlier_life_proves_nothing() -> None:
    player = play(LINE, "wait:30 down:60 wake")
    assert player.commands == ["action:a"], "asked again in this life"
    assert player.sent[-1].probe
    assert player.play("wait:9.99").state.phase == "RUNNING"
    assert player.play("wait:0.02").state.phase == "COMPENSATING"


def test_an_answer_within_the_grace_of_the_new_life_is_in_time() -> None:
    assert play(LINE, "wait:30 down:60 wake wait:9.9 a:SUCCEEDED").state.steps["b"].status == "asked"


def test_the_deadline_is_proved_in_this_life_too() -> None:
    shape = definition(step("a", times=PATIENT), deadline_s=30)
    player = play(shape, "wait:30 down:60 wake wait:9.99")
    assert (player.state.phase, len(player.sent)) == ("RUNNING", 3)
    assert player.play("wait:0.02").state.reason == "deadline"


def test_a_step_in_backoff_is_proved_by_its_next_attempt_in_this_life() -> None:
    player = play(LINE, "wait:31")
    player.tell(player.reply("a", Outcome.FAILED, retry_after_ms=100_000))
    player.play("down:60 wait:39")
    assert player.state.phase == "RUNNING"
    player.play("wait:1")
    assert (player.commands, player.sent[-1].probe) == (["action:a"], True)
    assert player.play("wait:10.01").state.phase == "COMPENSATING"


def test_nobody_is_called_for_a_silence_in_which_nobody_lived() -> None:
    player = play(SILENT, "wait:5 down:1000 wake wait:290 wait:9 wait:0.9")
    assert player.state.steps["a"].attention is None
    player.play("wait:0.2 wait:10.1")
    assert player.state.steps["a"].attention == "no_answer"


def test_a_heartbeat_is_counted_from_the_new_life() -> None:
    player = play(LINE)
    player.tell(player.reply("a", Outcome.IN_PROGRESS, sequence=1))
    player.play("down:19 wait:19")
    assert player.state.steps["a"].status == "accepted"
    assert player.play("wait:1").state.steps["a"].status == "asked"


def test_while_nobody_knows_that_we_live_no_limit_acts_and_nothing_is_asked_for_it() -> None:
    player = play(LINE)
    player.alive_since = None
    player.play("wait:30 wait:1 wait:1 wait:1")
    assert [command.probe for command in player.sent] == [False] * len(player.sent)
    assert len(player.sent) == 2, "the first, and the re-ask that was due"
    player.play("wait:600")
    assert (player.state.phase, player.state.steps["a"].attention) == ("RUNNING", None)
    player.alive_since = player.now
    player.play("wake")
    assert player.sent[-1].probe
    assert player.play("wait:10.01").state.phase == "COMPENSATING"
