"""What becomes of ticks that come late, at the edges; and how a policy is spelt."""

from __future__ import annotations

import pytest

from saga_coordinator.calendar.tick import Tick
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.deciding import due, overlap_of, overlap_text
from saga_coordinator.schedules.document import MissedDocument

HOUR_US = 3_600_000_000
NOW_US = 100 * HOUR_US
ONE = MissedDocument(policy="run_one", grace_ms=60_000, window_ms=24 * 3_600_000)


def tick(hours_ago: float) -> Tick:
    at_us = NOW_US - int(hours_ago * HOUR_US)
    return Tick(at_us=at_us, local="", fixed=False, fire_at_us=at_us)


def runs(ticks: list[Tick], following: Tick | None = None) -> list[bool]:
    return [not one.missed for one in due(ticks, ONE, NOW_US, following=following)]


def test_the_latest_missed_tick_runs_and_those_in_time_beside_it() -> None:
    assert runs([tick(3), tick(2), tick(0.01)]) == [False, True, True]


def test_none_of_a_page_runs_where_a_later_missed_tick_follows() -> None:
    assert runs([tick(4), tick(3)], following=tick(2)) == [False, False]


def test_the_last_of_a_page_runs_where_only_a_tick_in_time_follows() -> None:
    assert runs([tick(4), tick(3)], following=tick(0.01)) == [False, True]


def test_a_tick_is_late_by_when_it_was_due_not_by_its_name() -> None:
    jittered = Tick(at_us=NOW_US - HOUR_US, local="", fixed=False, fire_at_us=NOW_US)
    skip = MissedDocument(policy="skip", grace_ms=1, window_ms=1)
    assert [one.missed for one in due([jittered], skip, NOW_US, following=None)] == [False]


@pytest.mark.parametrize("text", ["skip", "queue_one", "queue_all:7", "allow:100", "cancel_other", "terminate_other"])
def test_a_policy_is_read_as_it_is_written(text: str) -> None:
    assert overlap_text(overlap_of(text)) == text


@pytest.mark.parametrize("text", ["", "allow:", "allow:0", "allow:101", "allow:x", "skip:2", "sikp", "allow:1:2", "allow:٣"])
def test_another_policy_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(Refused) as refused:
        overlap_of(text)
    assert refused.value.code == "overlap_unknown"
