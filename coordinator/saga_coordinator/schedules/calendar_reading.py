"""From a tree to the calendar of a schedule, and to a calendar of days: keys, kinds, times, dates.

Whether an expression can be read, and ever ticks, and whether there is such a day, is
`calendar/problems.py`'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from saga_coordinator.calendar.document import (
    MAX_EXCLUDED,
    MAX_EXPRESSIONS,
    CalendarDocument,
    DateRange,
    DayCalendarDocument,
    EveryDocument,
    ExcludeDocument,
)
from saga_coordinator.definitions.fields import Fields
from saga_coordinator.definitions.finding import Report, any_error, shown
from saga_coordinator.definitions.tree import Entry, Node
from saga_coordinator.schedules.tick_names import tick_text
from saga_schemas.times import from_datetime, parse_instant

CALENDAR_KEYS: Final = ("zone", "cron", "every", "interval", "exclude", "start", "end", "jitter")
EVERY_KEYS: Final = ("every", "phase")
EXCLUDE_KEYS: Final = ("dates", "ranges", "cron", "calendars")
RANGE_KEYS: Final = ("first", "last")
DAYS_KEYS: Final = ("calendar", "dates", "ranges", "note")
MAX_EXPRESSION: Final = 200
MAX_NOTE: Final = 4_000
UTC: Final = "UTC"
EPOCH: Final = "1970-01-01T00:00:00Z"
"""Of what ticks every so often, the phase that is meant where none is said."""
_MAX_ZONE: Final = 64
_DATE: Final = re.compile(r"(?a:\d{4}-\d{2}-\d{2})")
T = TypeVar("T")


def read_calendar(node: Node, report: Report) -> CalendarDocument | None:
    """`calendar:`; None after a finding."""
    inner = Report(report.file)
    made = _calendar(Fields(inner, node, CALENDAR_KEYS, "calendar"), inner)
    report.findings.extend(inner.findings)
    return None if any_error(inner.findings) else made


def _calendar(fields: Fields, report: Report) -> CalendarDocument:
    exclude = fields.get("exclude")
    zone, jitter = fields.get("zone"), fields.duration("jitter")
    return CalendarDocument(
        zone=(None if zone is None else _text(fields, "zone", zone, _MAX_ZONE)) or UTC,
        cron=_expressions(fields, "cron"),
        every=_several(fields, "every", MAX_EXPRESSIONS, lambda node: _every(node, report)),
        intervals=_expressions(fields, "interval"),
        exclude=_exclude(Fields(report, exclude or Node({}), EXCLUDE_KEYS, "exclude"), report),
        start=_instant(fields, "start"),
        end=_instant(fields, "end"),
        jitter_ms=0 if jitter is None else jitter.value,
    )


def read_days(root: Node, report: Report) -> DayCalendarDocument | None:
    """The file of a calendar of days; None after a finding."""
    fields = Fields(report, root, DAYS_KEYS, "a calendar of days")
    name = fields.name("calendar", "`calendar: german-holidays`")
    dates, ranges = _dates(fields), _ranges(fields, report)
    note = read_note(fields)
    if any_error(report.findings) or name is None:
        return None
    return DayCalendarDocument(format=1, calendar=name.value, dates=dates, ranges=ranges, note=note)


def read_note(fields: Fields) -> str:
    """`note:`, text that people read."""
    node = fields.get("note")
    return "" if node is None else _text(fields, "note", node, MAX_NOTE, least=0) or ""


def _several(fields: Fields, key: str, most: int, one: Callable[[Node], T | None]) -> tuple[T, ...]:
    """A value, or a list of them."""
    node = fields.get(key)
    if node is None:
        return ()
    nodes = node.value if isinstance(node.value, tuple) else (node,)
    if len(nodes) > most:
        fields.add("S011", node, f"{key} has {len(nodes)} entries, at most {most} are allowed")
        return ()
    read = [one(each) for each in nodes]
    return tuple(each for each in read if each is not None)


def _expressions(fields: Fields, key: str) -> tuple[str, ...]:
    return _several(fields, key, MAX_EXPRESSIONS, lambda node: _text(fields, key, node, MAX_EXPRESSION))


def _text(fields: Fields, key: str, node: Node, most: int, *, least: int = 1) -> str | None:
    if not isinstance(node.value, str):
        fields.wrong(node, f"{key} must be text, this is {node.kind}")
    elif not least <= len(node.value) <= most:
        fields.add("S011", node, f"{key} must have {least} to {most} characters")
    else:
        return node.value
    return None


def _every(node: Node, report: Report) -> EveryDocument | None:
    """`90s`, or `{every: 90s, phase: …}`."""
    entry = Entry(Node("every", node.line, node.column), node)
    whole = Node({"every": entry}, node.line, node.column) if isinstance(node.value, str) else node
    fields = Fields(report, whole, EVERY_KEYS, "every")
    if fields.need("every", "`every: 90s`") is None:
        return None
    given, phase = fields.duration("every"), _instant(fields, "phase")
    return None if given is None else EveryDocument(every_ms=given.value, phase=phase or EPOCH)


def _exclude(fields: Fields, report: Report) -> ExcludeDocument:
    calendars = _several(fields, "calendars", MAX_EXPRESSIONS, lambda node: fields.as_name("calendars", node))
    return ExcludeDocument(
        dates=_dates(fields),
        ranges=_ranges(fields, report),
        cron=_expressions(fields, "cron"),
        calendars=tuple(given.value for given in calendars),
    )


def _dates(fields: Fields) -> tuple[str, ...]:
    return _several(fields, "dates", MAX_EXCLUDED, lambda node: _date(fields, "dates", node))


def _ranges(fields: Fields, report: Report) -> tuple[DateRange, ...]:
    return _several(fields, "ranges", MAX_EXCLUDED, lambda node: _range(node, report))


def _range(node: Node, report: Report) -> DateRange | None:
    fields = Fields(report, node, RANGE_KEYS, "a range")
    example = "`{first: 2027-12-24, last: 2027-12-31}`"
    nodes = [fields.need(key, example) for key in RANGE_KEYS]
    days = [None if day is None else _date(fields, key, day) for key, day in zip(RANGE_KEYS, nodes, strict=True)]
    first, last = days
    return None if first is None or last is None else DateRange(first=first, last=last)


def _date(fields: Fields, key: str, node: Node) -> str | None:
    if isinstance(node.value, str) and _DATE.fullmatch(node.value):
        return node.value
    said = shown(node.value) if isinstance(node.value, str | int | float) else node.kind
    fields.add("S327", node, f"{key}: `{said}` is no day; write it as 2027-12-24")
    return None


def _instant(fields: Fields, key: str) -> str | None:
    """An RFC 3339 time, in UTC."""
    node = fields.get(key)
    if node is None:
        return None
    try:
        if isinstance(node.value, str):
            return tick_text(from_datetime(parse_instant(node.value)))
    except ValueError:
        pass
    said = shown(node.value) if isinstance(node.value, str | int | float) else node.kind
    fields.add("S327", node, f"{key}: `{said}` is no time with its offset; write 2027-01-01T00:00:00Z, or …T00:00:00+01:00")
    return None
