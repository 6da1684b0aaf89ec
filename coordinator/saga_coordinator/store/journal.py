"""Journal records by their key: read alike inside a transaction and outside."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, tuple_

from saga_coordinator.store.dialect import AnyRow, AnySelect
from saga_coordinator.store.port import JournalRow
from saga_coordinator.store.rows import JOURNAL_COLUMNS, journal_row, read
from saga_coordinator.store.schema import journal

COLUMNS: Final[list[Any]] = [journal.c[name] for name in JOURNAL_COLUMNS]


def select_journal(keys: Collection[tuple[UUID, int]]) -> AnySelect:
    """Of these sagas the records of these versions."""
    return select(*COLUMNS).where(tuple_(journal.c.saga_id, journal.c.version).in_(list(keys)))


def journal_rows(found: Iterable[AnyRow]) -> dict[tuple[UUID, int], JournalRow]:
    rows = [read(journal_row, row, "journal") for row in found]
    return {(row.saga_id, row.version): row for row in rows}
