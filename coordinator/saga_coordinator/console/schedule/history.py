"""Ticks that are decided and ticks to come, as lines of a table and marks of a drawing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.calendar.tick import Tick
from saga_coordinator.console.drawing.ticks import TickMark
from saga_coordinator.console.formatting import Look, duration, number
from saga_coordinator.console.schedule.clock import ScheduleClock
from saga_coordinator.console.schedule.looks import TO_COME, not_fired, tick_state
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.schedules.words import reason_words
from saga_coordinator.store.schedule_records import TickOutcome, TickRangeRow, TickRow, TickSource
from saga_schemas.record_class import record

_SOURCES: Final = {TickSource.TRIGGER: "by hand", TickSource.BACKFILL: "by a backfill"}
_LATE_MS: Final = 1_000
"""What is decided sooner is on time."""


@record
class DecidedLine:
    """A tick that is decided, or several in a row that did not start for one reason."""

    first_us: int
    last_us: int
    count: int
    state: str
    look: Look
    names: str
    """By which they are known: `2027-03-28T01:00:00Z`, or the first and the last."""
    when: str
    """On the wall clock of the schedule's zone."""
    day: str
    clock: str
    source: str
    """How it came, where not by the calendar."""
    why: str
    """Why it waits, did not start or failed; empty where it did."""
    saga_id: UUID | None
    is_own: bool
    """It started that saga; otherwise the saga was in its way."""
    late: str
    """How much later than its instant it fired; empty: on time, or not at all."""
    version: int | None
    """Of the schedule that decided it; of several in a row nobody knows."""
    decided_at_us: int


def decided_line(row: TickRow | TickRangeRow, clock: ScheduleClock) -> DecidedLine:
    return _of_tick(row, clock) if isinstance(row, TickRow) else _of_range(row, clock)


def decided_marks(lines: Sequence[DecidedLine], saga_path: Callable[[UUID], str]) -> list[TickMark]:
    """Oldest first. `saga_path` is where the browser finds a saga."""
    return [
        TickMark(
            look=line.look,
            state=line.state,
            title=_title(line),
            day=line.day,
            clock=line.clock,
            href=saga_path(line.saga_id) if line.saga_id is not None else "",
            count=line.count,
        )
        for line in reversed(lines)
    ]


def coming_marks(ticks: Sequence[Tick], clock: ScheduleClock) -> list[TickMark]:
    marks = []
    for tick in ticks:
        wall = clock.at(tick.at_us)
        odd = f": {tick.reason}" if tick.reason else ""
        title = f"{wall.whole} {clock.name}, {tick_text(tick.at_us)}: to come{odd}"
        marks.append(
            TickMark(look=TO_COME, state="to come", title=title, day=wall.day, clock=wall.clock, odd=tick.reason is not None)
        )
    return marks


def _of_tick(tick: TickRow, clock: ScheduleClock) -> DecidedLine:
    state, look = tick_state(tick)
    wall = clock.at(tick.at_us)
    fired_ms = None if tick.fired_at_us is None else (tick.fired_at_us - tick.at_us) // 1_000
    is_late = fired_ms is not None and fired_ms >= _LATE_MS and tick.source == TickSource.CALENDAR
    return DecidedLine(
        first_us=tick.at_us,
        last_us=tick.at_us,
        count=1,
        state=state,
        look=look,
        names=tick_text(tick.at_us),
        when=wall.whole,
        day=wall.day,
        clock=wall.clock,
        source=_SOURCES.get(TickSource(tick.source), "") if tick.source in list(TickSource) else tick.source,
        why="" if tick.reason is None else tick.note or reason_words(tick.reason),
        saga_id=tick.saga_id,
        is_own=tick.outcome == TickOutcome.FIRED,
        late=duration(fired_ms) if is_late else "",
        version=tick.version,
        decided_at_us=tick.decided_at_us,
    )


def _of_range(one: TickRangeRow, clock: ScheduleClock) -> DecidedLine:
    state, look = not_fired(one.outcome)
    first, last = clock.at(one.first_us), clock.at(one.last_us)
    alone = one.first_us == one.last_us
    return DecidedLine(
        first_us=one.first_us,
        last_us=one.last_us,
        count=one.count,
        state=state,
        look=look,
        names=tick_text(one.first_us) if alone else f"{tick_text(one.first_us)} to {tick_text(one.last_us)}",
        when=first.whole if alone else f"{first.whole} to {last.whole}",
        day=first.day,
        clock=first.clock,
        source="",
        why=one.note or reason_words(one.reason),
        saga_id=one.saga_id,
        is_own=False,
        late="",
        version=None,
        decided_at_us=one.decided_at_us,
    )


def _title(line: DecidedLine) -> str:
    many = f"{number(line.count)} ticks, " if line.count > 1 else ""
    parts = [f"{many}{line.when}, {line.names}: {line.state}", line.source, line.why]
    late = f"{line.late} late" if line.late else ""
    return ", ".join(part for part in (*parts, late) if part)
