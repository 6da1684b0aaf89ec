"""The barrier's transaction through SQLAlchemy Core: PostgreSQL and SQLite.

SQLite's driver would begin a transaction late and as a reader; so it is put into autocommit and
told `BEGIN IMMEDIATE` and `COMMIT`. PostgreSQL's own id of the transaction proves at `save` that
the handler did not end it; on SQLite an open savepoint proves the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_participant.barrier.entry import Entry
from saga_participant.database import sql_statements as statements
from saga_participant.database.asyncpg_transaction import SAVEPOINT, asyncpg_intact
from saga_participant.database.errors import refused
from saga_participant.database.guard import Guard
from saga_participant.database.guarded import GuardedAsyncpg, GuardedConnection, GuardedSession
from saga_participant.database.joined_statements import LOCK_TABLE, NOW, XID
from saga_participant.database.row_mapping import entry_of, may_cover, remembered_of, values_of
from saga_participant.database.transactions import (
    COMMIT_LIMIT_S,
    NO_ROW,
    SHARED_LOCK_LIMIT_S,
    Claimed,
    CommitRefused,
    CommitUnknown,
)
from saga_participant.handling.handlers import Handle
from saga_participant.outcomes import BarrierBroken

_PG_XID: Final = f"{XID}::text"
SQLITE_NOW: Final = (
    "(CAST(strftime('%s', 'now') AS INTEGER) * 1000000 + CAST(substr(strftime('%f', 'now'), 4) AS INTEGER) * 1000)"
)
_ISOLATION: Final = "transaction_isolation"
_SNAPSHOT_A_STATEMENT: Final = ("read committed", "read uncommitted")
"""Levels at which each statement takes its snapshot after its locks."""


class SqlTransaction:
    """What both databases share."""

    CLAIM: Any
    LOCK: Any
    SAVE: Any
    FORGET = statements.forget()
    REMEMBERED = statements.remembered()

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._guard = Guard()
        self._open = False
        self._xid = ""
        self._now_us = 0

    @property
    def reusable(self) -> bool:
        return False  # SQLAlchemy's pool resets a connection when it is given back

    @property
    def spoilt(self) -> bool:
        return self._guard.spoilt

    @property
    def uses(self) -> int:
        return self._guard.uses

    @property
    def unshareable(self) -> bool:
        return self._guard.unshareable

    async def claim(self, fresh: Entry) -> Claimed:
        given = statements.given(fresh)
        for _ in range(2):  # a row that was there and is gone again (collected) is made by the second turn
            made = (await self._connection.execute(self.CLAIM, given)).mappings().one_or_none()
            if made is not None:
                return await self._made(fresh, made)
            claimed = await self.lock(fresh.saga_id, fresh.step)
            if claimed.entry is not None:
                return claimed
        raise BarrierBroken("the barrier row comes and goes")

    async def claim_all(self, fresh: Sequence[Entry]) -> list[Claimed]:
        self._guard.shared = True
        await self._share()
        rows = (await self._connection.execute(self.CLAIM, [statements.given(entry) for entry in fresh])).mappings()
        made = {(row["saga_id"], row["step"]): row for row in rows}
        return [await self._claimed(entry, made.get((entry.saga_id, entry.step))) for entry in fresh]

    async def _share(self) -> None:
        """Before the rows of several commands are claimed."""

    async def _claimed(self, fresh: Entry, made: Any) -> Claimed:
        if made is None:
            claimed = await self.lock(fresh.saga_id, fresh.step)
            if claimed.entry is None:
                raise BarrierBroken("the barrier row comes and goes")
            return claimed
        claimed = await self._made(fresh, made)
        if not claimed.is_made(fresh):
            await self.forget(fresh)
        return claimed

    async def _made(self, fresh: Entry, made: Any) -> Claimed:
        self._xid, self._now_us = made["xid"], made["at"]
        expired = fresh.expires_at_us <= self._now_us or await self._is_covered(fresh, made["below"])
        return Claimed(entry=None, expired=expired, floor=made["floor"] or 0)

    async def _is_covered(self, fresh: Entry, below_ms: int | None) -> bool:
        if not may_cover(below_ms, fresh.saga_id):
            return False
        found = (await self._connection.execute(self.REMEMBERED, {"key_tenant": fresh.tenant})).mappings().one_or_none()
        return found is not None and remembered_of(dict(found)).horizon.covers(fresh.saga_id)

    async def lock(self, saga_id: UUID, step: str) -> Claimed:
        found = (await self._connection.execute(self.LOCK, {"key_saga": saga_id, "key_step": step})).mappings().one_or_none()
        if found is None:
            return NO_ROW
        self._xid, self._now_us = found["xid"], found["now"]
        return Claimed(entry=entry_of(dict(found), self._now_us), floor=found["floor"] or 0)

    async def clock(self) -> int:
        return self._now_us

    @property
    def torn(self) -> bool:
        return self._guard.torn

    async def save(self, entry: Entry) -> None:
        values = values_of(entry)
        given = {name: values[name] for name in statements.CHANGING}
        done = await self._connection.execute(
            self.SAVE, given | {"key_saga": entry.saga_id, "key_step": entry.step, "key_xid": self._xid}
        )
        if done.rowcount != 1:
            raise BarrierBroken("the handler ended the transaction it was given")

    async def forget(self, entry: Entry) -> None:
        done = await self._connection.execute(self.FORGET, {"key_saga": entry.saga_id, "key_step": entry.step})
        if done.rowcount != 1:
            raise BarrierBroken("the barrier row is gone")

    async def forget_all(self, entries: Sequence[Entry]) -> None:
        keys = [{"key_saga": entry.saga_id, "key_step": entry.step} for entry in entries]
        if keys:
            await self._connection.execute(self.FORGET, keys)

    @contextlib.asynccontextmanager
    async def handle(self, wanted: Handle) -> AsyncIterator[Any]:
        self._guard.watch(self._connection)
        guarded = GuardedConnection(self._connection.engine, self._connection.sync_connection)
        if wanted is Handle.SESSION:
            session = GuardedSession(
                bind=guarded, join_transaction_mode="create_savepoint", expire_on_commit=False, autoflush=True
            )
            try:
                with self._guard.lending():
                    yield session
                await session.finish()
            finally:
                await self._guard.close_streams()
                await session.abandon()
                guarded.end()
        elif wanted is Handle.ASYNCPG:
            driver = (await self._connection.get_raw_connection()).driver_connection
            with self._guard.lending():
                yield GuardedAsyncpg(driver, self._guard)
        else:
            try:
                with self._guard.lending():
                    yield guarded
            finally:
                await self._guard.close_streams()
                guarded.end()

    async def interrupt(self) -> None:
        """The driver takes a cancellation to the server."""
        self._guard.lent = False

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        async with self._connection.begin_nested():
            yield

    def lost(self) -> bool:
        return self._connection.invalidated or self._connection.closed


class PostgresTransaction(SqlTransaction):
    """PostgreSQL, with any asyncio driver SQLAlchemy knows."""

    CLAIM = statements.claim(postgresql.insert, NOW, _PG_XID)
    LOCK = statements.lock(NOW, _PG_XID)
    SAVE = statements.save(NOW, _PG_XID)
    _inside: str | None = None
    """The savepoint that a handler runs in."""

    async def start(self) -> None:
        await self._connection.begin()
        self._open = True
        if await self._keeps_a_snapshot():
            await self._connection.exec_driver_sql(LOCK_TABLE)
        self._driver: Any = (await self._connection.get_raw_connection()).driver_connection

    async def _keeps_a_snapshot(self) -> bool:
        """Whether its first query's snapshot is that of all: then the table is locked before it
        (joined_statements.py). It is asked once a connection.
        """
        asked = self._connection.sync_connection
        assert asked is not None, "it was begun"
        known, name = asked.info, (_ISOLATION, asked.get_execution_options().get("isolation_level"))
        if name not in known:
            known[name] = str((await self._connection.exec_driver_sql(f"SHOW {_ISOLATION}")).scalar_one())
        return known[name] not in _SNAPSHOT_A_STATEMENT

    @property
    def ended(self) -> bool:
        return not self.lost() and hasattr(self._driver, "is_in_transaction") and not self._driver.is_in_transaction()

    async def _share(self) -> None:
        await self._connection.exec_driver_sql(f"SET LOCAL lock_timeout = {SHARED_LOCK_LIMIT_S * 1000:.0f}")

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """One more inside SQLAlchemy's, of a name that the driver can be told."""
        async with super().savepoint():
            await self._connection.exec_driver_sql(f"SAVEPOINT {SAVEPOINT}")
            self._inside = SAVEPOINT
            try:
                yield
            finally:
                self._inside = None

    async def intact(self) -> bool:
        """Asked of the driver where it can tell: SQLAlchemy may have closed its own idea of the
        transaction after an error.
        """
        if self.lost():
            return True
        driver: Any = (await self._connection.get_raw_connection()).driver_connection
        if hasattr(driver, "is_in_transaction"):
            return await asyncpg_intact(driver, self._xid, self._inside)
        try:
            return bool((await self._connection.exec_driver_sql(f"SELECT {_PG_XID}")).scalar_one() == self._xid)
        except SQLAlchemyError:
            return True  # a statement failed, so nothing but the end of this transaction is possible

    async def commit(self) -> None:
        self._open = False
        if self.torn:
            raise CommitRefused("the transaction was torn by what a handler left behind")
        try:
            async with asyncio.timeout(COMMIT_LIMIT_S):
                await self._connection.commit()
        except Exception as error:
            if refused(error):
                raise CommitRefused(type(error).__name__) from error
            with contextlib.suppress(SQLAlchemyError):
                await self._connection.invalidate()
            raise CommitUnknown(type(error).__name__) from error

    async def rollback(self) -> None:
        self._open = False
        if not self.lost() and self._connection.in_transaction():
            await self._connection.rollback()


class SqliteTransaction(SqlTransaction):
    """SQLite by aiosqlite."""

    _ended_before: bool | None = None
    """Whether somebody had ended it before it was interrupted; None: it was not."""
    CLAIM = statements.claim(sqlite.insert, SQLITE_NOW, "''")
    LOCK = statements.lock(SQLITE_NOW, "''")
    SAVE = statements.save(SQLITE_NOW, "''")

    async def start(self) -> None:
        await self._connection.execution_options(isolation_level="AUTOCOMMIT")
        self._driver: Any = (await self._connection.get_raw_connection()).driver_connection
        await self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        self._open = True

    @contextlib.asynccontextmanager
    async def handle(self, wanted: Handle) -> AsyncIterator[Any]:
        if wanted is Handle.ASYNCPG:
            raise AssertionError("a handler for asyncpg.Connection needs PostgreSQL")
        await self._connection.exec_driver_sql(f"SAVEPOINT {SAVEPOINT}")
        async with super().handle(wanted) as db:
            yield db
        try:
            await self._connection.exec_driver_sql(f"RELEASE {SAVEPOINT}")
        except SQLAlchemyError:
            raise BarrierBroken("the handler ended the transaction it was given") from None

    @property
    def ended(self) -> bool:
        return self._ended_before if self._ended_before is not None else not (self.lost() or self._driver.in_transaction)

    async def save(self, entry: Entry) -> None:
        if not await self._in_transaction():
            raise BarrierBroken("the handler ended the transaction it was given")
        await super().save(entry)

    async def interrupt(self) -> None:
        """A statement runs in a thread of its own, and goes on there whatever becomes of who waits
        for it. And a connection that is closed keeps the database locked for as long as anybody
        holds a cursor of it: so the transaction ends before that.
        """
        from saga_messaging.sqlite import end_transaction  # its driver comes with an extra

        self._guard.lent = False
        self._ended_before = self.ended
        with contextlib.suppress(Exception):
            await end_transaction(self._driver)

    async def intact(self) -> bool:
        try:
            await self._connection.exec_driver_sql(f"ROLLBACK TO {SAVEPOINT}")
        except SQLAlchemyError:
            return False
        return True

    async def commit(self) -> None:
        self._open = False
        try:
            await self._connection.exec_driver_sql("COMMIT")
        except Exception as error:
            if await self._in_transaction():  # it is still open: a constraint that is checked at the end
                await self._driver.rollback()
                raise CommitRefused(type(error).__name__) from error
            raise CommitUnknown(type(error).__name__) from error

    async def rollback(self) -> None:
        self._open = False
        if await self._in_transaction():
            await self._driver.rollback()  # whatever SQLAlchemy thinks of it

    @property
    def spoilt(self) -> bool:
        return False  # there is nothing in a session that one command could harm another with

    async def _in_transaction(self) -> bool:
        return not self.lost() and bool(getattr(self._driver, "in_transaction", False))
