"""What the files of an archive are called.

One folder a day, by the day the sagas closed (UTC), because that never changes: all entries of a
saga stand in one folder, however often it was archived. A file's name begins with the time it was
written, so that names sort by it. It ends with the times at which the earliest and the latest of
its sagas started, as their ids begin: who looks for an id sees from the names where it may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Final
from uuid import UUID

from saga_schemas.ids import uuid7_unix_ms
from saga_schemas.record_class import record
from saga_schemas.times import to_datetime

_NAME: Final = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-([0-9a-f]{8})-([0-9a-f]{12})-([0-9a-f]{12})\.avro")


@record
class FileName:
    """The name of one file."""

    text: str
    first_ms: int
    last_ms: int

    def may_hold(self, saga_id: UUID) -> bool:
        return self.first_ms <= uuid7_unix_ms(saga_id) <= self.last_ms


def file_name(written_us: int, token: bytes, ids: Iterable[UUID]) -> str:
    """A new file's name.

    Args:
        written_us: When it is written.
        token: Four random bytes, so that no other instance's file has the name.
        ids: The sagas in it.
    """
    started = sorted(map(uuid7_unix_ms, ids))
    written = to_datetime(written_us).strftime("%Y%m%dT%H%M%S.%fZ")
    return f"{written}-{token.hex()}-{started[0]:012x}-{started[-1]:012x}.avro"


def read_name(text: str) -> FileName | None:
    """A file's name; None for a file that is none of ours."""
    match = _NAME.fullmatch(text)
    return match and FileName(text=text, first_ms=int(match[3], 16), last_ms=int(match[4], 16))


def day_of(us: int) -> str:
    """The day of a time, as its folder is called: `2026-11-03`."""
    return to_datetime(us).date().isoformat()


def is_day(text: str) -> bool:
    """Whether a folder of this name is one of ours."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
