"""Journal records by their key: read alike inside a transaction and outside."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_

from saga_coordinator.store.dialect import AnyRow, AnySelect
from saga_coordinator.store.port import JournalRow
from saga_coordinator.store.rows import JOURNAL_COLUMNS, journal_row, read
from saga_coordinator.store.schema import journal, saga

COLUMNS: Final[list[Any]] = [journal.c[name] for name in JOURNAL_COLUMNS]


def select_journal(keys: Collection[tuple[UUID, int]]) -> AnySelect:
    """Of these sagas the records of these versions."""
    return select(*COLUMNS).where(tuple_(journal.c.saga_id, journal.c.version).in_(list(keys)))


def select_tails(which: ColumnElement[bool]) -> AnySelect:
    """Of the sagas that a condition names the records after their stored states."""
    after = (journal.c.saga_id == saga.c.id) & (journal.c.version > saga.c.state_version)
    query = select(*COLUMNS).select_from(saga.join(journal, after)).where(which)
    return query.order_by(journal.c.saga_id, journal.c.version)


def journal_rows(found: Iterable[AnyRow]) -> dict[tuple[UUID, int], JournalRow]:
    rows = [read(journal_row, row, "journal") for row in found]
    return {(row.saga_id, row.version): row for row in rows}
