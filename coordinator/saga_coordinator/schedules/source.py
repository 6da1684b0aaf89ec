"""A document as data of the file's shape, everything said: reading it gives the same document."""

from __future__ import annotations

from typing import Any

from saga_coordinator.calendar.document import CalendarDocument, DateRange, DayCalendarDocument
from saga_coordinator.definitions.fields import duration_text
from saga_coordinator.schedules.document import MissedDocument, OverlapDocument, ScheduleDocument
from saga_coordinator.schedules.reading import LIMITED, MISSED


def source_of(document: ScheduleDocument) -> dict[str, Any]:
    """A schedule as its file may say it."""
    version = document.definition_version
    source: dict[str, Any] = {
        "schedule": document.schedule,
        "definition": document.definition if version is None else f"{document.definition}@{version}",
        "calendar": _calendar(document.calendar),
        "runs": document.runs,
        "input": document.input or None,
        "key": document.key,
        "overlap": _overlap(document.overlap),
        "missed": _missed(document.missed),
        "pause_after_failures": document.pause_after_failures,
        "expect_success_within": None if document.expect_success_ms is None else duration_text(document.expect_success_ms),
        "note": document.note or None,
    }
    return _said(source)


def days_source_of(document: DayCalendarDocument) -> dict[str, Any]:
    """A calendar of days as its file may say it."""
    return _said(
        {
            "calendar": document.calendar,
            "dates": list(document.dates) or None,
            "ranges": _ranges(document.ranges),
            "note": document.note or None,
        }
    )


def _calendar(calendar: CalendarDocument) -> dict[str, Any]:
    exclude = calendar.exclude
    excluded = {
        "dates": list(exclude.dates) or None,
        "ranges": _ranges(exclude.ranges),
        "cron": list(exclude.cron) or None,
        "calendars": list(exclude.calendars) or None,
    }
    return _said(
        {
            "zone": calendar.zone,
            "cron": list(calendar.cron) or None,
            "every": [{"every": duration_text(one.every_ms), "phase": one.phase} for one in calendar.every] or None,
            "interval": list(calendar.intervals) or None,
            "exclude": _said(excluded) or None,
            "start": calendar.start,
            "end": calendar.end,
            "jitter": duration_text(calendar.jitter_ms) if calendar.jitter_ms else None,
        }
    )


def _ranges(ranges: tuple[DateRange, ...]) -> list[dict[str, str]] | None:
    return [{"first": one.first, "last": one.last} for one in ranges] or None


def _overlap(overlap: OverlapDocument) -> str | dict[str, int]:
    return {overlap.policy: overlap.limit} if overlap.policy in LIMITED else overlap.policy


def _missed(missed: MissedDocument) -> dict[str, str]:
    source = {"policy": missed.policy, "grace": duration_text(missed.grace_ms), "window": duration_text(missed.window_ms)}
    if missed.policy == "skip" and missed.window_ms == MISSED.window_ms:
        del source["window"]  # it has no effect, and whoever says it is told so
    return source


def _said(source: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in source.items() if value is not None}
