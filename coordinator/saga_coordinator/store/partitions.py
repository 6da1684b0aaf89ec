"""The journal's partitions on PostgreSQL.

Every change takes its locks for a moment (`short_locks.py`). What takes long, looking whether the
rest has rows of a new partition's range, is done first and beside all others, as the validation of
a check; it is the check that lets PostgreSQL believe it. Shown by
tests/contract/test_store_partitions.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_coordinator.store.direct import engine_of
from saga_coordinator.store.faults import DRIVER_ERRORS, closed, translated
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.partition_port import Left, Partition, Partitions, Period
from saga_coordinator.store.port import StoreError
from saga_coordinator.store.schema import JOURNAL_REST, journal
from saga_coordinator.store.short_locks import LOCK_WAIT, tried_again
from saga_schemas.ids import uuid7_unix_ms

_APPLICATION: Final = "saga-partitions"
_LOCK: Final = 0x5A6D
_AHEAD: Final = f"{JOURNAL_REST}_ahead"
"""The check that stands while partitions are made: the rest has no row of their ranges."""
_LEAVING: Final = "journal_leaving"
"""The name of a partition within the transaction that drops it."""
_BRIEF: Final = "SET LOCAL statement_timeout = '3s'"
"""While all others wait."""
_LONG: Final = "SET statement_timeout = '4h'"
_COLUMNS: Final = ", ".join(column.name for column in journal.c)
_BESIDE_FACTS: Final = 150
"""Bytes of a record, about, but for its facts."""
_BOUND: Final = re.compile(r"FOR VALUES FROM \('([0-9a-f-]{36})'\) TO \('([0-9a-f-]{36})'\)")
_ALL: Final = (
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound, pg_total_relation_size(c.oid) AS size"
    " FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'journal'::regclass"
)


class _TooManyRows(Exception):
    """Are left to be moved; the transaction is rolled back."""


class JournalPartitions:
    """On a connection in autocommit that nobody else uses."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def clear(self) -> None:
        """Drop the check that an instance left behind when it died."""
        left = f"SELECT 1 FROM pg_constraint WHERE conrelid = '{JOURNAL_REST}'::regclass AND conname = '{_AHEAD}'"
        if await self._rows(left):
            await self._shortly(f"ALTER TABLE {JOURNAL_REST} DROP CONSTRAINT IF EXISTS {_AHEAD}")

    async def all(self) -> list[Partition]:
        found = [_partition(*row) for row in await self._rows(_ALL)]
        return sorted(found, key=lambda one: (one.period is None, one.period.since_us if one.period else 0))

    async def latest_in_rest(self, within: Period) -> int | None:
        since, until = _bounds(within)
        rows = await self._rows(
            f"SELECT saga_id FROM {JOURNAL_REST} WHERE saga_id >= {since} AND saga_id < {until} ORDER BY saga_id DESC LIMIT 1"
        )
        return uuid7_unix_ms(rows[0][0]) * 1000 if rows else None

    async def add(self, periods: Sequence[Period]) -> None:
        since, until = _bounds(Period(since_us=periods[0].since_us, until_us=periods[-1].until_us))
        none_there = f"CHECK (saga_id < {since} OR saga_id >= {until})"
        try:
            await self._shortly(f"ALTER TABLE {JOURNAL_REST} ADD CONSTRAINT {_AHEAD} {none_there} NOT VALID")
            with translated():
                await self._run(f"ALTER TABLE {JOURNAL_REST} VALIDATE CONSTRAINT {_AHEAD}")
            made = [statement for period in periods for statement in _making(period)]
            await self._shortly(*made, f"ALTER TABLE {JOURNAL_REST} DROP CONSTRAINT {_AHEAD}")
        except StoreError:
            with suppress(StoreError):  # else the next who comes clears it
                await self.clear()
            raise

    async def left(self, partition: Partition, most_rows: int) -> Left:
        # By its key, which autovacuum keeps small: a table whose rows were deleted is still as
        # long as it was.
        few = f"SELECT pg_column_size(facts) + {_BESIDE_FACTS} AS bytes FROM {_quoted(partition.name)} ORDER BY saga_id, version"
        query = f"SELECT count(*), coalesce(sum(bytes), 0) FROM ({few} LIMIT {most_rows + 1:d}) AS few"
        rows, size = (await self._rows(query))[0]
        return Left(rows=int(rows), size_bytes=int(size))

    async def drop(self, partition: Partition, most_rows: int) -> int | None:
        name = _quoted(partition.name)
        with translated():
            return await tried_again(lambda: self._drop(name, most_rows))

    async def _drop(self, name: str, most_rows: int) -> int | None:
        few = f"SELECT {_COLUMNS} FROM {_LEAVING} ORDER BY saga_id, version LIMIT {most_rows + 1:d}"
        try:
            async with self._transaction():
                await self._run(f"ALTER TABLE journal DETACH PARTITION {name}")
                await self._run(f"ALTER TABLE {name} RENAME TO {_LEAVING}")
                await self._run(f"CREATE TABLE IF NOT EXISTS {JOURNAL_REST} PARTITION OF journal DEFAULT")
                moved = await self._run(f"INSERT INTO journal ({_COLUMNS}) {few}")
                if moved > most_rows:
                    raise _TooManyRows
                await self._run(f"DROP TABLE {_LEAVING}")
        except _TooManyRows:
            return None
        return moved

    async def _shortly(self, *statements: str) -> None:
        async def attempt() -> None:
            async with self._transaction():
                for statement in statements:
                    await self._run(statement)

        with translated():
            await tried_again(attempt)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """All of it or nothing, with short waits."""
        for statement in ("BEGIN", LOCK_WAIT, _BRIEF):
            await self._run(statement)
        try:
            yield
        except Exception:  # when it is cancelled, the connection is closed
            with suppress(*DRIVER_ERRORS):
                await self._run("ROLLBACK")
            raise
        await self._run("COMMIT")

    async def _run(self, statement: str) -> int:
        """How many rows it touched."""
        return (await self._connection.exec_driver_sql(statement)).rowcount

    async def _rows(self, query: str) -> list[Any]:
        with translated():
            return list(await self._connection.exec_driver_sql(query))


@asynccontextmanager
async def journal_partitions(url: URL) -> AsyncIterator[Partitions | None]:
    """The partitions, for one instance at a time: the lock is held by the very connection that
    works."""
    engine = engine_of(url, named=_APPLICATION, isolation="AUTOCOMMIT")
    try:
        with translated():
            connection = await engine.connect()
        try:
            with translated():
                mine = bool((await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_LOCK:d}, 0)")).scalar_one())
                for setting in (_LONG, "SET enable_seqscan = off"):
                    await connection.exec_driver_sql(setting)
            partitions = JournalPartitions(connection)
            if mine:
                await partitions.clear()
            yield partitions if mine else None
        finally:
            await closed(connection)  # and with it its lock
    finally:
        await engine.dispose()


def _partition(name: str, bound: str, size_bytes: int) -> Partition:
    if bound == "DEFAULT":
        return Partition(name=name, period=None, size_bytes=size_bytes)
    found = _BOUND.fullmatch(bound)
    if found is None:
        raise StoreError(f"partition {name} of table journal has bounds that no release of ours makes: {bound}")
    since_us, until_us = (int(end.replace("-", "")[:12], 16) * 1000 for end in found.groups())
    return Partition(name=name, period=Period(since_us=since_us, until_us=until_us), size_bytes=size_bytes)


def _making(period: Period) -> tuple[str, str]:
    since, until = _bounds(period)
    name = f"journal_{datetime.fromtimestamp(period.since_us // 1_000_000, UTC):%Y%m%d}"
    return (
        f"CREATE TABLE {name} (LIKE journal INCLUDING ALL)",
        f"ALTER TABLE journal ATTACH PARTITION {name} FOR VALUES FROM ({since}) TO ({until})",
    )


def _bounds(period: Period) -> tuple[str, str]:
    return f"'{first_id(period.since_us)}'", f"'{first_id(period.until_us)}'"


def _quoted(name: str) -> str:
    """As it is in the catalogue, whoever made it."""
    return '"' + name.replace('"', '""') + '"'
