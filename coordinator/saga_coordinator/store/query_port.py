"""The store port's part for lists of sagas and the query language."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from saga_coordinator.query import Query
from saga_coordinator.store.query_records import Listed, ListFilter
from saga_coordinator.store.saved_view_port import SavedViews
from saga_schemas.labels import LabelValue


class Queried(SavedViews, Protocol):
    """Lists, counts and pages of ids.

    Those with a query raise QueryTooSlow when they take longer than a query may.
    """

    async def list_sagas(self, wanted: ListFilter) -> tuple[list[Listed], str | None]:
        """Return one page of a list, and the cursor of the next page or None."""
        ...

    async def count_sagas(self, tenant: str, query: Query | None, most: int, *, imported: bool = True) -> int:
        """Return how many sagas a query matches, all of them without one.

        Args:
            tenant: Whose sagas.
            query: Which of them.
            most: The count goes no further: `most + 1` means more than `most`.
            imported: Whether those that were imported are counted, as lists have them.
        """
        ...

    async def matching_ids(self, tenant: str, query: Query, *, after: UUID | None, limit: int) -> list[UUID]:
        """Return a page of the ids that a query matches, newest first: those older than `after`.

        Imported sagas are left out: nothing can be done to them.
        """
        ...

    async def labels_of(self, ids: Collection[UUID]) -> dict[UUID, dict[str, LabelValue]]:
        """Return the labels of these sagas, by name; a saga without any is left out."""
        ...
