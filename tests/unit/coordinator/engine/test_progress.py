"""Accepted work: any answer ends the silence, only news extends the heartbeat, and waiting for a
person is no fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saga_coordinator.engine.waiting import Waiting, waiting_for
from saga_schemas.outcomes import Kind, Outcome
from unit.coordinator.engine.sagas import SECOND, TIMES, Player, definition, play, step

PATIENT = replace(TIMES, step_ms=None, heartbeat_ms=None)
BEATING = replace(TIMES, step_ms=None)
"""With a heartbeat of 20 s."""


def shape(times: object = PATIENT) -> Player:
    return play(definition(step("a", times=times), step("b", after="a", times=times)))  # type: ignore[arg-type]


def not_yet(player: Player, sequence: int | None = 1, note: str = "", **changes: Any) -> Player:
    player.tell(player.reply("a", Outcome.IN_PROGRESS, sequence=sequence, message=note or None, **changes))
    return player


def wait_of(player: Player) -> Waiting:
    (found,) = waiting_for(player.definition, player.state, player.now)
    return found


@pytest.mark.parametrize("script", ["", "wait:1 cancel"])
def test_a_step_that_says_not_yet_whenever_it_is_asked_needs_nobody(script: str) -> None:
    player = shape().play(script)
    asked = len(player.sent)
    for _ in range(50):  # an hour without news
        not_yet(player)
        player.play("wait:60 wait:1")
    assert player.state.steps["a"].attention is None
    assert len(player.sent) - asked <= 51, "asked at the cap, not urgently"


def test_silence_after_an_answer_begins_with_the_next_question() -> None:
    player = not_yet(shape().play("wait:5 wait:10 wait:20"))
    assert player.state.steps["a"].silent_since_us is None
    player.play("wait:60")
    assert player.state.steps["a"].silent_since_us == player.now
    for _ in range(30):
        player.play("wait:15")
    assert player.state.steps["a"].attention == "no_answer"
    assert not_yet(player).state.steps["a"].attention is None


def test_it_is_shown_as_accepted_with_its_note() -> None:
    player = not_yet(shape(), note="waiting for the clerk")
    found = wait_of(player)
    assert found.name == "accepted"
    assert "a-service" in found.mover
    assert "«waiting for the clerk»" in found.mover
    assert "the clerk" not in wait_of(not_yet(player, sequence=2, note="3 of 5")).mover


def test_an_undo_that_waits_for_accepted_work_is_shown_so() -> None:
    player = not_yet(not_yet(shape()).play("cancel"), note="closing the till")
    assert (wait_of(player).step, wait_of(player).name) == ("a", "accepted")


@pytest.mark.parametrize("script", ["", "cancel"])
def test_a_heartbeat_over_without_news_has_a_reason_of_its_own(script: str) -> None:
    player = not_yet(shape(BEATING)).play(script)
    if script:
        not_yet(player)
    player.play("wait:20")
    assert len(player.commands) == 1, "row 8c: asked once the heartbeat is over"
    assert player.state.steps["a"].attention is None
    not_yet(player)
    assert player.state.steps["a"].attention == "no_progress"
    assert wait_of(player).name == "attention:no_progress"
    assert not_yet(player).facts is not None
    assert player.state.steps["a"].attention == "no_progress", "the same again is no news"
    assert not_yet(player, sequence=2).state.steps["a"].attention is None


def test_who_falls_silent_after_that_is_reported_for_what_it_is() -> None:
    player = not_yet(not_yet(shape(BEATING)).play("wait:20"))
    for _ in range(40):
        player.play("wait:15")
    assert player.state.steps["a"].attention == "no_answer"


@pytest.mark.parametrize("answer", ["a:FAILED", "a:SUCCEEDED"])
def test_any_other_answer_ends_the_want_of_news(answer: str) -> None:
    player = not_yet(not_yet(shape(BEATING)).play("wait:20")).play(answer)
    assert player.state.steps["a"].attention is None


def test_without_a_heartbeat_nobody_asks_for_news() -> None:
    player = not_yet(not_yet(shape()).play("wait:60"))
    assert player.state.steps["a"].attention is None


@pytest.mark.parametrize(("script", "kind"), [("a:FAILED wait:1", Kind.ACTION), ("cancel", Kind.COMPENSATION)])
def test_news_is_counted_anew_for_another_attempt_at_it_and_for_another_command(script: str, kind: Kind) -> None:
    player = not_yet(shape(BEATING), sequence=7).play(script)
    not_yet(player, sequence=1)
    assert (player.state.steps["a"].progress, player.state.steps["a"].asking) == (1, kind)
    assert player.state.steps["a"].heartbeat_at_us == player.now + 20 * SECOND


def test_accepted_work_tells_of_itself_under_the_attempt_that_began_it() -> None:
    player = not_yet(shape(BEATING)).play("wait:20")
    assert player.state.steps["a"].attempt == 2
    not_yet(player, sequence=2, attempt=1)
    assert (player.state.steps["a"].status, player.state.steps["a"].progress) == ("accepted", 2)
    not_yet(player, sequence=2, attempt=1)
    assert player.facts == (), "an earlier attempt's word is heard only for its news"
