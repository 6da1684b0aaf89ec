"""The barrier's transaction on the bare asyncpg connection: BEGIN, one INSERT, the handler's statements, one UPDATE, COMMIT.

asyncpg is not imported: the connection comes out of SQLAlchemy's pool. The statements are those of sql_transaction.py, as text.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from saga_participant.database_errors import refused
from saga_participant.entry import Entry
from saga_participant.guarded import GuardedAsyncpg
from saga_participant.outcomes import BarrierBroken
from saga_participant.row_mapping import COLUMNS, entry_of, values_of
from saga_participant.transactions import COMMIT_LIMIT_S, Claimed, CommitRefused, CommitUnknown, Handle

_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_XID: Final = "pg_current_xact_id()::text"
_KEY: Final = ("saga_id", "step")
_CHANGING: Final = tuple(name for name in COLUMNS if name not in _KEY)

CLAIM: Final = (
    "INSERT INTO saga_barrier (saga_id, step, tenant, incarnation, run, state, expires_at, at) "
    f"VALUES ($1, $2, $3, $4, $5, $6, $7, {_NOW}) ON CONFLICT (saga_id, step) DO NOTHING RETURNING at, {_XID} AS xid"
)
"""Makes the row, provisionally; no row comes back when it exists. Waits for whoever is making the same one."""
LOCK: Final = (
    f"SELECT {', '.join(COLUMNS)}, {_NOW} AS now, {_XID} AS xid FROM saga_barrier WHERE saga_id = $1 AND step = $2 FOR UPDATE"
)
"""Reads the row and keeps it from everybody else until the end of the transaction."""
SAVE: Final = (
    f"UPDATE saga_barrier SET {', '.join(f'{name} = ${index}' for index, name in enumerate(_CHANGING, start=3))}, at = {_NOW} "
    f"WHERE saga_id = $1 AND step = $2 AND {_XID} = ${len(_CHANGING) + 3}"
)
"""Writes the row, in the transaction that claimed it and in no other."""


class AsyncpgTransaction:
    """One transaction on one asyncpg connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._pooled = connection
        self._connection: Any = None
        self._transaction: Any = None
        self._xid = ""

    @property
    def reusable(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def start(self) -> None:
        self._connection = (await self._pooled.get_raw_connection()).driver_connection
        transaction = self._connection.transaction()
        await transaction.start()
        self._transaction = transaction

    async def claim(self, fresh: Entry) -> Claimed:
        row = fresh.row
        for _ in range(2):  # a row that was there and is gone again (collected) is made by the second turn
            made = await self._connection.fetchrow(
                CLAIM, fresh.saga_id, fresh.step, fresh.tenant, row.incarnation, row.run, row.state.value, fresh.expires_at_us
            )
            if made is not None:
                self._xid = made["xid"]
                return Claimed(entry=None, now_us=made["at"])
            claimed = await self.lock(fresh.saga_id, fresh.step)
            if claimed.entry is not None:
                return claimed
        raise BarrierBroken("the barrier row comes and goes")

    async def lock(self, saga_id: UUID, step: str) -> Claimed:
        found = await self._connection.fetchrow(LOCK, saga_id, step)
        if found is None:
            return Claimed(entry=None, now_us=0)
        self._xid = found["xid"]
        return Claimed(entry=entry_of(found, found["now"]), now_us=found["now"])

    async def save(self, entry: Entry) -> None:
        values = values_of(entry)
        if self._connection.is_in_transaction():
            done = await self._connection.execute(
                SAVE, entry.saga_id, entry.step, *(values[name] for name in _CHANGING), self._xid
            )
            if done == "UPDATE 1":
                return
        raise BarrierBroken("the handler ended the transaction it was given")

    @contextlib.asynccontextmanager
    async def handle(self, wanted: Handle) -> AsyncIterator[Any]:
        if wanted is not Handle.ASYNCPG:
            raise AssertionError(f"{wanted.value} needs the transaction through SQLAlchemy")
        yield GuardedAsyncpg(self._connection)

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            yield

    async def intact(self) -> bool:
        return self.lost() or await asyncpg_intact(self._connection, self._xid)

    def lost(self) -> bool:
        return self._connection is None or bool(self._connection.is_closed())

    async def commit(self) -> None:
        transaction, self._transaction = self._transaction, None
        try:
            async with asyncio.timeout(COMMIT_LIMIT_S):
                await transaction.commit()
        except Exception as error:
            if refused(error):
                raise CommitRefused(type(error).__name__) from error
            self._connection.terminate()
            raise CommitUnknown(type(error).__name__) from error

    async def rollback(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None and not self.lost():
            await transaction.rollback()


async def asyncpg_intact(connection: Any, xid: str) -> bool:
    """Whether the transaction of this id is still open here, or, after an error in it, is gone without effect."""
    if not connection.is_in_transaction():
        return False
    try:
        return bool(await connection.fetchval(f"SELECT {_XID}") == xid)
    except Exception:  # an error ended it, or the one a handler began in its place: only the server's log of commits can tell
        await connection.execute("ROLLBACK")
        return bool(await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid) == "aborted")
