"""Framed Avro payloads as plain JSON for people, within a budget: one answer never grows with what sagas carry.

A payload that is too large, or whose schema is not known, is replaced by one sentence saying so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode
from saga_schemas.errors import BadMessage
from saga_schemas.plain import to_plain

SHOWN_BYTES: Final = 64 * 1024
"""One payload, as Avro."""
ANSWER_BYTES: Final = 1024 * 1024
"""All payloads of one answer together, as Avro."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One payload."""

    record: str | None = None
    """Full name of its Avro record."""
    value: Any = None
    note: str | None = None
    """Why there is no value."""


class Payloads:
    """What one answer may still show."""

    __slots__ = ("_catalog", "_left")

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._left = ANSWER_BYTES

    def show(self, framed: bytes | None) -> Shown:
        if framed is None:
            return Shown()
        if len(framed) > min(SHOWN_BYTES, self._left):
            return Shown(note=f"{len(framed)} bytes, too large to show here")
        self._left -= len(framed)
        try:
            decoded = decode(framed, self._catalog)
        except BadMessage as bad:
            return Shown(note=f"{len(framed)} bytes that cannot be read: {bad.reason}")
        return Shown(record=decoded.writer.full_name, value=to_plain(decoded.writer, decoded.value))
