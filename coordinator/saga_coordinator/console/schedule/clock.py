"""Instants of a schedule as its people read them: on the wall clock of its zone. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from saga_coordinator.calendar.zones import ZoneUnknown, zone
from saga_schemas.record_class import record
from saga_schemas.times import EPOCH, format_us, parse_us

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@record
class WallClock:
    """An instant on a wall."""

    day: str
    """`28 Mar`."""
    clock: str
    """`02:30`, with seconds where there are some."""
    whole: str
    """`Sun 28 Mar 2027 02:30`."""


class ScheduleClock:
    """The wall clock of a zone; of UTC where the zone is not known any more."""

    def __init__(self, name: str) -> None:
        self.is_known = True
        self.zone: tzinfo = UTC
        try:
            self.zone = zone(name)
        except ZoneUnknown:
            self.is_known = False
        self.name = name if self.is_known else "UTC"

    def at(self, us: int) -> WallClock:
        """What it shows at this instant, in microseconds since 1970."""
        moment = (EPOCH + timedelta(microseconds=us)).astimezone(self.zone)
        day, clock = f"{moment.day} {_MONTHS[moment.month - 1]}", _clock(moment)
        return WallClock(day=day, clock=clock, whole=f"{_DAYS[moment.weekday()]} {day} {moment.year} {clock}")


def instant_us(text: str) -> int | None:
    """Of RFC 3339, or of what a browser sends for a date and time, which is taken for UTC; None for
    anything else."""
    for written in (text, f"{text}Z", f"{text}:00Z"):
        try:
            return parse_us(written)
        except ValueError:
            continue
    return None


def input_text(us: int) -> str:
    """As a field for a date and time takes it: `2027-03-28T01:00:00`, in UTC."""
    return format_us(us)[:19]


def _clock(moment: datetime) -> str:
    text = f"{moment:%H:%M}"
    return f"{moment:%H:%M:%S}" if moment.second or moment.microsecond else text
