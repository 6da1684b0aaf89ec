"""A question that is due again waits for replies that lie unread, and not for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.engine import decide, timing
from saga_coordinator.engine.events import Env, WakeUp
from saga_coordinator.engine.facts import CommandSent
from saga_coordinator.engine.waiting import waiting_for
from unit.coordinator.engine.sagas import SECOND, TIMES, Player, definition, play, step

PATIENT = replace(TIMES, step_ms=None)
SHAPE = definition(step("a", times=PATIENT))
"""Asked again after 5 s, then 10 s, …; its heartbeat lasts 20 s."""


def asks(player: Player, after_s: float, read_up_to_s: float | None, lived_since_s: float = 0) -> bool:
    """Whether a look so long after the last event asks, if replies are read up to so long after
    it."""
    read = {} if read_up_to_s is None else {"a-service": player.now + round(read_up_to_s * SECOND)}
    now_us = player.now + round(after_s * SECOND)
    env = Env(now_us=now_us, caught_up_at_us=read, alive_since_us=player.now + round(lived_since_s * SECOND))
    facts = decide(player.definition, player.state, WakeUp(), env, empty=b"")
    return any(isinstance(fact, CommandSent) for fact in facts)


@pytest.mark.parametrize(("read_up_to_s", "asked"), [(None, False), (0, False), (2.4, False), (2.5, True), (5, True)])
def test_it_asks_once_an_answer_of_the_first_half_would_have_been_read(read_up_to_s: float | None, asked: bool) -> None:
    assert asks(play(SHAPE), 5, read_up_to_s) is asked


@pytest.mark.parametrize(("after_s", "asked"), [(4.9, False), (5, False), (64.9, False), (65, True)])
def test_what_cannot_be_measured_is_waited_for_a_minute(after_s: float, asked: bool) -> None:
    assert asks(play(SHAPE), after_s, None) is asked


@pytest.mark.parametrize(("after_s", "asked"), [(100, False), (199.9, False), (200, True)])
def test_where_the_interval_is_longer_it_is_waited_for_as_long_again(after_s: float, asked: bool) -> None:
    assert asks(play(definition(step("a", times=replace(PATIENT, reask_ms=100_000)))), after_s, 0) is asked


def test_the_longer_it_waits_the_later_it_is_looked_at() -> None:
    player = play(SHAPE, "backlog")
    looked: list[float] = []
    while not player.commands or not looked:
        wake_at_us = timing.next_wake_up_us(SHAPE, player.state, player.now)
        assert wake_at_us is not None
        looked.append((wake_at_us - player.now) / SECOND)
        player.play(f"wait:{looked[-1]}")
    assert looked == [5, 2, 2, 4, 8, 10, 10, 10, 10, 10]


@pytest.mark.parametrize(("after_s", "asked"), [(3_600, False), (3_659.9, False), (3_660, True)])
def test_only_time_in_which_a_coordinator_lived_is_waited(after_s: float, asked: bool) -> None:
    """After an outage all that is open is due, and the answers wait in the topic."""
    assert asks(play(SHAPE), after_s, -1, lived_since_s=3_600) is asked


def test_while_nobody_knows_that_a_coordinator_lives_only_replies_that_are_read_let_it_ask() -> None:
    player = play(SHAPE, "backlog")
    player.alive_since = None
    assert player.play("wait:3600").commands == []
    assert player.play("drained wait:1").commands == ["action:a"]


def test_after_a_restore_it_waits_likewise() -> None:
    player = play(SHAPE, "recover backlog")
    assert player.play("wait:5").commands == []
    assert timing.catch_up_wanted(SHAPE, player.state, player.now) == {"a-service"}
    assert timing.limits_passed(SHAPE, player.state, player.now) == set()
    assert player.play("wait:60").commands == ["action:a"]


def test_accepted_work_is_not_asked_about_while_its_news_may_lie_unread() -> None:
    player = play(SHAPE, "a:IN_PROGRESS backlog wait:20")
    assert player.commands == []
    assert timing.catch_up_wanted(SHAPE, player.state, player.now) == {"a-service"}
    assert player.play("wait:60").commands == ["action:a"]


def test_a_backoff_asks_at_its_time_whatever_is_unread() -> None:
    player = play(SHAPE, "a:FAILED backlog")
    assert timing.catch_up_wanted(SHAPE, player.state, player.now + SECOND) == set()
    assert player.play("wait:1").commands == ["action:a"]


def test_it_wants_to_be_measured_and_says_what_it_waits_for() -> None:
    player = play(SHAPE, "backlog wait:4.9")
    assert timing.catch_up_wanted(SHAPE, player.state, player.now) == set()
    [waiting] = waiting_for(SHAPE, player.state, player.now)
    assert "read first" not in waiting.mover
    player.play("wait:0.1")
    assert timing.catch_up_wanted(SHAPE, player.state, player.now) == {"a-service"}
    [waiting] = waiting_for(SHAPE, player.state, player.now)
    assert (waiting.name, "they are read first, then it is asked again" in waiting.mover) == ("reply", True)
    assert player.play("drained wait:1").commands == ["action:a"]
    assert timing.catch_up_wanted(SHAPE, player.state, player.now) == set()


def test_a_pause_holds_the_measuring_too() -> None:
    player = play(SHAPE, "backlog wait:5")
    player.begin_pause("a-service")
    assert timing.catch_up_wanted(SHAPE, player.state, player.now, 0, player.known_pauses) == set()
