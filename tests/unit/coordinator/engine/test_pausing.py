"""What a pause holds, and that nothing it held counts against the saga afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.engine import timing
from saga_coordinator.engine.events import Refused
from saga_coordinator.engine.facts import Acted
from saga_coordinator.engine.pauses import Interval, known_until, paused_us
from saga_coordinator.engine.waiting import Held, waiting_for
from saga_schemas.outcomes import Outcome
from unit.coordinator.engine.sagas import PIVOT, RETRIABLE, SECOND, TIMES, Player, definition, play, step

PATIENT = replace(TIMES, step_ms=None)
LINE = definition(step("a"), step("b", after="a"), step("p", PIVOT, after="b"), step("r", RETRIABLE, after="p"))
DEADLINE = definition(step("a", times=PATIENT), step("b", after="a", times=PATIENT), deadline_s=30)
SILENT = definition(step("a", times=PATIENT))
PAUSES = [("pause!", "resume!"), ("pause", "resume"), ("pause:a", "resume:a")]


@pytest.mark.parametrize(("pause", "resume"), PAUSES)
def test_a_pause_is_not_held_against_the_time_of_a_step(pause: str, resume: str) -> None:
    player = play(LINE, f"wait:20 {pause} wait:1000 {resume} wake")
    assert player.sent[-1].at_us == player.now, "what was due goes out at once"
    player.play("wait:9.9")
    assert player.sent[-1].probe is False, "ten seconds of its thirty were left"
    player.play("wait:0.2")
    assert player.sent[-1].probe is True
    assert player.play("wait:9.9").state.phase == "RUNNING"
    assert player.play("wait:0.2").state.reason == "a: time over"


@pytest.mark.parametrize(("pause", "resume"), PAUSES)
def test_nor_against_the_deadline(pause: str, resume: str) -> None:
    player = play(DEADLINE)
    deadline_at = player.state.deadline_at_us or 0
    player.play(f"wait:29 {pause} wait:1000 {resume} wake")
    assert player.state.deadline_at_us == deadline_at + 1000 * SECOND
    assert player.play("wait:0.9 wait:9").state.phase == "RUNNING"
    assert player.play("wait:0.2 wait:10.1").state.reason == "deadline"


def test_the_deadline_does_not_move_for_a_participant_that_nobody_waits_for() -> None:
    player = play(DEADLINE)
    deadline_at = player.state.deadline_at_us
    assert player.play("pause:b wait:10 resume:b wait:1").state.deadline_at_us == deadline_at


@pytest.mark.parametrize(("pause", "resume"), PAUSES)
def test_silence_is_counted_anew(pause: str, resume: str) -> None:
    player = play(SILENT, f"wait:299 {pause} wait:1000 {resume} wake wait:299 wait:0.9 wait:10.1")
    assert player.state.steps["a"].attention is None
    player.play("wait:20 wait:11")
    assert player.state.steps["a"].attention == "no_answer"


@pytest.mark.parametrize(("pause", "resume"), PAUSES)
def test_so_is_a_heartbeat(pause: str, resume: str) -> None:
    player = play(LINE)
    player.tell(player.reply("a", Outcome.IN_PROGRESS, sequence=1))
    player.play(f"wait:15 {pause} wait:1000 {resume} wake wait:19.9")
    assert player.state.steps["a"].status == "accepted"
    assert player.play("wait:0.2").state.steps["a"].status == "asked"


@pytest.mark.parametrize(("pause", "resume"), PAUSES)
def test_a_probe_from_before_a_pause_proves_nothing(pause: str, resume: str) -> None:
    player = play(LINE, f"wait:30 wait:5 {pause} wait:1000 {resume} wake")
    assert (player.state.phase, player.sent[-1].at_us, player.sent[-1].probe) == ("RUNNING", player.now, True)
    assert player.play("wait:9.9").state.phase == "RUNNING"
    assert player.play("wait:0.2").state.phase == "COMPENSATING"


def test_pauses_that_overlap_count_once() -> None:
    player = play(DEADLINE)
    deadline_at = player.state.deadline_at_us or 0
    player.play("pause wait:10 pause! wait:10 pause:a wait:10 resume wait:10 resume! wake wait:10 resume:a wake")
    assert player.state.deadline_at_us == deadline_at + 50 * SECOND


def test_a_pause_is_counted_once_however_often_it_is_looked_at() -> None:
    player = play(DEADLINE, "pause wait:10 resume wake")
    deadline_at, version = player.state.deadline_at_us, player.state.version
    player.play("wake a:FAILED wake wake")
    assert player.state.deadline_at_us == deadline_at
    assert player.state.version == version + 1, "the answer alone"


def test_a_step_that_is_asked_after_a_pause_gets_nothing_of_it() -> None:
    player = play(DEADLINE, "pause:b wait:10 resume:b")
    player.tell(player.reply("a", Outcome.SUCCEEDED))
    assert player.state.steps["b"].asked_at_us == player.now
    player.play("wait:1")
    assert player.state.steps["b"].asked_at_us == player.now - SECOND


def test_a_saga_that_starts_after_a_pause_gets_nothing_of_it() -> None:
    player = Player(DEADLINE)
    player.play("pause")
    player.now += 100 * SECOND
    player.play("resume")
    player.start().play("wake")
    assert player.state.deadline_at_us == player.now + 30 * SECOND


def test_one_that_starts_meanwhile_gets_the_rest_of_it() -> None:
    player = Player(DEADLINE)
    player.play("pause")
    player.now += 100 * SECOND
    player.start()
    assert player.commands == []
    player.play("wait:50 resume wake")
    assert player.commands == ["action:a"]
    assert player.state.deadline_at_us == player.now + 30 * SECOND


@pytest.mark.parametrize(("pause", "resume"), PAUSES)
def test_a_paused_saga_wants_to_be_looked_at_once_an_hour(pause: str, resume: str) -> None:
    player = play(definition(step("a"), deadline_s=30), pause)
    looks_at = timing.next_wake_up_us(player.definition, player.state, player.now, 0, player.known_pauses)
    assert looks_at == player.now + 3600 * SECOND
    assert timing.catch_up_wanted(player.definition, player.state, player.now + 100 * SECOND, 0, player.known_pauses) == set()


def test_looking_at_a_paused_saga_changes_nothing() -> None:
    player = play(LINE, "pause a:SUCCEEDED")
    version = player.state.version
    assert player.play("wait:3600 wait:3600").state.version == version


def test_what_an_operator_does_meanwhile_is_held_too() -> None:
    player = play(LINE, "pause! retry:a")
    assert player.commands == []
    assert player.play("resume!").commands == ["action:a"]
    player = play(LINE, "a:SUCCEEDED pause! cancel")
    assert (player.state.phase, player.commands) == ("COMPENSATING", [])
    assert player.play("resume!").commands == ["undo:b"]


def test_a_recovery_waits_for_the_end_of_a_pause() -> None:
    player = play(LINE, "a:SUCCEEDED pause! recover wait:100")
    assert player.commands == []
    assert player.play("resume!").commands == ["action:a", "action:b"]


def test_pausing_twice_keeps_the_first_pause() -> None:
    player = play(LINE, "pause!")
    since_us, version = player.state.paused_at_us, player.state.version
    player.play("wait:10 pause!")
    assert (player.state.paused_at_us, player.state.version) == (since_us, version)


def test_resuming_what_is_not_paused_is_refused_and_names_the_pause_of_its_definition() -> None:
    with pytest.raises(Refused) as refused:
        play(LINE, "resume!")
    assert refused.value.code == "not_paused"
    with pytest.raises(Refused, match="its definition order is"):
        play(LINE, "pause resume!")


def test_who_paused_it_and_why_is_kept_until_it_goes_on() -> None:
    player = play(LINE, "pause!")
    assert (player.state.paused_by, player.state.paused_why) == ("ann", "the bank is down")
    assert [fact.act for fact in player.facts if isinstance(fact, Acted)] == ["pause"]
    player.play("resume!")
    assert (player.state.paused_at_us, player.state.paused_by, player.state.paused_why) == (None, None, None)
    assert [fact.act for fact in player.facts if isinstance(fact, Acted)] == ["resume"]


@pytest.mark.parametrize(
    ("script", "scope", "names"),
    [
        ("", "definition", ["paused", "reply"]),
        ("a:SUCCEEDED", "definition", ["paused", "paused"]),
        ("", "participant", ["reply"]),
        ("hold:a a:FAILED", "participant", ["paused"]),
    ],
)
def test_a_wait_names_the_pause_and_what_ends_it(script: str, scope: str, names: list[str]) -> None:
    name = "order" if scope == "definition" else "a-service"
    player = play(LINE, "pause " + script if scope == "definition" else script)
    held = [Held(scope=scope, name=name, since_us=7, who="ann", why="the bank is down")]
    waits = waiting_for(LINE, player.state, player.now, held)
    assert [one.name for one in waits] == names
    assert all(one.until_us is None for one in waits)
    for one in waits:
        if one.name == "paused":
            assert (one.since_us, one.mover) == (7, f"`saga resume --{scope} {name}` ends the pause by ann: the bank is down")


def test_the_time_of_pauses_is_their_union() -> None:
    held = known_until([Interval(10, 20), Interval(15, 30), Interval(40), Interval(60)], 50)
    assert paused_us(held, 0) == 30
    assert paused_us(held, 25) == 15
    assert paused_us(held, 100) == 0
