"""Framed Avro payloads as plain JSON for people, within a budget, so that one answer has a bound
whatever sagas carry.

One sentence stands in for a payload that is too large or whose schema is not known. A value that
its schema masks is hidden (`saga_schemas.masking`): all views of payloads are made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode
from saga_schemas.errors import BadMessage
from saga_schemas.masking import has_masks, masked
from saga_schemas.plain import to_plain
from saga_schemas.schema import Schema

SHOWN_BYTES: Final = 64 * 1024
"""The largest payload that is shown, in bytes of Avro."""
ANSWER_BYTES: Final = 1024 * 1024
"""The budget of one answer, in bytes of Avro."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One payload."""

    record: str | None = None
    """Full name of its Avro record."""
    value: Any = None
    note: str | None = None
    """Why there is no value."""


class Payloads:
    """The payloads of one answer; it shows them until the budget is used up."""

    __slots__ = ("_catalog", "_left")

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._left = ANSWER_BYTES

    def show(self, framed: bytes | None) -> Shown:
        """The payload as plain JSON, or why it is not shown."""
        if framed is None:
            return Shown()
        if len(framed) > min(SHOWN_BYTES, self._left):
            return Shown(note=f"{len(framed)} bytes, too large to show here")
        self._left -= len(framed)
        try:
            decoded = decode(framed, self._catalog)
        except BadMessage as bad:
            return Shown(note=f"{len(framed)} bytes that cannot be read: {bad.reason}")
        return Shown(
            record=decoded.writer.full_name,
            value=to_plain(decoded.writer, without_masked(self._catalog, decoded.writer, decoded.value)),
        )


def maskings(catalog: Catalog, writer: Schema) -> list[Schema]:
    """The schemas by which a value is masked: the writer's and the latest one, where they mask
    anything.

    So a field that is masked today is masked in what was written before.
    """
    both = {one.id: one for one in (writer, catalog.latest(writer.full_name)) if one is not None}
    return [schema for schema in both.values() if has_masks(schema)]


def without_masked(catalog: Catalog, writer: Schema, value: dict[str, Any]) -> dict[str, Any]:
    """The value as people are shown it."""
    for schema in maskings(catalog, writer):
        value = masked(schema, value)
    return value
