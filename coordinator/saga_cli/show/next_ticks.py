"""The ticks to come of a schedule: of a file, in the form in which a coordinator answers, and for
people."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import typer

from saga_cli.output import Format, print_table
from saga_cli.schedule_source import days_of, now_us, schedule_source_of
from saga_coordinator.calendar.calendar import calendar_of
from saga_coordinator.calendar.tick import Cursor, Tick
from saga_coordinator.calendar.words import in_words
from saga_coordinator.calendar.zones import ZoneUnknown, tzdata_version, zone
from saga_coordinator.schedules.tick_names import tick_text
from saga_schemas.times import LAST_US, format_us, from_datetime, parse_us, to_datetime

_DAY_CHARS: Final = len("2027-03-27")
_COLUMNS: Final = ("TICK", "WALL CLOCK", "")


def coming_of(file: str, begin: str | None, count: int) -> dict[str, Any]:
    """The ticks of a file from a time on, or a day in its zone; None: from now on.

    Raises:
        typer.BadParameter: There is no such file, or the time is none.
        CommandFailed: The file has errors (exit 1).
    """
    source = schedule_source_of(file)
    document = source.document()
    of, now = zone(document.calendar.zone), now_us()
    after_us = now if begin is None else _begin_us(begin, of) - 1
    calendar = calendar_of(document.calendar, document.schedule, days_of(source.folder))
    ticks = calendar.ticks(Cursor(after_us=after_us), until_us=LAST_US, limit=count)
    items = [_item(tick, of, now) for tick in ticks]
    return {"items": items, "zone": document.calendar.zone, "tzdata": tzdata_version()}


def show_coming(found: dict[str, Any], output: Format) -> None:
    """Print them: `found` has `items`, `zone` and `tzdata`."""
    items = found["items"]
    rows = [[item["tick"], _wall(item, found["zone"]), item["words"]] for item in items]
    print_table(found, output, columns=_COLUMNS, rows=rows, ids=[item["tick"] for item in items], empty="it ticks no more")
    if output is Format.TABLE:
        typer.echo(f"zone {found['zone']}, tzdata {found['tzdata']}", err=True)


def _item(tick: Tick, of: tzinfo, now: int) -> dict[str, Any]:
    return {
        "tick": tick_text(tick.at_us),
        "due_at": format_us(tick.fire_at_us),
        "local": tick.local,
        "odd": tick.reason,
        "words": in_words(tick, of, now),
    }


def _wall(item: dict[str, Any], of: str) -> str:
    """What a clock on the wall shows, with its offset: `2027-03-28 03:00:00+02:00`.

    In a zone that only the coordinator knows, the wall clock that the expression names.
    """
    try:
        return to_datetime(parse_us(item["tick"])).astimezone(zone(of)).isoformat(sep=" ")
    except ZoneUnknown:
        return str(item["local"])


def _begin_us(text: str, of: tzinfo) -> int:
    try:
        if len(text) != _DAY_CHARS:
            return parse_us(text)
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=of)
        return from_datetime(day.astimezone(UTC))
    except (ValueError, OverflowError):
        expected = "expected a time as 2027-03-27T00:00:00Z, or a day as 2027-03-27"
        raise typer.BadParameter(f"{text!r}: {expected}", param_hint="--from") from None
