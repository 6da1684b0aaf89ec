"""A whole store copied into an empty one, of either kind: what moves an installation from SQLite to
PostgreSQL, open sagas included.

The source is read in one transaction while nobody serves it, the target is written in one, and that
is committed only when every table has as many rows as it was read to have: whatever fails, the
target is as empty as before. Types are SQLAlchemy's to convert, by the tables of `schema.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, delete, func, insert, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from saga_coordinator.store import revisions, schema
from saga_coordinator.store.columns import storable_text
from saga_coordinator.store.direct import coordinators_connected, engine_of, file_locked, file_of
from saga_coordinator.store.faults import translated
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import SchemaTooOld, StoreError

ROWS_AT_ONCE: Final = 64
"""A saga's row may have a megabyte."""
LEFT_OUT: Final = frozenset({"instance"})
"""Names that processes hold; none does."""
_APPLICATION: Final = "saga-db-copy"

Progress = Callable[[str, int, int], None]
"""Table, rows copied so far, rows in all."""


class CopyRefused(StoreError):
    """Nothing was copied; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds."""

    rows: Mapping[str, int]
    """By table."""
    token_key: bytes | None
    """The key that the source was made with, where the target cannot hold it.

    It must be given as a setting.
    """


async def copy_store(source: str, target: str, progress: Progress = lambda table, done, total: None) -> Copied:
    """Copy the store at one URL into the empty one at another. Raises CopyRefused, StoreBusy,
    StoreError, ValueError (no address of a store)."""
    for url in (source, target):
        open_store(url)  # refuses what is no address of one
    if make_url(source) == make_url(target):
        raise CopyRefused("that is one database: give the store to read first, then the empty one")
    async with AsyncExitStack() as stack:
        reading = await stack.enter_async_context(_alone(make_url(source), "source"))
        await _check(reading, "source")
        if not await _has_tables(target):
            await open_store(target).upgrade()
        writing = await stack.enter_async_context(_alone(make_url(target), "target"))
        await _check(writing, "target")
        await _check_empty(writing)
        with translated():
            copied = await _copied(reading, writing, progress)
            for connection, which in ((reading, "source"), (writing, "target")):
                await _check_unserved(connection, which)  # nobody came meanwhile
            await writing.commit()
    return copied


async def _copied(reading: AsyncConnection, writing: AsyncConnection, progress: Progress) -> Copied:
    rows: dict[str, int] = {}
    for table in schema.metadata.sorted_tables:
        if table.name not in LEFT_OUT and table is not schema.meta:
            rows[table.name] = await _copy_table(reading, writing, table, progress)
    token_key = await _copy_meta(reading, writing)
    await _go_on_counting(writing)
    return Copied(rows, token_key)


async def _copy_table(reading: AsyncConnection, writing: AsyncConnection, table: Table, progress: Progress) -> int:
    count = select(func.count()).select_from(table)
    total = (await reading.execute(count)).scalar_one()
    done = 0
    progress(table.name, done, total)
    result = await reading.stream(select(table))
    async for part in result.mappings().partitions(ROWS_AT_ONCE):
        await writing.execute(insert(table), [{name: _storable(value) for name, value in row.items()} for row in part])
        done += len(part)
        progress(table.name, done, total)
    there = (await writing.execute(count)).scalar_one()
    if not done == there == total:
        raise CopyRefused(f"table {table.name} has {total} rows in the source and {there} in the target: nothing was kept")
    return int(there)


def _storable(value: Any) -> Any:
    """SQLite holds texts that PostgreSQL refuses."""
    return storable_text(value) if isinstance(value, str) else value


async def _copy_meta(reading: AsyncConnection, writing: AsyncConnection) -> bytes | None:
    """The store's identity goes along: it is the same store. Returns a token key that cannot."""
    source = dict((await reading.execute(select(schema.meta))).mappings().one())
    own = (await writing.execute(select(schema.meta.c.token_key))).scalar_one()
    key: bytes | None = source["token_key"]
    postgres = writing.dialect.name == "postgresql"
    await writing.execute(delete(schema.meta))
    await writing.execute(insert(schema.meta), {**source, "token_key": None if postgres else key or own})
    return key if postgres else None


async def _go_on_counting(writing: AsyncConnection) -> None:
    """Rows with made numbers were given theirs: the next one made must be a new one.

    SQLite sees to it itself.
    """
    if writing.dialect.name != "postgresql":
        return
    for table in (schema.definition, schema.audit):
        most = (await writing.execute(select(func.max(table.c.id)))).scalar_one()
        if most is not None:
            await writing.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), most)))


# --- whether it may be done -----------------------------------------------------------------------


@asynccontextmanager
async def _alone(url: URL, which: str) -> AsyncIterator[AsyncConnection]:
    """A connection in one transaction that sees one state.

    Refused while a coordinator has the database open.
    """
    path = file_of(url)
    if path is not None and not path.exists():
        raise CopyRefused(f"{path} does not exist")
    with file_locked(url):
        engine = _engine(url)
        try:
            with translated():
                connection = await engine.connect()
            try:
                await _check_unserved(connection, which)
                yield connection
            finally:
                await connection.close()
        finally:
            await engine.dispose()


def _engine(url: URL) -> AsyncEngine:
    return engine_of(url, named=_APPLICATION, isolation="REPEATABLE READ")


async def _check_unserved(connection: AsyncConnection, which: str) -> None:
    serving = await coordinators_connected(connection)
    if serving:
        raise CopyRefused(f"coordinators are connected to the {which} ({serving} connections): stop them all first")


async def _check(connection: AsyncConnection, which: str) -> None:
    try:
        with translated():
            await revisions.check(connection)
    except SchemaTooOld as error:
        raise CopyRefused(f"the {which}: {error}") from None


async def _check_empty(connection: AsyncConnection) -> None:
    with translated():
        for table in schema.metadata.sorted_tables:
            if table is not schema.meta and (await connection.execute(select(func.count()).select_from(table))).scalar_one():
                raise CopyRefused(f"the target is not empty (table {table.name} has rows): give a database of its own")


async def _has_tables(url: str) -> bool:
    """Whether this database was ever a store's."""
    parsed = make_url(url)
    path = file_of(parsed)
    if path is not None and not path.exists():
        return False
    engine = _engine(parsed)
    try:
        with translated():
            async with engine.connect() as connection:
                return await connection.run_sync(revisions.stored) is not None
    finally:
        await engine.dispose()
