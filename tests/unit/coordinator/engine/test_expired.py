"""EXPIRED is as good as silence, and has a name of its own that says by how much clocks seem to
differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.engine.waiting import Waiting, about, waiting_for
from saga_schemas.outcomes import Outcome
from unit.coordinator.engine.sagas import SECOND, TIMES, Player, definition, play, step

PATIENT = replace(TIMES, step_ms=None, heartbeat_ms=None, expiry_ms=60_000)


def shape() -> Player:
    return play(definition(step("a", times=PATIENT), step("b", after="a", times=PATIENT)))


def expired(player: Player, ahead_s: float) -> Player:
    """The participant's clock is ahead by so much."""
    player.tell(player.reply("a", Outcome.EXPIRED, time_us=player.now + int(ahead_s * SECOND)))
    return player


def wait_of(player: Player) -> Waiting:
    (found,) = waiting_for(player.definition, player.state, player.now)
    return found


@pytest.mark.parametrize("script", ["", "cancel"])
def test_it_is_named_and_says_by_how_much_clocks_differ(script: str) -> None:
    player = expired(shape().play(script), 7_200)
    assert wait_of(player).name == "expired"
    assert "clocks differ by about 2 h: a-service's is ahead" in wait_of(player).mover
    assert expired(player, 7_200).commands == [], "a skewed clock must not spin"
    assert "about 2 h" in wait_of(player).mover


def test_before_its_time_by_our_clock_the_clocks_differ_whatever_the_answer_says() -> None:
    assert "clocks differ by about 59 s" in wait_of(expired(shape().play("wait:1"), -3)).mover


def test_an_answer_that_really_came_too_late_accuses_no_clock() -> None:
    player = shape()
    player.now += 120 * SECOND
    expired(player, 0)
    assert wait_of(player).name == "expired"
    assert "clocks" not in wait_of(player).mover
    assert "after their time (1 min)" in wait_of(player).mover


@pytest.mark.parametrize("script", ["", "cancel"])
def test_a_person_is_called_for_what_it_is(script: str) -> None:
    player = shape().play(script)
    for _ in range(60):
        expired(player, 90).play("wait:10")
    assert player.state.steps["a"].attention == "expired"
    assert wait_of(player).name == "attention:expired"
    assert "about 2 min" in wait_of(player).mover


def test_a_silence_that_turns_out_to_be_that_is_called_so() -> None:
    player = shape()
    for _ in range(60):
        player.play("wait:10")
    assert player.state.steps["a"].attention == "no_answer"
    assert expired(player, 4_000).state.steps["a"].attention == "expired"


@pytest.mark.parametrize("answer", ["a:FAILED", "a:IN_PROGRESS", "a:SUCCEEDED", "cancel"])
def test_any_other_answer_and_any_other_command_ends_it(answer: str) -> None:
    player = expired(shape(), 90).play(answer)
    assert player.state.steps["a"].skew_us is None
    assert all(one.name != "expired" for one in waiting_for(player.definition, player.state, player.now))


@pytest.mark.parametrize(
    ("us", "text"), [(0, "0 s"), (1_400_000, "1 s"), (90_000_000, "2 min"), (7_200_000_000, "2 h"), (3 * 86_400_000_000, "3 d")]
)
def test_a_duration_is_said_in_its_largest_unit(us: int, text: str) -> None:
    assert about(us) == text
