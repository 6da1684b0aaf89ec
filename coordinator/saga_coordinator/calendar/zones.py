"""Time zones by name, from the `tzdata` package: whatever the system has decides nothing."""

from __future__ import annotations

import difflib
from datetime import tzinfo
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

import tzdata

from saga_coordinator.calendar.timeline import Timeline

_SHOWN_CHARS: Final = 64
_CLOSE: Final = 3


class ZoneUnknown(ValueError):
    """The `tzdata` package has no zone of this name.

    Attributes:
        name: What was asked for.
        close: Names that are like it, the closest first; may be empty.
    """

    def __init__(self, name: str, close: tuple[str, ...]) -> None:
        hint = f"did you mean {' or '.join(close)}?" if close else "write a name such as Europe/Berlin or UTC"
        super().__init__(f"`{name[:_SHOWN_CHARS]}` is no time zone of tzdata {tzdata_version()}: {hint}")
        self.name = name
        self.close = close


def tzdata_version() -> str:
    """The release of the time zones in use, as IANA names it: `2026a`."""
    return str(tzdata.IANA_VERSION)


@cache
def zone_names() -> frozenset[str]:
    """All names that `zone` knows, aliases such as `US/Eastern` among them."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def zone(name: str) -> tzinfo:
    """The zone of this name. Raises ZoneUnknown."""
    if name not in zone_names():  # also what keeps a name from being a path
        raise ZoneUnknown(name, _close_to(name))
    return _loaded(name)


def timeline_of(name: str) -> Timeline:
    """The offsets of the zone of this name. Raises ZoneUnknown."""
    zone(name)
    return _timeline(name)


@cache
def _loaded(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def _timeline(name: str) -> Timeline:
    return Timeline(_loaded(name))


def _close_to(name: str) -> tuple[str, ...]:
    """By the whole name and by its city alone, whatever the case: `berlin` is close to
    `Europe/Berlin`."""
    said = name[:_SHOWN_CHARS].lower().replace(" ", "_")
    whole = {known.lower(): known for known in sorted(zone_names())}
    cities = {known.rpartition("/")[2]: known for known in whole}
    close = [whole[found] for found in difflib.get_close_matches(said, whole, n=_CLOSE, cutoff=0.75)]
    city = difflib.get_close_matches(said.rpartition("/")[2], cities, n=_CLOSE, cutoff=0.8)
    return tuple(dict.fromkeys(close + [whole[cities[found]] for found in city]))[:_CLOSE]
