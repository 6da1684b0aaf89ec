"""Times on the wire: RFC 3339 in UTC with microseconds; inside, whole microseconds since 1970.

Written in one spelling; any RFC 3339 instant is read, since other languages print fewer digits or an offset.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US: Final = 253_402_300_800_000_000  # year 10000
_RFC3339: Final = re.compile(
    r"(?a:(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d))"
)
_MICROSECOND: Final = timedelta(microseconds=1)


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    """Consecutive messages share their second: formatting it is most of the cost."""
    return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def format_us(unix_us: int) -> str:
    """`2026-11-03T14:05:06.000123Z`."""
    if not 0 <= unix_us < _LAST_US:
        raise ValueError("time is outside 1970 to 9999")
    seconds, us = divmod(unix_us, 1_000_000)
    return f"{_second(seconds)}.{us:06d}Z"


def parse_us(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 instant; digits beyond the microsecond are cut off. ValueError on anything else."""
    if len(text) == 27 and text[19] == "." and text[26] == "Z" and text.isascii() and (digits := text[20:26]).isdecimal():
        return _second_us(text[:19]) + int(digits)  # our own spelling
    match = _RFC3339.fullmatch(text) if len(text) <= 40 else None
    if match is None:
        raise ValueError("expected an RFC 3339 time such as 2026-11-03T14:05:06.000123Z")
    date, clock, fraction, offset = match.groups()
    us = _whole_us(date, clock, "+00:00" if offset in "Zz" else offset) + int((fraction or "0").ljust(6, "0")[:6])
    if not 0 <= us < _LAST_US:
        raise ValueError("time is outside 1970 to 9999")
    return us


@lru_cache(maxsize=1024)
def _second_us(text: str) -> int:
    """A second in UTC; lru_cache keeps no errors."""
    return parse_us(f"{text}Z")


@lru_cache(maxsize=1024)
def _whole_us(date: str, clock: str, zone: str) -> int:
    try:
        return (datetime.fromisoformat(f"{date}T{clock}{zone}") - EPOCH) // _MICROSECOND
    except ValueError:
        raise ValueError("expected an RFC 3339 time such as 2026-11-03T14:05:06.000123Z") from None


def to_datetime(unix_us: int) -> datetime:
    """For Avro's timestamp-micros and for people."""
    return EPOCH + timedelta(microseconds=unix_us)


def from_datetime(value: datetime) -> int:
    """The other way; a time without a zone is refused, since it names no instant."""
    if value.tzinfo is None:
        raise ValueError("a time without a zone names no instant")
    return (value - EPOCH) // _MICROSECOND
