"""The few words the two dialects spell differently in statements that are not hot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, CompoundSelect, CursorResult, Row, Select, Table, any_, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from saga_coordinator.store import schema

Insert = postgresql.Insert | sqlite.Insert
AnyRow = Row[*tuple[Any, ...]]
AnyResult = CursorResult[*tuple[Any, ...]]
AnySelect = Select[*tuple[Any, ...]]
AnyUnion = CompoundSelect[*tuple[Any, ...]]


def insert_or(dialect: str, table: Table, values: Mapping[str, Any]) -> Insert:
    """An insert that can be given an ON CONFLICT."""
    return insert_into(dialect, table).values(**values)


def insert_into(dialect: str, table: Table) -> Insert:
    """The same, without its values yet."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_ignoring(dialect: str, table: Table, values: Mapping[str, Any]) -> Insert:
    """An insert that leaves a row that is there alone, whichever key it collides with."""
    return insert_or(dialect, table, values).on_conflict_do_nothing()


@cache
def noting(dialect: str) -> Insert:
    """A row of the control table, written over what stands there. Its values are the statement's
    parameters."""
    new = insert_or(dialect, schema.control, {column.name: bindparam(column.name) for column in schema.control.c})
    changed = {column: new.excluded[column] for column in ("value", "who", "why")}
    return new.on_conflict_do_update(index_elements=["scope", "tenant", "name"], set_=changed)


def among(dialect: str, column: Column[Any], values: Collection[UUID] | Collection[int]) -> ColumnElement[bool]:
    """`column IN values`; on PostgreSQL as one array, so that the text is the same for any number
    of them.
    """
    if dialect == "postgresql":
        return column == any_(bindparam(None, list(values), type_=postgresql.ARRAY(column.type)))
    return column.in_(list(values))


def among_given(dialect: str, column: Column[Any], name: str) -> ColumnElement[bool]:
    """The same, with the values given as a parameter of the statement."""
    if dialect == "postgresql":
        return column == any_(bindparam(name, type_=postgresql.ARRAY(column.type)))
    return column.in_(bindparam(name, expanding=True))
