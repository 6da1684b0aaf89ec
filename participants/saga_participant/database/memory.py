"""What is remembered of announcements, and what is done by it to many rows of the barrier at once:
removing those that are covered, and reading them for a sweep.

Remember first, act later. On PostgreSQL a command reads what is remembered in the snapshot of the
statement that claims its row, so it may miss what is committed meanwhile. That is made harmless
here, at no cost to commands: whoever removes or reads rows first waits until every transaction has
ended that held the table's lock, as each does from its claim on, when that was committed
(`settled`). Whoever comes later has read it: no snapshot is older than the lock. A statement takes
its own after its locks. Where one snapshot is that of all (REPEATABLE READ, SERIALIZABLE), and with
EXECUTE, a transaction begins with LOCK TABLE, which takes none. SQLite has one writer, and nothing
to wait for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from sqlalchemy import and_, delete, literal_column, or_, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_messaging.clock import Clock
from saga_participant.barrier.entry import Entry
from saga_participant.barrier.remembered import Remembered, first_of, packed
from saga_participant.database.database import Database
from saga_participant.database.joined_statements import NOW
from saga_participant.database.row_mapping import COLUMNS, REMEMBERED_COLUMNS, entry_of, remembered_of
from saga_participant.database.sql_transaction import SQLITE_NOW
from saga_participant.tables import saga_barrier, saga_horizon
from saga_schemas.errors import BadMessage
from saga_schemas.horizon import Horizon, heard
from saga_schemas.record_class import record
from saga_schemas.records import SweepPosition

FIRST_LOOK_S: Final = 0.02
LONGEST_LOOK_S: Final = 1.0
"""Between two looks at the transactions that are waited for: twice as long each time."""
_LARGE: Final = frozenset({"action_command", "action_reply", "undo_reply", "reply_ctx"})
_HOLDERS: Final = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = 'saga_barrier'::regclass AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode = 'RowExclusiveLock'"
)


@record
class Known:
    """What is remembered now."""

    by_tenant: dict[str, Remembered]
    now_us: int
    """By the database's clock."""


@record
class Removed:
    """What a batch removed."""

    rows: int
    last: UUID | None
    """The highest saga that was looked at; None: there are no more rows to remove."""


@dataclass(slots=True)
class AnnouncedMemory:
    """The table `saga_horizon`, and what is done by it."""

    database: Database
    clock: Clock

    async def known(self) -> Known:
        """All tenants."""
        columns = [saga_horizon.c[name] for name in ("tenant", *REMEMBERED_COLUMNS)]
        async with self.database.transaction() as connection:
            now_us = await self._now_us(connection)
            found = (await connection.execute(select(*columns))).mappings()
            return Known(by_tenant={row["tenant"]: remembered_of(dict(row)) for row in found}, now_us=now_us)

    async def hear(self, tenant: str, announced: Horizon, source: str) -> Remembered:
        """Remember a horizon, and give what is remembered then.

        Raises BadMessage where it lies in the future, by the database's clock.
        """
        async with self.database.transaction() as connection:
            before = await self._locked(connection, tenant)
            now_us = await self._now_us(connection)
            if announced.below_ms * 1000 > now_us:
                raise BadMessage("horizon_in_future", "it lies in the future by this database's clock")
            if announced.below_ms < before.below_ms:
                return before
            after = heard(before.horizon, announced)
            kept = packed(after.exceptions)
            values = {"below": after.below_ms, "exceptions": kept, "heard_at": now_us, "source": source}
            await connection.execute(update(saga_horizon).where(saga_horizon.c.tenant == tenant).values(values))
        return replace(before, below_ms=after.below_ms, exceptions=kept, heard_at_us=now_us)

    async def raise_floor(self, tenant: str, incarnation: int, source: str) -> int:
        """Remember that commands of a lower incarnation get no answer.

        Returns the incarnation that is remembered then.
        """
        async with self.database.transaction() as connection:
            before = await self._locked(connection, tenant)
            if incarnation > before.incarnation:
                values = {"incarnation": incarnation, "source": source}
                await connection.execute(update(saga_horizon).where(saga_horizon.c.tenant == tenant).values(values))
        return max(incarnation, before.incarnation)

    async def settled(self, limit_s: float) -> bool:
        """Wait until nobody is at work who may not have read what is committed now.

        False: somebody still is after `limit_s`.
        """
        if self.database.dialect == "sqlite":
            return True
        until_s, pause_s = self.clock.monotonic_s() + limit_s, FIRST_LOOK_S
        at_work = await self._holders()
        while at_work:
            if self.clock.monotonic_s() >= until_s:
                return False
            await self.clock.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_LOOK_S)
            at_work &= await self._holders()
        return True

    async def remove(self, tenant: str, horizon: Horizon, *, start: UUID | None, limit: int) -> Removed:
        """Remove some of the rows that the horizon covers, along the primary key from `start` on.

        A row that somebody works on is passed over.
        """
        keys = saga_barrier.c.saga_id, saga_barrier.c.step
        below = saga_barrier.c.saga_id < first_of(horizon.below_ms)
        kept = [saga_id for saga_id in horizon.exceptions if start is None or saga_id >= start]
        page = select(*keys).where(saga_barrier.c.tenant == tenant, below, saga_barrier.c.saga_id.not_in(kept))
        if start is not None:
            page = page.where(saga_barrier.c.saga_id >= start)
        found = page.order_by(*keys).limit(limit).with_for_update(skip_locked=True).cte("page")
        gone = delete(saga_barrier).where(tuple_(*keys).in_(select(found))).returning(saga_barrier.c.saga_id)
        async with self.database.transaction() as connection:
            removed = (await connection.execute(gone)).scalars().all()
        return Removed(rows=len(removed), last=max(removed) if len(removed) == limit else None)

    async def rows(self, tenant: str, *, after: SweepPosition | None, above_ms: int, limit: int, payloads: bool) -> list[Entry]:
        """Rows of the barrier, in the order of saga and step.

        Without `payloads` what may be large is left out.
        """
        keys = saga_barrier.c.saga_id, saga_barrier.c.step
        columns = [
            saga_barrier.c[name] if payloads or name not in _LARGE else literal_column("NULL").label(name) for name in COLUMNS
        ]
        page = select(*columns).where(saga_barrier.c.tenant == tenant)
        if above_ms > 0:
            page = page.where(saga_barrier.c.saga_id >= first_of(above_ms))
        if after is not None:
            same = and_(saga_barrier.c.saga_id == after.saga_id, saga_barrier.c.step > after.step)
            page = page.where(saga_barrier.c.saga_id >= after.saga_id, or_(saga_barrier.c.saga_id > after.saga_id, same))
        async with self.database.transaction() as connection:
            found = (await connection.execute(page.order_by(*keys).limit(limit))).mappings().all()
        return [entry_of(dict(row), 0) for row in found]

    async def _locked(self, connection: AsyncConnection, tenant: str) -> Remembered:
        insert = postgresql.insert if self.database.dialect == "postgresql" else sqlite.insert
        none = {"tenant": tenant, "below": 0, "exceptions": b"", "incarnation": 0, "source": "", "heard_at": 0}
        await connection.execute(insert(saga_horizon).values(none).on_conflict_do_nothing())
        columns = [saga_horizon.c[name] for name in REMEMBERED_COLUMNS]
        locked = select(*columns).where(saga_horizon.c.tenant == tenant).with_for_update()
        return remembered_of(dict((await connection.execute(locked)).mappings().one()))

    async def _now_us(self, connection: AsyncConnection) -> int:
        now = SQLITE_NOW if self.database.dialect == "sqlite" else NOW
        return int((await connection.execute(select(literal_column(now)))).scalar_one())

    async def _holders(self) -> set[str]:
        async with self.database.transaction() as connection:
            return set((await connection.execute(_HOLDERS)).scalars())
