"""What is wrong with schedules, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from saga_coordinator.schedules.words import all_needs
from saga_coordinator.store.schedule_records import ScheduleRow, ScheduleStatus
from saga_coordinator.views.situation import SchedulesNow, Situation
from saga_coordinator.views.trouble import Trouble
from saga_coordinator.views.troubles import troubles
from support.situations import NOW_US, situation
from support.stored_schedules import counts, schedule_row

MINUTE = 60_000_000
HOUR = 60 * MINUTE


def with_schedules(rows: Sequence[ScheduleRow] = (), **known: Any) -> Situation:
    return situation(schedules=SchedulesNow(needs=all_needs(rows, NOW_US), **known))


def only(now: Situation) -> Trouble:
    (found,) = troubles(now)
    return found


def late_by(us: int) -> dict[str, Any]:
    return {"counts": counts(due_since_us=NOW_US - us, now_us=NOW_US)}


def in_need(name: str, code: str, for_us: int) -> ScheduleRow:
    return schedule_row(name, attention=code, attention_since_us=NOW_US - for_us, attention_note="no field day")


def test_schedules_at_work_say_nothing() -> None:
    assert troubles(with_schedules([schedule_row()], **late_by(30_000_000))) == ()


def test_one_that_cannot_start_is_told_with_its_note_and_the_way_out() -> None:
    found = only(with_schedules([in_need("settlement", "input_invalid", 3 * HOUR)]))
    assert (found.code, found.severity, found.subject) == ("schedule_needs_person", "bad", None)
    assert found.sentence == "the schedule settlement cannot start settle-day: its input does not fit, for 3.0 h"
    assert found.detail.startswith("no field day. Update its input")
    assert [link.page for link in found.links] == ["schedules/settlement"]
    assert [act.command for act in found.acts] == ["saga schedule update FILE --reason WHY"]


def test_many_with_one_cause_are_one_sentence() -> None:
    rows = [in_need(f"s{number}", "definition_inactive", number * HOUR) for number in range(1, 6)]
    found = only(with_schedules(rows))
    assert found.sentence == "5 schedules cannot start: no version of their definition is active, the longest for 5.0 h"
    assert found.detail.startswith("s5, s4, s3 and 2 more. Activate a version of their definition")
    assert [link.page for link in found.links] == ["attention#schedules"]
    assert only(with_schedules(rows, more=True)).sentence.startswith("5+ schedules")


def test_the_absence_of_a_success_is_told() -> None:
    found = only(with_schedules([schedule_row(success_due_at_us=NOW_US - 4 * HOUR)]))
    assert (found.code, found.severity) == ("schedule_overdue", "bad")
    assert found.sentence == "the schedule settlement has had no success in time, for 4.0 h"


def test_a_long_pause_is_to_be_watched_only() -> None:
    row = schedule_row(status=ScheduleStatus.PAUSED, paused_at_us=NOW_US - 72 * HOUR, paused_by="ana", paused_why="bank")
    found = only(with_schedules([row]))
    assert (found.code, found.severity) == ("schedule_paused", "watch")
    assert found.sentence == "the schedule settlement is paused for long, for 3 d"
    assert [act.command for act in found.acts] == ["saga schedule resume settlement --reason WHY"]


@pytest.mark.parametrize(("minutes", "severity"), [(1, "warn"), (5, "bad")], ids=["a minute", "five"])
def test_ticks_that_nobody_decides_are_told(minutes: int, severity: str) -> None:
    found = only(with_schedules(**late_by(minutes * MINUTE)))
    assert (found.code, found.severity) == ("ticks_late", severity)
    assert "role timers" in found.detail


def test_where_the_loop_says_why_it_is_told_once() -> None:
    found = only(with_schedules(waits="connection refused", **late_by(6 * MINUTE)))
    assert found.code == "ticks_late"
    assert found.detail.startswith("connection refused. None is lost")
    waiting = only(with_schedules(waits="connection refused", counts=counts()))
    assert (waiting.code, waiting.severity) == ("schedules_wait", "warn")


def test_each_cause_is_told_by_itself() -> None:
    rows = [in_need("a", "input_invalid", HOUR), in_need("b", "start_refused", HOUR)]
    assert len(troubles(with_schedules(rows))) == 2
