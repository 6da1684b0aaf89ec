"""Column types, text that every column takes, and the database's clock, once for both dialects.

SQLite tables are STRICT, so only INTEGER, TEXT and BLOB may appear there; ids are 16-byte BLOBs,
which sort as PostgreSQL's uuid does.
"""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

from sqlalchemy import REAL, BigInteger, Boolean, ColumnElement, Dialect, Double, Integer, LargeBinary, Text, func, type_coerce
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

POSTGRES_CLOCK = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
"""`now()` stands still in a transaction; `clock_timestamp()` does not."""
SQLITE_CLOCK = "(CAST(strftime('%s','now') AS INTEGER) * 1000000 + CAST(substr(strftime('%f','now'), 4) AS INTEGER) * 1000)"
"""Milliseconds are all SQLite has. `unixepoch('subsec')` is NULL without an error before 3.42."""


class Id(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, 16 bytes on SQLite."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else LargeBinary(16))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else value.bytes

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return None if value is None else plain_uuid(value)


class Ids(TypeDecorator[tuple[UUID, ...]]):
    """UUIDs of several rows, in the order of a number of each row: `in_order` gathers them."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.ARRAY(postgresql.UUID()) if dialect.name == "postgresql" else Text())

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[UUID, ...]:
        if isinstance(value, str):  # SQLite has no arrays, and gathers in any order
            return tuple(UUID(hex=one[_NUMBER_CHARS:]) for one in sorted(value.split(",")))
        return tuple(map(plain_uuid, value or ()))


_NUMBER_CHARS: Final = 20


def in_order(dialect: str, id: ColumnElement[Any], by: ColumnElement[int]) -> ColumnElement[tuple[UUID, ...]]:
    """The ids of a group's rows, in the order of a number that is not negative."""
    if dialect == "postgresql":
        return type_coerce(func.array_agg(postgresql.aggregate_order_by(id, by)), Ids())
    return func.group_concat(func.printf(f"%0{_NUMBER_CHARS}d", by).concat(func.hex(id)), type_=Ids())


def plain_uuid(value: Any) -> UUID:
    """The standard library's UUID from what a driver returns (asyncpg has a class of its own, which
    JSON encoders refuse).
    """
    return UUID(bytes=value if isinstance(value, bytes) else value.bytes)


Number = BigInteger().with_variant(Integer(), "sqlite")
"""Times in microseconds, versions, offsets."""
Flag = Boolean(create_constraint=False).with_variant(Integer(), "sqlite")
Words = Text()
BytewiseWords = Text(collation="C").with_variant(Text(), "sqlite")
"""Compared as SQLite compares all texts: byte by byte, whatever the database's language."""
Real: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
Octets = LargeBinary()


_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL refuses U+0000 in any text, and neither database can write half of a surrogate pair.
"""
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def storable_text(text: str) -> str:
    """The text with U+FFFD for each character that no database takes; its length stays the same.

    What others say (why a step failed, what is wrong with a record) passes through here where it
    enters. What identifies something (keys, request ids, names) is never changed: it is refused
    where it enters (`saga_schemas.ids`).

    Example:
        `storable_text("no\\0 way") == "no\\ufffd way"`
    """
    return _UNSTORABLE.sub(REPLACEMENT, text)


class database_clock(FunctionElement[int]):  # a SQL function, named as such
    """Microseconds since 1970 by the database's clock, read when the row is made."""

    type = BigInteger()
    inherit_cache = True


@compiles(database_clock, "postgresql")
def _postgres_clock(_element: database_clock, _compiler: SQLCompiler, **_: Any) -> str:
    return POSTGRES_CLOCK


@compiles(database_clock, "sqlite")
def _sqlite_clock(_element: database_clock, _compiler: SQLCompiler, **_: Any) -> str:
    return SQLITE_CLOCK
