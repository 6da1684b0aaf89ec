"""A schedule and a definition of the tests' own, to be spoilt in one place at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.definitions import CompiledDefinition, compile_definition, lint
from saga_coordinator.schedules import ScheduleLint, lint_days, lint_schedule
from saga_schemas.catalog import Catalog
from saga_schemas.schema import Schema
from saga_schemas.times import parse_us

NOW_US: Final = parse_us("2027-01-15T12:00:00Z")
SOUND: Final = """\
schedule: settlement
definition: settle-day
calendar:
  zone: Europe/Berlin
  cron: "30 2 * * *"
  exclude:
    dates: [2027-12-25]
    ranges: [{first: 2027-12-27, last: 2027-12-28}]
    cron: ["* * * * SUN"]
    calendars: [holidays]
  start: 2027-01-01T00:00:00+01:00
  end: 2029-01-01T00:00:00Z
  jitter: 5m
runs: 1000
input:
  day: "${schedule.tick}"
  due: "${schedule.scheduled_for}"
  since: "${schedule.previous}"
  currency: EUR
key: ${schedule.name + '@' + schedule.tick}
overlap: {queue_all: 10}
missed: {policy: run_one, grace: 10m, window: 12h}
pause_after_failures: 3
expect_success_within: 9d
note: Settles the day.
"""
DAYS_TEXT: Final = "calendar: holidays\ndates: [2027-05-01]\n"
MILLIS: Final = {"type": "long", "logicalType": "timestamp-millis"}
MICROS: Final = {"type": "long", "logicalType": "timestamp-micros"}
SETTLE: Final[dict[str, Any]] = {
    "type": "record",
    "name": "t.Settle",
    "fields": [
        {"name": "day", "type": "string"},
        {"name": "due", "type": MILLIS},
        {"name": "since", "type": ["null", MICROS], "default": None},
        {"name": "currency", "type": {"type": "enum", "name": "t.Currency", "symbols": ["EUR", "USD"]}},
        {"name": "count", "type": "int", "default": 1},
        {"name": "id", "type": ["null", {"type": "string", "logicalType": "uuid"}], "default": None},
    ],
}
DO: Final = {"type": "record", "name": "t.Do", "fields": [{"name": "day", "type": "string"}]}
DEFINITION: Final = """\
saga: settle-day
version: 3
input: t.Settle
steps:
  - {name: settle, pivot: true, participant: ledger, command: t.Do, with: {day: "${input.day}"}}
"""


def compiled(*, key: str | None = None, settle: Mapping[str, Any] = SETTLE, day: str = "${input.day}") -> CompiledDefinition:
    """The definition that `SOUND` starts. `day`: what it gives its command."""
    catalog = Catalog([Schema.parse(settle), Schema.parse(DO)])
    text = DEFINITION.replace("${input.day}", day)
    if key is not None:
        text = text.replace("input: t.Settle", f'input: t.Settle\nkey: "{key}"')
    return compile_definition(lint(text, "settle-day", catalog).required(), catalog)


SETTLE_DAY: Final = compiled()


def look(name: str, version: int | None) -> CompiledDefinition | None:
    """All definitions that there are."""
    return SETTLE_DAY if name == "settle-day" and version in (None, 3) else None


def days() -> dict[str, DayCalendarDocument]:
    """All calendars of days that there are."""
    return {"holidays": lint_days(DAYS_TEXT, "holidays.days.yaml").required()}


def spoilt(*changes: tuple[str, str], definition: CompiledDefinition | None = SETTLE_DAY) -> ScheduleLint:
    """Lint `SOUND` with texts replaced."""
    text = SOUND
    for old, new in changes:
        assert text.count(old) >= 1, f"{old!r} is not in the sound schedule"
        text = text.replace(old, new, 1)
    found = look if definition is SETTLE_DAY else lambda _name, _version: definition
    return lint_schedule(text, "settlement.schedule.yaml", found, days(), NOW_US)


def codes(result: ScheduleLint) -> list[str]:
    return [finding.code for finding in result.findings]
