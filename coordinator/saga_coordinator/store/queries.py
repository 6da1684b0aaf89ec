"""The port's `Queried`: lists, counts and pages of ids, the same on both databases.

A statement that holds a query runs with settings and a time limit of its own: anybody may ask
anything, and no other work must suffer for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_coordinator.query import Query
from saga_coordinator.store import imported, listing, schema
from saga_coordinator.store.dialect import AnyRow, AnySelect
from saga_coordinator.store.faults import translated
from saga_coordinator.store.labels import NO_LABELS, read_labels, select_labels
from saga_coordinator.store.port import Listed, ListFilter, QueryTooSlow, StoreError
from saga_coordinator.store.query_conditions import matching
from saga_coordinator.store.saved_views import SavedViewReads
from saga_schemas.labels import LabelValue

QUERY_LIMIT_S: Final = 5.0
"""A query that takes longer is given up."""


class QueryReads(SavedViewReads, ABC):
    """Reads that may hold a query."""

    dialect: str
    query_limit_s: float = QUERY_LIMIT_S

    @abstractmethod
    def _bounded(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection whose statements are given up after `query_limit_s`: see `gave_up`."""

    async def sagas_by_key(self, tenant: str, key: str, definition: str | None) -> list[Listed]:
        wanted = ListFilter(tenant=tenant, key=key, definition=definition, limit=listing.MOST)
        return (await self.list_sagas(wanted))[0]

    async def list_sagas(self, wanted: ListFilter) -> tuple[list[Listed], str | None]:
        pages = [listing.page(wanted, self.dialect)]
        if not wanted.attention:
            pages.append(imported.page(wanted, self.dialect))
        rows, *others = await self._answers(pages, wanted.query)
        need = [row.saga_id for row in rows[: wanted.limit] if row.attention]
        own = listing.listed(rows, await self._rows(listing.reasons(self.dialect, need)) if need else [])
        lines, cursor = listing.one_page([*own, *(imported.listed(row) for page in others for row in page)], wanted.limit)
        labels = await self.labels_of([line.id for line in lines])
        return [replace(line, labels=labels.get(line.id, NO_LABELS)) for line in lines], cursor

    async def labels_of(self, ids: Collection[UUID]) -> dict[UUID, dict[str, LabelValue]]:
        return read_labels(await self._rows(select_labels(self.dialect, ids))) if ids else {}

    async def count_sagas(self, tenant: str, query: Query | None, most: int, *, imported: bool = True) -> int:
        tables = (schema.saga_listing, _IMPORTED) if imported else (schema.saga_listing,)
        counts = []
        for table in tables:
            lines = select(literal(1)).select_from(table).where(table.c.tenant == tenant).limit(most + 1)
            if query is not None:
                lines = lines.where(matching(query, table, self.dialect, tenant))
            counts.append(select(func.count()).select_from(lines.subquery()))
        found = [int(rows[0][0]) for rows in await self._answers(counts, query)]
        return min(sum(found), most + 1)

    async def matching_ids(self, tenant: str, query: Query, *, after: UUID | None, limit: int) -> list[UUID]:
        t = schema.saga_listing
        page = select(t.c.saga_id).where(t.c.tenant == tenant, matching(query, t, self.dialect, tenant))
        if after is not None:
            page = page.where(t.c.saga_id < after)
        (rows,) = await self._answers([page.order_by(t.c.tenant.desc(), t.c.saga_id.desc()).limit(limit)], query)
        return [row[0] for row in rows]

    async def _answers(self, statements: Sequence[AnySelect], query: Query | None) -> list[list[AnyRow]]:
        if query is None:
            return [await self._rows(statement) for statement in statements]
        try:
            async with self._bounded() as connection:
                with translated():
                    return [list(await connection.execute(statement)) for statement in statements]
        except StoreError as error:
            if gave_up(error):
                raise QueryTooSlow(f"the query took longer than {self.query_limit_s:g} s and was given up") from error
            raise


_IMPORTED: Final = imported.TABLE
_GIVEN_UP: Final = ("57014", "SQLITE_INTERRUPT")


def gave_up(error: StoreError) -> bool:
    """Whether a statement failed because its time was over."""
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    return any(getattr(cause, name, None) in _GIVEN_UP for name in ("sqlstate", "sqlite_errorname"))
