"""What tables are made of: their metadata, columns by kind, storage options, partial indexes."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, MetaData, Table, text

from saga_coordinator.store.columns import Id, Number, Octets, Words

metadata = MetaData(
    naming_convention={
        "ck": "%(table_name)s_%(constraint_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "pk": "%(table_name)s_pkey",
    }
)

_BUSY: Final = {
    # Small tables whose rows come and go thousands of times a minute: vacuum by count, not by
    # share, and without pauses.
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 2000,
    "autovacuum_vacuum_insert_scale_factor": 0,
    "autovacuum_vacuum_insert_threshold": 20000,
    "autovacuum_vacuum_cost_delay": 0,
    "autovacuum_analyze_scale_factor": 0,
    "autovacuum_analyze_threshold": 10000,
}


def id_(name: str = "id", *, nullable: bool = False) -> Column[Any]:
    return Column(name, Id(), nullable=nullable)


def number(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Number, nullable=nullable, autoincrement=False)


def words(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Words, nullable=nullable)


def octets(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Octets, nullable=nullable)


def table(
    name: str, *items: Any, fill: int | None = None, busy: bool = False, by_key: bool = False, ranges: str | None = None
) -> Table:
    # ranges: PostgreSQL keeps it in partitions, by ranges of this column.
    # fill: room on each page for the next versions of its rows.
    # by_key: SQLite keeps the row in the key's tree, not beside it.
    storage: dict[str, int] = ({"fillfactor": fill} if fill else {}) | (_BUSY if busy else {})
    by_range = f"RANGE ({ranges})" if ranges else None
    return Table(
        name,
        metadata,
        *items,
        postgresql_with=storage,
        postgresql_partition_by=by_range,
        sqlite_strict=True,
        sqlite_with_rowid=not by_key,
    )


def where(condition: str) -> dict[str, Any]:
    """The rows that a partial index holds, for both databases."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}
