"""The store port's part for saved views: queries with a name, and the columns they are shown in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

VIEWS_MOST: Final = 200
"""Of a tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """One view."""

    name: str
    query: str
    """The text of a query; empty: all sagas."""
    columns: tuple[str, ...]
    """What its list shows, by the fields' names; none: the usual ones."""
    who: str
    saved_at_us: int


class SavedViews(Protocol):
    """The store port's part for reading them."""

    async def saved_views(self, tenant: str) -> list[SavedView]:
        """Return all views, by name: at most VIEWS_MOST."""
        ...


class SavingViews(Protocol):
    """The port of a transaction that changes them."""

    async def save_view(self, tenant: str, view: SavedView) -> bool:
        """Write a view over the one of its name. Return False when there are too many."""
        ...

    async def remove_view(self, tenant: str, name: str) -> bool:
        """Return False when there is no such view."""
        ...
