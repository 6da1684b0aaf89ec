"""Sagas as an archive holds them, made up."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from uuid import UUID

from saga_coordinator.archive.entry import Entry
from saga_coordinator.archive.port import ArchivedSaga
from saga_coordinator.store.port import AttentionRow, JournalRow, SagaRow
from saga_schemas.ids import uuid7
from support.saga_rows import saga_row

NOON_US = 1_800_000_000_000_000 // 86_400_000_000 * 86_400_000_000 + 43_200_000_000
"""The middle of a day."""
DAY_US = 86_400_000_000


def saga_id(started_us: int = NOON_US) -> UUID:
    """An id of its own, of a saga that started then."""
    return uuid7(started_us, secrets.token_bytes(10))


def archived(
    started_us: int = NOON_US, closed_us: int | None = None, *, key: str | None = "o-17", id: UUID | None = None
) -> ArchivedSaga:
    """A finished saga as the retention loop hands it over."""
    made = id or saga_id(started_us)
    closed = started_us + 1_000_000 if closed_us is None else closed_us
    ended = {"phase": "FORCED", "version": 2, "facts_print": -(2**63), "started_at_us": started_us, "closed_at_us": closed}
    row = saga_row(made, business_key=key, **ended)
    journal = tuple(
        JournalRow(saga_id=made, version=n, at_us=started_us + n, kind="start", engine_rev=1, format=2, facts=b"[]")
        for n in (1, 2)
    )
    return handed_over(row, journal)


def handed_over(row: SagaRow, journal: tuple[JournalRow, ...], definition: str = "order") -> ArchivedSaga:
    """A finished saga's rows as the retention loop gives them to the archive."""
    assert row.closed_at_us is not None
    return ArchivedSaga(
        row=row,
        journal=journal,
        definition=definition,
        definition_version=3,
        business_key=row.business_key,
        phase=row.phase,
        trace_id=row.trace_id,
        started_at_us=row.started_at_us,
        closed_at_us=row.closed_at_us,
    )


def described(saga: ArchivedSaga, *, view: str = '{"phase": "FORCED"}', archived_at_us: int = NOON_US + DAY_US) -> Entry:
    """Its entry, with a made-up view."""
    return Entry(
        saga=saga,
        attention=(AttentionRow(saga_id=saga.row.id, step="charge", reason="stuck", since_us=saga.started_at_us, note="why"),),
        view=view,
        definition_hash="f" * 64,
        document='{"saga": "order"}',
        reader_schemas={"shop.Charged": 1_100_000_000},
        schemas=((1_100_000_000, '"string"'),),
        cluster_id="0192f7c0-0000-7000-8000-000000000000",
        archived_at_us=archived_at_us,
    )


async def describe(sagas: Sequence[ArchivedSaga]) -> list[Entry]:
    return [described(saga) for saga in sagas]
