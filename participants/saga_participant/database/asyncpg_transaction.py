"""The barrier's transaction on the bare asyncpg connection: claim, the handler's statements, save,
commit.

BEGIN goes with the claim and the saving with COMMIT wherever their values can be written as
literals (joined_statements.py); else each is a round trip of its own, with parameters: the
statements of sql_transaction.py, as text. asyncpg is not imported: the connection comes out of
SQLAlchemy's pool.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from uuid import UUID

from saga_messaging.database_errors import sqlstate
from saga_participant.barrier.entry import Entry
from saga_participant.database.bare_connection import BareConnection
from saga_participant.database.errors import out_of_reach, refused, unsent
from saga_participant.database.guard import Guard
from saga_participant.database.guarded import GuardedAsyncpg, Savepoint
from saga_participant.database.joined_statements import (
    BELOW,
    FLOOR,
    LOCK_TABLE,
    NOT_ONE_ROW,
    NOW,
    XID,
    claim_of,
    save_of,
    unless_announced,
)
from saga_participant.database.row_mapping import (
    COLUMNS,
    REMEMBERED_COLUMNS,
    entry_of,
    may_cover,
    remembered_of,
    values_of,
)
from saga_participant.database.transactions import (
    COMMIT_LIMIT_S,
    NO_ROW,
    SHARED_LOCK_LIMIT_S,
    Claimed,
    CommitRefused,
    CommitUnknown,
)
from saga_participant.handling.handlers import Handle
from saga_participant.outcomes import BarrierBroken, Unavailable
from saga_schemas.ids import uuid7_unix_ms

_KEY: Final = ("saga_id", "step")
_CHANGING: Final = tuple(name for name in COLUMNS if name not in _KEY)
_ENDED: Final = "the handler ended the transaction it was given"
_UNKNOWN_NAME: Final = "26000"
SAVEPOINT: Final = "saga_handler"

CLAIM: Final = (
    "INSERT INTO saga_barrier (saga_id, step, tenant, incarnation, run, state, expires_at, at) "
    f"VALUES ($1, $2, $3, $4, $5, $6, $7, {NOW}) ON CONFLICT (saga_id, step) DO NOTHING "
    f"RETURNING at, {XID}::text AS xid, {BELOW} AS below, {FLOOR} AS floor"
)
"""Makes the row, provisionally; no row comes back when it exists.

Waits for whoever is making the same one.
"""
CLAIM_ALL: Final = (
    "INSERT INTO saga_barrier (saga_id, step, tenant, incarnation, run, state, expires_at, at) "
    f"SELECT i.saga_id, i.step, i.tenant, i.incarnation, i.run, i.state, i.expires_at, {NOW} FROM unnest("
    "$1::uuid[], $2::text[], $3::text[], $4::integer[], $5::integer[], $6::text[], $7::bigint[], $8::bigint[]"
    ") AS i (saga_id, step, tenant, incarnation, run, state, expires_at, unix_ms) "
    f"WHERE {NOW} < i.expires_at AND {unless_announced('i.tenant', 'i.incarnation', 'i.unix_ms')} "
    f"ORDER BY i.saga_id, i.step ON CONFLICT (saga_id, step) DO NOTHING RETURNING saga_id, step, at, {XID}::text AS xid"
)
"""Makes the rows of many commands, and gives those it made: not those that exist, and none for a
command that has expired, or that a horizon or a sweep may forbid.
"""
BEGIN: Final = f"BEGIN; {LOCK_TABLE}"
BEGIN_SHARED: Final = f"BEGIN; SET LOCAL lock_timeout = {SHARED_LOCK_LIMIT_S * 1000:.0f}; {LOCK_TABLE}"
LOCK: Final = (
    f"SELECT {', '.join(COLUMNS)}, {NOW} AS now, {XID}::text AS xid, {FLOOR} AS floor FROM saga_barrier "
    "WHERE saga_id = $1 AND step = $2 FOR UPDATE"
)
"""Reads the row and keeps it from everybody else until the end of the transaction."""
SAVE: Final = (
    f"UPDATE saga_barrier SET {', '.join(f'{name} = ${index}' for index, name in enumerate(_CHANGING, start=3))}, at = {NOW} "
    f"WHERE saga_id = $1 AND step = $2 AND {XID}::text = ${len(_CHANGING) + 3}"
)
"""Writes the row, in the transaction that claimed it and in no other."""
REMEMBERED: Final = f"SELECT {', '.join(REMEMBERED_COLUMNS)} FROM saga_horizon WHERE tenant = $1"
FORGET: Final = "DELETE FROM saga_barrier WHERE saga_id = $1 AND step = $2"
MADE_HERE: Final = f"SELECT {XID}::text FROM saga_barrier WHERE saga_id = $1 AND step = $2 AND xmin = {XID}::xid"
"""The id of the transaction that asks, if it is the one that made the row."""
IS_THERE: Final = "SELECT EXISTS (SELECT FROM saga_barrier WHERE saga_id = $1 AND step = $2)"


class AsyncpgTransaction:
    """One transaction on one asyncpg connection."""

    def __init__(self, connection: BareConnection) -> None:
        self._bare = connection
        self._connection: Any = connection.driver
        self._guard = Guard()
        self._begun = False
        self._rows: dict[tuple[UUID, str], Entry] = {}
        """The rows as they stand: made here, or found."""
        self._xid: str | None = None
        """This transaction's id; None as long as nobody asked: then xmin proves that it made the
        row.
        """
        self._now_us: int | None = None
        self._savings: list[str] = []
        """What goes with the commit."""
        self._inside: str | None = None
        """The savepoint that a handler runs in."""
        self._over = False

    @property
    def reusable(self) -> bool:
        return self._over and not self.spoilt and not self.lost()

    @property
    def torn(self) -> bool:
        return False  # SQLAlchemy has no part in it

    @property
    def spoilt(self) -> bool:
        return self._guard.spoilt

    @property
    def uses(self) -> int:
        return self._guard.uses

    @property
    def unshareable(self) -> bool:
        return self._guard.unshareable

    @property
    def ended(self) -> bool:
        return not self.lost() and not self._connection.is_in_transaction()

    async def start(self) -> None:
        """It begins with its first statement."""

    async def claim(self, fresh: Entry) -> Claimed:
        made = await self._claim_at_once(fresh)
        if made:
            self._rows[fresh.saga_id, fresh.step] = fresh
            return NO_ROW
        await self._begin()
        return await self._claim_again(fresh, tried=made is not None)

    async def _claim_again(self, fresh: Entry, *, tried: bool) -> Claimed:
        """With parameters. `tried`: no row was made at the first try: there is one, or something
        forbids the command.
        """
        row = fresh.row
        for turn in range(3):  # a row that was there and is gone again (collected) is made by the next turn
            if turn or not tried:
                found = await self._connection.fetchrow(
                    CLAIM, fresh.saga_id, fresh.step, fresh.tenant, row.incarnation, row.run, row.state.value, fresh.expires_at_us
                )
                if found is not None:
                    self._is_made(fresh, found)
                    expired = fresh.expires_at_us <= found["at"] or await self._is_covered(fresh, found["below"])
                    return Claimed(entry=None, expired=expired, floor=found["floor"] or 0)
            claimed = await self.lock(fresh.saga_id, fresh.step)
            if claimed.entry is not None:
                return claimed
        raise BarrierBroken("the barrier row comes and goes")

    async def _is_covered(self, fresh: Entry, below_ms: int | None) -> bool:
        if not may_cover(below_ms, fresh.saga_id):
            return False
        found = await self._connection.fetchrow(REMEMBERED, fresh.tenant)
        return found is not None and remembered_of(found).horizon.covers(fresh.saga_id)

    async def claim_all(self, fresh: Sequence[Entry]) -> list[Claimed]:
        self._guard.shared = True
        await self._bare.prepare()
        await self._begin(BEGIN_SHARED)
        columns = zip(
            *(
                (
                    e.saga_id,
                    e.step,
                    e.tenant,
                    e.row.incarnation,
                    e.row.run,
                    e.row.state.value,
                    e.expires_at_us,
                    uuid7_unix_ms(e.saga_id),
                )
                for e in fresh
            ),
            strict=True,
        )
        made = {(found["saga_id"], found["step"]): found for found in await self._connection.fetch(CLAIM_ALL, *columns)}
        claimed: list[Claimed] = []
        for entry in fresh:
            found = made.get((entry.saga_id, entry.step))
            if found is not None:
                self._is_made(entry, found)
            claimed.append(NO_ROW if found is not None else await self._not_made(entry))
        return claimed

    async def _not_made(self, fresh: Entry) -> Claimed:
        claimed = await self._claim_again(fresh, tried=True)
        if claimed.entry is None and not claimed.is_made(fresh):
            await self.forget(fresh)
        return claimed

    def _is_made(self, fresh: Entry, found: Any) -> None:
        self._rows[fresh.saga_id, fresh.step] = fresh
        self._xid, self._now_us = found["xid"], found["at"]

    async def _claim_at_once(self, fresh: Entry) -> bool | None:
        """With BEGIN.

        False: there is a row, or the command has expired. None: not begun, it has to go with
        parameters.
        """
        statements = claim_of(fresh)
        if statements is None or not await self._bare.prepare():
            return None
        try:
            return await self._first(statements) == "INSERT 0 1"
        except Exception as error:
            if sqlstate(error) != _UNKNOWN_NAME:
                raise
        self._bare.names_are_lost()
        await self.rollback()
        return None

    async def lock(self, saga_id: UUID, step: str) -> Claimed:
        await self._begin()
        found = await self._connection.fetchrow(LOCK, saga_id, step)
        if found is None:
            return NO_ROW
        self._xid, self._now_us = found["xid"], found["now"]
        self._rows[saga_id, step] = entry = entry_of(found, found["now"])
        return Claimed(entry=entry, floor=found["floor"] or 0)

    async def _begin(self, statements: str = BEGIN) -> None:
        if self._begun:
            return
        try:
            await self._first(statements)
        except Exception as error:
            if not self.lost() and not out_of_reach(error):
                raise
            raise Unavailable(f"the database does not begin a transaction ({type(error).__name__})") from error

    async def _first(self, statements: str) -> str:
        """What begins the transaction.

        Cancelled or timed out, nobody knows yet whether there is one: the connection has to go.
        """
        self._begun = True
        try:
            return str(await self._connection.execute(statements))
        except BaseException as error:
            if not refused(error):
                self._connection.terminate()
            raise

    async def clock(self) -> int:
        if self._now_us is None:
            self._now_us = int(await self._connection.fetchval(f"SELECT {NOW}"))
        return self._now_us

    async def save(self, entry: Entry) -> None:
        if self.lost():
            raise Unavailable("the connection was lost before the row was written")
        if not self._connection.is_in_transaction():
            raise BarrierBroken(_ENDED)
        found = self._rows[entry.saga_id, entry.step]
        saving = save_of(entry, found, self._xid) if self._bare.prepared else None
        if saving is None:
            await self._save_now(entry)
        else:
            self._savings.append(saving)

    async def _save_now(self, entry: Entry) -> None:
        values, xid = values_of(entry), self._xid or await self._where_made(MADE_HERE)
        if xid is not None:
            done = await self._connection.execute(SAVE, entry.saga_id, entry.step, *(values[name] for name in _CHANGING), xid)
            if done == "UPDATE 1":
                return
        raise BarrierBroken(_ENDED)

    async def forget(self, entry: Entry) -> None:
        if await self._connection.execute(FORGET, entry.saga_id, entry.step) != "DELETE 1":
            raise BarrierBroken("the barrier row is gone")

    async def forget_all(self, entries: Sequence[Entry]) -> None:
        await self._connection.executemany(FORGET, [(entry.saga_id, entry.step) for entry in entries])

    async def _where_made(self, question: str) -> Any:
        saga_id, step = next(iter(self._rows))
        return await self._connection.fetchval(question, saga_id, step)

    def handle(self, wanted: Handle) -> AbstractAsyncContextManager[Any]:
        if wanted is not Handle.ASYNCPG:
            raise AssertionError(f"{wanted.value} needs the transaction through SQLAlchemy")
        return self._lent()

    @contextlib.asynccontextmanager
    async def _lent(self) -> AsyncIterator[GuardedAsyncpg]:
        with self._guard.lending():
            yield GuardedAsyncpg(self._connection, self._guard)

    async def interrupt(self) -> None:
        """asyncpg takes a cancellation to the server."""
        self._guard.lent = False

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        async with Savepoint(self._connection, SAVEPOINT):
            self._inside = SAVEPOINT
            try:
                yield
            finally:
                self._inside = None

    async def intact(self) -> bool:
        if self.lost():
            return True
        if self._xid is not None:
            return await asyncpg_intact(self._connection, self._xid, self._inside)
        if not self._connection.is_in_transaction():
            return False
        try:
            return await self._where_made(MADE_HERE) is not None
        except Exception:  # an error ended it, or the one a handler began in its place: then the row was committed before that
            await self._connection.execute("ROLLBACK")
            return not await self._where_made(IS_THERE)

    def lost(self) -> bool:
        return bool(self._connection.is_closed())

    async def commit(self) -> None:
        try:
            done = await self._connection.execute("; ".join((*self._savings, "COMMIT")), timeout=COMMIT_LIMIT_S)
        except Exception as error:
            if unsent(error):
                raise
            if not refused(error):
                self._connection.terminate()
                raise CommitUnknown(type(error).__name__) from error
            if not self._savings or not self._connection.is_in_transaction():
                raise CommitRefused(type(error).__name__) from error
            if sqlstate(error) == NOT_ONE_ROW:  # still open, so it was the saving that failed: the COMMIT was not reached
                raise BarrierBroken(_ENDED) from error
            raise
        if done != "COMMIT":
            raise CommitRefused(f"the database answered {done}")
        self._over = True

    async def rollback(self) -> None:
        if self._begun and not self._over and not self.lost() and self._connection.is_in_transaction():
            await self._connection.execute("ROLLBACK")
        self._begun, self._over = False, True


async def asyncpg_intact(connection: Any, xid: str, savepoint: str | None = None) -> bool:
    """Whether the transaction of this id is still open here, or, after an error in it, is gone
    without effect. `savepoint`: the one the handler ran in; after an error what it did goes, and
    the transaction goes on.
    """
    if not connection.is_in_transaction():
        return False
    with contextlib.suppress(Exception):
        return bool(await connection.fetchval(f"SELECT {XID}::text") == xid)
    if savepoint is not None:
        with contextlib.suppress(Exception):
            await connection.execute(f"ROLLBACK TO {savepoint}")
            return bool(await connection.fetchval(f"SELECT {XID}::text") == xid)
    # An error ended it, or the one a handler began in its place: only the server's log of commits
    # can tell.
    await connection.execute("ROLLBACK")
    return bool(await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid) == "aborted")
