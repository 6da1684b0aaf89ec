"""Zones come from tzdata, and a timeline has all their changes."""

from __future__ import annotations

import importlib.resources
import re
import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from saga_coordinator.calendar.timeline import DAY_S, Timeline
from saga_coordinator.calendar.zones import ZoneUnknown, timeline_of, tzdata_version, zone, zone_names

SOME_YEARS = (int(datetime(1970, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2037, 1, 1, tzinfo=UTC).timestamp()))


def changes_in(data: bytes) -> list[tuple[int, int]]:
    """Instants and offsets from a TZif file's second block, those without a new offset left out."""
    at = 0
    for size in (4, 8):
        counts = struct.unpack(">6L", data[at + 20 : at + 44])
        isut, isstd, leap, times, types, chars = counts
        at += 44
        if size == 8:
            instants = struct.unpack(f">{times}q", data[at : at + times * 8])
            kinds = data[at + times * 8 : at + times * 9]
            infos = [
                struct.unpack(">l", data[place : place + 4])[0] for place in range(at + times * 9, at + times * 9 + types * 6, 6)
            ]
            break
        at += times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    found: list[tuple[int, int]] = []
    before = infos[0]
    for instant, kind in zip(instants, kinds, strict=True):
        if infos[kind] != before:
            found.append((instant, infos[kind]))
        before = infos[kind]
    return found


def all_changes() -> dict[bytes, tuple[str, list[tuple[int, int]]]]:
    """By a zone's file, so that aliases are read once."""
    folder = importlib.resources.files("tzdata").joinpath("zoneinfo")
    files = {folder.joinpath(name).read_bytes(): name for name in sorted(zone_names())}
    return {data: (name, changes_in(data)) for data, name in files.items()}


def test_no_zone_changes_there_and_back_within_a_day() -> None:
    """What a timeline relies on when it asks once a day."""
    near = []
    for name, changes in all_changes().values():
        late = [instant for instant, _ in changes if instant >= SOME_YEARS[0]]
        near += [name for first, second in pairwise(late) if second - first <= DAY_S]

    assert len(all_changes()) > 300
    assert near == []


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "Asia/Gaza", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns", "Africa/Monrovia"]
)
def test_a_timeline_has_the_changes_of_the_file(name: str) -> None:
    data = importlib.resources.files("tzdata").joinpath(f"zoneinfo/{name}").read_bytes()
    expected = [change for change in changes_in(data) if change[0] >= SOME_YEARS[0]]
    end = min(SOME_YEARS[1], expected[-1][0] + 1)
    timeline, at, found = timeline_of(name), SOME_YEARS[0], []
    while at < end:
        offset, until = timeline.span(at)
        if until < end and timeline.offset(until) != offset:
            found.append((until, timeline.offset(until)))
        at = until

    assert found == [change for change in expected if change[0] < end]


def test_the_search_path_of_the_system_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "Asia").mkdir()
    utc = importlib.resources.files("tzdata").joinpath("zoneinfo/UTC").read_bytes()
    (tmp_path / "Asia" / "Kathmandu").write_bytes(utc)
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    try:
        assert zoneinfo.ZoneInfo.no_cache("Asia/Kathmandu").utcoffset(datetime(1970, 1, 1)) == timedelta(0)
        assert Timeline(zone("Asia/Kathmandu")).offset(0) == 5 * 3600 + 1800
    finally:
        zoneinfo.reset_tzpath()


def test_all_names_of_tzdata_are_known_and_aliases_too() -> None:
    assert {"UTC", "US/Eastern", "Asia/Calcutta", "Etc/GMT+5", "America/Argentina/Buenos_Aires"} <= zone_names()
    assert str(zone("America/Argentina/Buenos_Aires")) == "America/Argentina/Buenos_Aires"
    assert zone("Europe/Berlin") is zone("Europe/Berlin")


def test_the_version_is_the_one_iana_gives() -> None:
    assert re.fullmatch(r"20\d\d[a-z]+", tzdata_version())


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("Europe/Berlim", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("utc", "UTC"),
        ("", None),
        ("../../etc/passwd", None),
        ("Mars/Olympus_Mons", None),
        ("x" * 100_000, None),
    ],
    ids=["typo", "city", "blank", "case", "empty", "path", "mars", "long"],
)
def test_an_unknown_zone_names_those_that_are_close(name: str, close: str | None) -> None:
    with pytest.raises(ZoneUnknown) as raised:
        zone(name)

    assert raised.value.close[:1] == ((close,) if close else ())
    assert len(str(raised.value)) < 300
    assert tzdata_version() in str(raised.value)
