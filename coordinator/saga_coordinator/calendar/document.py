"""What a calendar says, in canonical form. The models check shape only."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from saga_coordinator.definitions.document import MAX_DURATION_MS, Duration, Name, canonical_json

MAX_EXPRESSIONS: Final = 20
MAX_EXCLUDED: Final = 1_000

Words = Annotated[str, Field(max_length=4_000)]
Expression = Annotated[str, Field(min_length=1, max_length=200)]
Instant = Annotated[str, Field(min_length=1, max_length=40)]
"""RFC 3339 in UTC: `2027-01-01T00:00:00Z`."""
Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Part(BaseModel):
    """A part of a canonical document."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class DateRange(Part):
    """Days, both included."""

    first: Date
    last: Date


class ExcludeDocument(Part):
    """Days, in the calendar's zone, on which nothing ticks."""

    dates: Annotated[tuple[Date, ...], Field(max_length=MAX_EXCLUDED)]
    ranges: Annotated[tuple[DateRange, ...], Field(max_length=MAX_EXCLUDED)]
    cron: Annotated[tuple[Expression, ...], Field(max_length=MAX_EXPRESSIONS)]
    """Days on which one of these ticks."""
    calendars: Annotated[tuple[Name, ...], Field(max_length=MAX_EXPRESSIONS)]
    """Names of day calendars (`DayCalendarDocument`), such as a list of holidays."""


class EveryDocument(Part):
    """An elapsed interval: it knows no zones."""

    every_ms: Duration
    phase: Instant
    """It ticks at this instant, and at whole intervals before and after it."""


class CalendarDocument(Part):
    """When it ticks: at each instant that one of `cron`, `every` or `intervals` names, unless it is
    excluded."""

    zone: Annotated[str, Field(min_length=1, max_length=64)]
    cron: Annotated[tuple[Expression, ...], Field(max_length=MAX_EXPRESSIONS)]
    every: Annotated[tuple[EveryDocument, ...], Field(max_length=MAX_EXPRESSIONS)]
    intervals: Annotated[tuple[Expression, ...], Field(max_length=MAX_EXPRESSIONS)]
    """ISO 8601 repeating intervals: `R/2027-01-01T00:00:00Z/PT1H`."""
    exclude: ExcludeDocument
    start: Instant | None
    """The first instant at which it may tick."""
    end: Instant | None
    """It ticks before this instant only."""
    jitter_ms: Annotated[int, Field(ge=0, le=MAX_DURATION_MS)]
    """A tick is due up to so much later, by a hash of schedule and tick."""


class DayCalendarDocument(Part):
    """Days that several schedules may exclude, such as holidays; stored under a name."""

    format: Literal[1]
    calendar: Name
    dates: Annotated[tuple[Date, ...], Field(max_length=MAX_EXCLUDED)]
    ranges: Annotated[tuple[DateRange, ...], Field(max_length=MAX_EXCLUDED)]
    note: Words

    @property
    def canonical(self) -> str:
        return canonical_json(self.model_dump(mode="json")).decode()
