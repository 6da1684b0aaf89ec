"""Delayed starts: every order of what can happen to a saga before it begins, and what is said of
it.

The walk tries all words in all orders up to a depth. A saga that was SCHEDULED begins once, never
before its start time and never while it is paused; until then nothing is sent.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from saga_coordinator.engine import timing
from saga_coordinator.engine.delaying import AHEAD_MOST_US, UNBEGUN
from saga_coordinator.engine.encoding import encode_saga
from saga_coordinator.engine.events import MoveStart, Refused
from saga_coordinator.engine.facts import Announced, CommandSent, PhaseChanged
from saga_coordinator.engine.pauses import Pauses
from saga_coordinator.engine.state import Phase
from saga_coordinator.engine.termination import Left, effects_left
from saga_coordinator.engine.waiting import START, waiting_for
from unit.coordinator.engine.rows import CHAIN, DEADLINE, LINE, MAYBE_PIVOT
from unit.coordinator.engine.sagas import SECOND, Player, play

WORDS = (
    "wait:15",
    "wake",
    "move:10",
    "move:40",
    "move:-1",
    "pause!",
    "resume!",
    "pause",
    "resume",
    "cancel",
    "terminate",
    "recover",
)
DEPTH = 3


def lives(depth: int) -> Iterator[tuple[Player, list[str]]]:
    """Every saga that some words lead to, once, with the words."""
    first = play(DEADLINE, "later:30")
    seen, front = {key(first)}, [(first, list[str]())]
    for _ in range(depth):
        following = []
        for player, words in front:
            for word in WORDS:
                after = told(player, word)
                if after is not None and key(after) not in seen:
                    seen.add(key(after))
                    following.append((after, [*words, word]))
        yield from following
        front = following


def key(player: Player) -> object:
    state = encode_saga(player.state), player.now, repr(sorted(player.pauses.items()))
    return state, tuple((at, str(facts)) for at, facts in player.journal if began(facts))


def told(player: Player, word: str) -> Player | None:
    """The saga after the word; None where it is refused or makes no sense."""
    if (word == "pause" and player.paused) or (word == "resume" and not player.paused):
        return None
    after = copy.copy(player)
    after.facts = ()
    try:
        after.happens(word)
    except Refused:
        assert after.state == player.state
        return None
    check_beginning(player, after)
    return after


def began(facts: object) -> bool:
    return any(isinstance(fact, PhaseChanged) and fact.row == "29" for fact in facts)  # type: ignore[attr-defined]


def check_beginning(before: Player, after: Player) -> None:
    if before.state.phase is not Phase.SCHEDULED:
        assert not began(after.facts), "it begins once"
        return
    begun = began(after.facts)
    sent = any(isinstance(fact, CommandSent) for fact in after.facts)
    assert begun is (after.state.begun_at_us is not None)
    assert (Phase.RUNNING in {getattr(fact, "phase", None) for fact in after.facts}) is begun
    if begun:
        start_at_us = after.state.start_at_us
        assert start_at_us is not None
        assert start_at_us <= after.now, "never before its start time"
        assert not after.paused, "never while its definition is paused"
        assert after.state.paused_at_us is None, "nor while it is"
        assert after.state.deadline_at_us == after.now + 20 * SECOND, "the deadline counts from then"
        assert [fact.event for fact in after.facts if isinstance(fact, Announced)][-1] == "started"
    elif sent:
        assert before.state.recovered, "only what a restore may have forgotten is asked about"


def test_in_every_order_of_events_it_begins_once_at_its_time_or_never() -> None:
    found = dict.fromkeys(Phase, 0)
    for player, words in lives(DEPTH):
        saga = player.state
        found[saga.phase] += 1
        if saga.phase is Phase.SCHEDULED:
            assert saga.deadline_at_us is None, words
            assert saga.begun_at_us is None, words
            assert not player.sent, words
            assert not saga.recovering, words
    assert all(found[phase] > 10 for phase in (Phase.SCHEDULED, Phase.RUNNING, Phase.COMPENSATED, Phase.FORCED, Phase.SETTLING))


def test_from_every_such_place_it_begins_once_nothing_holds_it() -> None:
    for player, words in lives(DEPTH):
        if player.state.phase is not Phase.SCHEDULED:
            continue
        after = copy.copy(player)
        if after.paused:
            after.happens("resume")
        if after.state.paused_at_us is not None:
            after.happens("resume!")
        wake_at = timing.next_wake_up_us(after.definition, after.state, after.now, pauses=after.known_pauses)
        if after.state.phase is Phase.SCHEDULED:
            assert wake_at == after.state.start_at_us, words
            after.now = max(after.now, wake_at or 0)
            after.happens("wake")
        assert after.state.phase is Phase.RUNNING, words
        assert after.state.steps["a"].status == "asked", words


def test_a_cancel_before_it_begins_says_that_nothing_had_to_be_undone() -> None:
    saga = play(LINE, "later:30 cancel").state
    assert (saga.phase, saga.reason) == (Phase.COMPENSATED, f"cancel: changed my mind; {UNBEGUN}")
    assert "had not begun" not in (play(LINE, "later:30 recover cancel").state.reason or "")


def test_a_restored_one_whose_pivot_may_have_been_skipped_is_not_cancelled() -> None:
    with pytest.raises(Refused) as refused:
        play(MAYBE_PIVOT, "later:30 recover cancel")
    assert refused.value.code == "recovering"


def test_terminated_it_leaves_nothing_and_restored_it_may_leave_all() -> None:
    fresh, restored = play(CHAIN, "later:30").state, play(CHAIN, "later:30 recover").state
    assert effects_left(CHAIN, fresh) == []
    assert effects_left(CHAIN, restored) == [("a", Left.MAY_STAY), ("b", Left.MAY_STAY), ("c", Left.MAY_STAY)]


@pytest.mark.parametrize("script", ["", "later:30 wait:30", "later:30 wait:30 cancel"], ids=["never", "begun", "going back"])
def test_only_what_has_not_begun_is_moved(script: str) -> None:
    player = play(LINE, script)
    with pytest.raises(Refused) as refused:
        player.happens("move:60")
    assert refused.value.code == "not_scheduled"


def test_a_start_is_not_moved_further_than_a_start_may_be() -> None:
    player = play(LINE, "later:30")
    player.tell(MoveStart(start_at_us=player.now + AHEAD_MOST_US, reason="later", actor="ann"))
    with pytest.raises(Refused) as refused:
        player.tell(MoveStart(start_at_us=player.now + AHEAD_MOST_US + 1, reason="later", actor="ann"))
    assert refused.value.code == "start_too_far"


def test_a_start_time_that_has_passed_is_a_start_without_one() -> None:
    plain, late = Player(LINE).start(), Player(LINE)
    late.start(start_at_us=late.now)
    assert late.facts == plain.facts
    assert b"start_at" not in encode_saga(late.state)


def test_its_events_say_when_it_begins_when_it_is_moved_and_that_it_has_begun() -> None:
    player = play(LINE, "later:30 move:60 move:60 wait:60")
    told = [fact for _, facts in player.journal for fact in facts if isinstance(fact, Announced)]
    assert [(fact.event, fact.sequence, fact.phase) for fact in told] == [
        ("scheduled", 1, Phase.SCHEDULED),
        ("scheduled", 2, Phase.SCHEDULED),
        ("started", 3, Phase.RUNNING),
    ]
    assert [fact.reason for fact in told] == ["2023-11-14T22:13:50.000000Z", "2023-11-14T22:14:20.000000Z", None]


def test_its_wait_counts_for_no_pause_and_no_deadline() -> None:
    player = play(DEADLINE, "later:30 pause wait:10 resume wait:20")
    assert player.state.deadline_at_us == player.now + 20 * SECOND
    player.happens("wait:5")
    assert player.state.deadline_at_us == player.now + 15 * SECOND
    assert player.state.ran_from_us == player.now - 5 * SECOND


def test_it_says_what_it_waits_for_and_until_when() -> None:
    player = play(LINE, "later:10800")
    (wait,) = waiting_for(LINE, player.state, player.now)
    assert (wait.name, wait.until_us, wait.mover) == (START, player.now + 10800 * SECOND, "its start time: in 3 h")
    player.happens("pause!")
    paused, wait = waiting_for(LINE, player.state, player.now)
    assert (paused.name, wait.mover) == ("paused", "its start time: in 3 h; not before the pause has ended")


def test_held_past_its_time_it_is_looked_at_hourly() -> None:
    player = play(LINE, "later:30 pause!")
    assert timing.next_wake_up_us(LINE, player.state, player.now) == player.now + 30 * SECOND
    player.now += 30 * SECOND
    assert timing.next_wake_up_us(LINE, player.state, player.now, pauses=Pauses()) == player.now + 3600 * SECOND
