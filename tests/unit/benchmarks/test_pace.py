"""A closed loop keeps so many sagas in flight; an open one starts them whatever happens."""

from __future__ import annotations

import pytest
from pace import MOST_OPEN, ClosedLoop, LoadFailed, OpenLoop


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_closed_loop_starts_one_for_each_that_ended() -> None:
    assert [len(ClosedLoop(16).due(unfinished)) for unfinished in (0, 13, 16)] == [16, 3, 0]


def test_an_open_loop_starts_at_its_rate_however_rarely_it_is_asked() -> None:
    clock = Clock()
    loop = OpenLoop(50.0, now=clock)
    loop.due(0)
    clock.now_s += 100

    due = loop.due(0)

    assert len(due) == pytest.approx(5000, rel=0.05)
    assert due == sorted(due)
    assert loop.due(len(due)) == []


def test_a_start_was_due_when_it_was_due_and_not_when_the_loop_woke() -> None:
    clock = Clock()
    loop = OpenLoop(10.0, now=clock)
    loop.due(0)
    clock.now_s += 60

    due = loop.due(0)

    assert 100 < due[0] < 101
    assert 159 < due[-1] <= 160


def test_nothing_was_due_before_the_loop_was_first_asked() -> None:
    """A load takes a second or two to connect."""
    clock = Clock()
    loop = OpenLoop(10.0, now=clock)
    clock.now_s += 60

    assert loop.due(0) == [160.0]


def test_an_open_loop_waits_until_the_next_start() -> None:
    clock = Clock()
    loop = OpenLoop(10.0, now=clock)
    assert loop.wait_s() == 0

    loop.due(0)
    clock.now_s += loop.wait_s()

    assert len(loop.due(0)) == 1


def test_an_open_loop_that_is_not_kept_up_with_says_so() -> None:
    with pytest.raises(LoadFailed, match="unfinished at 10 starts a second"):
        OpenLoop(10.0).due(MOST_OPEN + 1)
