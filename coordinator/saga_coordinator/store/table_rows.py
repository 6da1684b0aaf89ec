"""Tables whose rows are one dataclass each: a field a column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Boolean, Table, select

from saga_coordinator.store.dialect import AnySelect
from saga_coordinator.store.rows import column_of, read

Made = TypeVar("Made")


class TableRows(Generic[Made]):
    """How rows of one table are read and written as the dataclass that they are."""

    def __init__(self, table: Table, make: Callable[..., Made], columns: Sequence[Field[Any]]) -> None:
        self.table = table
        self._make = make
        self._names = tuple(column.name for column in columns)
        self.columns = tuple(map(column_of, self._names))
        """In the order of the fields."""
        self._flags = tuple(name for name in self._names if isinstance(table.c[column_of(name)].type, Boolean))

    def select(self) -> AnySelect:
        return select(*[self.table.c[name] for name in self.columns])

    def newest_first(self, tenant: str, before: UUID | None, limit: int) -> AnySelect:
        t = self.table.c
        query = self.select().where(t.tenant == tenant).order_by(t.id.desc()).limit(limit)
        return query if before is None else query.where(t.id < before)

    def of(self, row: Sequence[Any]) -> Made:
        """The row as its dataclass; columns behind it are left. Raises BadRow."""
        return read(self._made, row[: len(self._names)], self.table.name)

    def _made(self, row: Sequence[Any]) -> Made:
        values = dict(zip(self._names, row, strict=True))
        for name in self._flags:  # SQLite has numbers
            values[name] = bool(values[name])
        return self._make(**values)

    def columns_of(self, one: Made) -> dict[str, Any]:
        return dict(zip(self.columns, self.values_of(one), strict=True))

    def values_of(self, one: Made) -> tuple[Any, ...]:
        """In the order of the columns."""
        return tuple(getattr(one, name) for name in self._names)
