"""The table of saved views, and what is read and written of it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Executable, PrimaryKeyConstraint, delete, func, select

from saga_coordinator.store.dialect import AnyRow, AnySelect, insert_or
from saga_coordinator.store.rows import read
from saga_coordinator.store.saved_view_port import VIEWS_MOST, SavedView
from saga_coordinator.store.table_parts import number, table, words
from saga_coordinator.store.transaction_part import TransactionPart

saved_view = table(
    "saved_view",
    words("tenant"),
    words("name"),
    words("query"),
    words("shown"),
    words("who"),
    number("saved_at"),
    PrimaryKeyConstraint("tenant", "name"),
    by_key=True,
)
_V: Final = saved_view.c


class SavedViewWrites(TransactionPart):
    """The port's `SavingViews`."""

    async def save_view(self, tenant: str, view: SavedView) -> bool:
        row = {
            "tenant": tenant,
            "name": view.name,
            "query": view.query,
            "shown": json.dumps(view.columns),
            "who": view.who,
            "saved_at": view.saved_at_us,
        }
        new = insert_or(self._dialect, saved_view, row)
        changed = {name: new.excluded[name] for name in ("query", "shown", "who", "saved_at")}
        await self.execute(new.on_conflict_do_update(index_elements=["tenant", "name"], set_=changed))
        count = (await self.execute(select(func.count()).where(_V.tenant == tenant))).scalar_one()
        return bool(count <= VIEWS_MOST)

    async def remove_view(self, tenant: str, name: str) -> bool:
        return (await self.execute(delete(saved_view).where(_V.tenant == tenant, _V.name == name))).rowcount == 1


class SavedViewReads(ABC):
    """The port's `SavedViews`."""

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    async def saved_views(self, tenant: str) -> list[SavedView]:
        return [read(_view, row, "saved_view") for row in await self._rows(_views(tenant))]


def _views(tenant: str) -> AnySelect:
    columns = (_V.name, _V.query, _V.shown, _V.who, _V.saved_at)
    return select(*columns).where(_V.tenant == tenant).order_by(_V.name).limit(VIEWS_MOST)


def _view(row: Sequence[Any]) -> SavedView:
    name, query, shown, who, saved_at = row
    return SavedView(name=name, query=query, columns=tuple(json.loads(shown)), who=who, saved_at_us=saved_at)
