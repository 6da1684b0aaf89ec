"""A calendar: which tick comes next, and when it is due. Pure, and the same on every instance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice, takewhile
from typing import Final

from saga_coordinator.calendar.building import Timelines, build
from saga_coordinator.calendar.document import CalendarDocument, DayCalendarDocument
from saga_coordinator.calendar.instants import SECOND_US
from saga_coordinator.calendar.problem import CalendarInvalid
from saga_coordinator.calendar.sources import Named, Source
from saga_coordinator.calendar.tick import Cursor, Tick
from saga_coordinator.calendar.timeline import FIRST_S, LAST_S
from saga_coordinator.calendar.walls import parse_wall, wall_text
from saga_coordinator.calendar.zones import timeline_of

__all__ = ["Calendar", "CalendarInvalid", "calendar_of"]

_MS_US: Final = 1_000


class Calendar:
    """The ticks of one schedule. `calendar_of` makes it."""

    def __init__(
        self,
        *,
        name: str,
        sources: tuple[Source, ...],
        start_us: int | None,
        end_us: int | None,
        jitter_ms: int,
    ) -> None:
        self._name = name
        self._sources = sources
        self._first = FIRST_S if start_us is None else -(-start_us // SECOND_US)
        self._last = LAST_S if end_us is None else (end_us - 1) // SECOND_US
        self._jitter_ms = jitter_ms

    def next(self, cursor: Cursor) -> Tick | None:
        """The first tick after a place. None: none comes, or none in the next fifty years."""
        return next(self._walk(cursor), None)

    def ticks(self, cursor: Cursor, *, until_us: int, limit: int) -> list[Tick]:
        """The ticks after a place up to an instant, itself included, in order; at most so many.

        As `next` again and again, each time from the place after the tick before.
        """
        return list(islice(takewhile(lambda tick: tick.at_us <= until_us, self._walk(cursor)), limit))

    def _walk(self, cursor: Cursor) -> Iterator[Tick]:
        after = max(min(cursor.after_us // SECOND_US, LAST_S), self._first - 1)
        decided = None if cursor.local is None else parse_wall(cursor.local)
        heads = [(source, source.next(after, decided)) for source in self._sources]
        while True:
            named = [one for _, one in heads if one is not None]
            at = min((one.at for one in named), default=None)
            if at is None or at > self._last:
                return
            yield self._tick(at, [one for one in named if one.at == at])
            heads = [(source, source.next(at, decided) if one is not None and one.at == at else one) for source, one in heads]

    def _tick(self, at: int, named: list[Named]) -> Tick:
        """Several sources that name one instant give one tick."""
        fixed = [one.wall for one in named if one.fixed]
        reasons = dict.fromkeys(one.reason for one in named if one.reason is not None)
        at_us = at * SECOND_US
        return Tick(
            at_us=at_us,
            local=wall_text(max(fixed) if fixed else named[0].wall),
            fixed=bool(fixed),
            fire_at_us=at_us + self._jitter_us(at_us),
            reason="; ".join(reasons) or None,
        )

    def _jitter_us(self, at_us: int) -> int:
        if not self._jitter_ms:
            return 0
        digest = hashlib.sha256(f"{self._name}@{at_us}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % (self._jitter_ms + 1) * _MS_US


def calendar_of(
    document: CalendarDocument,
    name: str,
    days: Mapping[str, DayCalendarDocument],
    timelines: Timelines = timeline_of,
) -> Calendar:
    """The calendar of the schedule of this name. `days` has the day calendars that it may exclude.

    Raises CalendarInvalid where it cannot be read, such as for a zone that tzdata no longer has. A
    calendar that never ticks is read.
    """
    built = build(document, days, timelines)
    if built.problems:
        raise CalendarInvalid(built.problems)
    return Calendar(
        name=name,
        sources=tuple(source for _, source in built.sources),
        start_us=built.start_us,
        end_us=built.end_us,
        jitter_ms=document.jitter_ms,
    )
