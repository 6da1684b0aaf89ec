"""Views are saved and removed: checked, and audited in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from saga_coordinator.query import parse
from saga_coordinator.query.fields import FIELDS, LABEL_PREFIXES
from saga_coordinator.store.port import Store
from saga_coordinator.store.saved_view_port import VIEWS_MOST, SavedView
from saga_schemas.ids import valid_text
from saga_schemas.labels import valid_label_name

NAME_CHARS: Final = 64
NAME_RULE: Final = f"1 to {NAME_CHARS} printable characters without / and without spaces at the ends"
COLUMNS_MOST: Final = 20


class ViewRefused(Exception):
    """Nothing was saved or removed; `code` is a problem's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def valid_view_name(name: str) -> bool:
    return len(name) <= NAME_CHARS and valid_text(name) and "/" not in name


def is_column(name: str) -> bool:
    """A field, or a label as queries name it."""
    return name in FIELDS or (name.startswith(LABEL_PREFIXES[0]) and valid_label_name(name.removeprefix(LABEL_PREFIXES[0])))


async def save_view(store: Store, tenant: str, *, name: str, query: str, columns: Sequence[str], who: str, why: str) -> SavedView:
    """Save a view, over the one of its name.

    Raises:
        QueryRefused: The query is none. A blank one is for all sagas.
        ViewRefused: The name or a column is none, or there are too many views.
        StoreError: The database does not do as asked.
    """
    if not valid_view_name(name):
        raise ViewRefused("request_invalid", f"name: expected {NAME_RULE}")
    if len(columns) > COLUMNS_MOST or not all(map(is_column, columns)):
        raise ViewRefused("request_invalid", f"columns: expected at most {COLUMNS_MOST} of {', '.join(FIELDS)}, label.NAME")
    if query.strip():
        parse(query)
    async with store.transaction() as tx:
        view = SavedView(name=name, query=query.strip(), columns=tuple(columns), who=who, saved_at_us=tx.now_us)
        if not await tx.save_view(tenant, view):
            raise ViewRefused("views_full", f"there are {VIEWS_MOST} views: remove one first")
        await tx.add_audit(tenant=tenant, act="save view", target=name, who=who, why=why, at_us=tx.now_us)
    return view


async def remove_view(store: Store, tenant: str, *, name: str, who: str, why: str) -> None:
    """Remove a view. Raises ViewRefused where there is none, and StoreError."""
    async with store.transaction() as tx:
        if not await tx.remove_view(tenant, name):
            raise ViewRefused("view_unknown", "there is no view of this name")
        await tx.add_audit(tenant=tenant, act="remove view", target=name, who=who, why=why, at_us=tx.now_us)
