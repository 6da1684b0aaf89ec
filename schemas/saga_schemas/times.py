"""Times on the wire: RFC 3339 in UTC with microseconds; inside, whole microseconds since 1970.

Written in one spelling; any RFC 3339 instant is read, since other languages print fewer digits, an
offset, or the first year there is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_US: Final = -62_135_596_800_000_000
"""The beginning of year 1: what Python, and most databases, count as the first instant."""
LAST_US: Final = 253_402_300_799_999_999
"""The last microsecond of year 9999."""
_RFC3339: Final = re.compile(
    r"(?a:(\d{4}-\d{2}-\d{2})[Tt]((?:[01]\d|2[0-3]):\d{2}):(\d{2})(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d))"
)
_EXPECTED: Final = "expected an RFC 3339 time such as 2026-11-03T14:05:06.000123Z"
_MICROSECOND: Final = timedelta(microseconds=1)
_FINER: Final = re.compile(r"\.\d{6}\d*[1-9]")
_SECOND_US: Final = 1_000_000
_DAY_US: Final = 86_400 * _SECOND_US
_YEARS_2000_US: Final = 730_485 * _DAY_US
"""Year 0000, which Python does not know, is the same calendar as year 2000, so much earlier."""


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    """Consecutive messages share their second: formatting it is most of the cost."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def format_us(unix_us: int) -> str:
    """`2026-11-03T14:05:06.000123Z`."""
    if not FIRST_US <= unix_us <= LAST_US:
        raise ValueError("time is outside the years 1 to 9999")
    seconds, us = divmod(unix_us, _SECOND_US)
    return f"{_second(seconds)}.{us:06d}Z"


def parse_us(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 instant; finer digits are cut off.

    Raises ValueError on anything else, and on an instant outside the years 1 to 9999 in UTC.
    """
    us = _instant_us(text)
    if not FIRST_US <= us <= LAST_US:
        raise ValueError("time is outside the years 1 to 9999")
    return us


def nearest_us(text: str) -> int:
    """As `parse_us`, for any RFC 3339 instant at all.

    One before year 1 or after 9999 in UTC is read as the first or the last there is. It is for what
    only says "long ago" or "never", such as an expiry.
    """
    return min(max(_instant_us(text), FIRST_US), LAST_US)


def _instant_us(text: str) -> int:
    if len(text) == 27 and text[19] == "." and text[26] == "Z" and text.isascii() and (digits := text[20:26]).isdecimal():
        return _second_us(text[:19]) + int(digits)  # our own spelling
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(_EXPECTED)
    date, minute, second, fraction, zone = match.groups()
    return _whole_us(date, minute, second, zone) + int((fraction or "0")[:6].ljust(6, "0"))


@lru_cache(maxsize=1024)
def _second_us(text: str) -> int:
    """A second in UTC; lru_cache keeps no errors."""
    return _instant_us(f"{text}Z")


@lru_cache(maxsize=1024)
def _whole_us(date: str, minute: str, second: str, zone: str) -> int:
    """A leap second is the second after it, as clocks that do not know it count. It can only end a
    day in UTC."""
    leap, early = second == "60", date.startswith("0000")
    try:
        local = datetime.fromisoformat(f"{'2000' + date[4:] if early else date}T{minute}:{'59' if leap else second}+00:00")
    except ValueError:
        raise ValueError(_EXPECTED) from None
    us = (local - EPOCH) // _MICROSECOND - _offset_us(zone) - (_YEARS_2000_US if early else 0)
    if leap and us % _DAY_US != _DAY_US - _SECOND_US:
        raise ValueError(_EXPECTED)
    return us + _SECOND_US if leap else us


def _offset_us(zone: str) -> int:
    if zone in "Zz":
        return 0
    ahead = (int(zone[1:3]) * 60 + int(zone[4:6])) * 60 * _SECOND_US
    return -ahead if zone[0] == "-" else ahead


def parse_instant(text: str) -> datetime:
    """A value that is an instant.

    Raises ValueError as `parse_us` does, and on digits finer than a microsecond: what somebody's
    data say is not cut.
    """
    if _FINER.search(text):
        raise ValueError("digits finer than a microsecond")
    return to_datetime(parse_us(text))


def to_datetime(unix_us: int) -> datetime:
    """For Avro's timestamp-micros and for people."""
    return EPOCH + timedelta(microseconds=unix_us)


def from_datetime(value: datetime) -> int:
    """The other way; a time without a zone is refused, since it names no instant."""
    if value.tzinfo is None:
        raise ValueError("a time without a zone names no instant")
    return (value - EPOCH) // _MICROSECOND
