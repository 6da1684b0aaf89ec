"""A time with a zone where none belongs, or without one where it is needed, is refused: fastavro
would take the host's, or drop it."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import EncodingFailed
from saga_schemas.schema import Schema

NAIVE = datetime(2026, 7, 1, 12, 0, 0, 123000)
AWARE = NAIVE.replace(tzinfo=UTC)


def of(kind: str, logical: str) -> Any:
    return {"type": kind, "logicalType": logical}


INSTANT, LOCAL = of("long", "timestamp-micros"), of("long", "local-timestamp-micros")
MILLIS, LOCAL_MILLIS = of("long", "timestamp-millis"), of("long", "local-timestamp-millis")
HOUR, HOUR_MILLIS, DAY = of("long", "time-micros"), of("int", "time-millis"), of("int", "date")
INNER = {"type": "record", "name": "t.Inner", "fields": [{"name": "at", "type": INSTANT}]}
OTHER = {"type": "record", "name": "t.Other", "fields": [{"name": "day", "type": DAY}]}


def schema(node: Any) -> Schema:
    return Schema.parse({"type": "record", "name": "t.T", "fields": [{"name": "x", "type": node}]})


class NoZone(tzinfo):
    """A zone that does not know its offset is none."""

    def utcoffset(self, at: datetime | None) -> timedelta | None:
        return None

    def dst(self, at: datetime | None) -> timedelta | None:
        return None

    def tzname(self, at: datetime | None) -> str | None:
        return None


BERLIN = ZoneInfo("Europe/Berlin")
GOOD: list[tuple[Any, Any]] = [
    (INSTANT, AWARE), (MILLIS, AWARE), (LOCAL, NAIVE), (LOCAL_MILLIS, NAIVE), (HOUR, time(12)), (HOUR_MILLIS, time(12)),
    (DAY, date(2026, 7, 1)), (["null", INSTANT], None), (["null", INSTANT], AWARE), ([HOUR, "string"], time(1)),
    ({"type": "array", "items": ["null", LOCAL]}, [None, NAIVE]), ({"type": "map", "values": INNER}, {"a": {"at": AWARE}}),
    ([INNER, OTHER], ("t.Other", {"day": date(2026, 7, 1)})), ([DAY, INSTANT], date(2026, 7, 1)),
]  # fmt: skip
BAD: list[tuple[Any, Any, str, str]] = [
    (INSTANT, NAIVE, "x", "an instant needs a zone"), (MILLIS, NAIVE, "x", "an instant needs a zone"),
    (INSTANT, NAIVE.replace(tzinfo=NoZone()), "x", "an instant needs a zone"),
    (LOCAL, AWARE, "x", "a local time has no zone"), (LOCAL_MILLIS, AWARE.astimezone(BERLIN), "x", "a local time has no zone"),
    (HOUR, time(12, tzinfo=UTC), "x", "a local time has no zone"), (HOUR_MILLIS, time(12, tzinfo=BERLIN), "x", "a local time has no zone"),
    (DAY, NAIVE, "x", "a date has no time of day"), (DAY, AWARE, "x", "a date has no time of day"),
    (["null", INSTANT], NAIVE, "x", "an instant"), ([HOUR, "string"], time(1, tzinfo=UTC), "x", "a local time"),
    ({"type": "array", "items": ["null", LOCAL]}, [None, NAIVE, AWARE], "x[2]", "a local time"),
    ({"type": "map", "values": INNER}, {"secret": {"at": NAIVE}}, "x.*.at", "an instant"),
    ([INNER, OTHER], ("t.Other", {"day": NAIVE}), "x.day", "a date"), (["null", INNER], {"at": NAIVE}, "x.at", "an instant"),
]  # fmt: skip


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/New_York"])
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    clock.tzset()
    yield request.param
    monkeypatch.undo()
    clock.tzset()


@pytest.mark.parametrize(("node", "value"), GOOD)
def test_a_time_of_its_type_reads_back_as_it_was_in_any_zone_of_the_host(node: Any, value: Any, host_zone: str) -> None:
    written = schema(node)
    read = decode(encode(written, {"x": value}), Catalog([written])).value["x"]
    assert read == value


@pytest.mark.parametrize(("node", "value", "path", "words"), BAD)
def test_a_time_that_is_not_of_its_type_is_refused_by_field_and_never_shifted(
    node: Any, value: Any, path: str, words: str, host_zone: str
) -> None:
    with pytest.raises(EncodingFailed) as caught:
        encode(schema(node), {"x": value})
    assert caught.value.path == path
    assert words in caught.value.detail
    assert "2026" not in str(caught.value), "no value is repeated"


@pytest.mark.parametrize("offset", [timedelta(hours=14), timedelta(hours=-12)])
def test_an_instant_may_have_any_zone(offset: timedelta) -> None:
    written = schema(INSTANT)
    there = AWARE.astimezone(timezone(offset))
    assert decode(encode(written, {"x": there}), Catalog([written])).value["x"] == AWARE
