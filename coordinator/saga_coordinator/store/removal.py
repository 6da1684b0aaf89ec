"""Removing what is no longer kept: what both databases do alike inside a transaction.

A saga is locked against everybody first. So no start can refer to it meanwhile, and none that did
is under way: starts hold the sagas whose keys they found taken (`keep`), and a saga that is held is
passed over.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, or_, select

from saga_coordinator.store import recovering, schema
from saga_coordinator.store import statements as sql
from saga_coordinator.store.batch_records import RUNNING
from saga_coordinator.store.batch_tables import batch, confirmation, redrive
from saga_coordinator.store.dialect import AnySelect, among
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.port import SagaRow, shard_of
from saga_coordinator.store.removal_port import REMOVED_SCOPE, FinishedSaga, Leaving, OldRows, Removed, Stripped
from saga_coordinator.store.schedule_records import BackfillStatus
from saga_coordinator.store.schedule_removal import ScheduleRemovals
from saga_coordinator.store.schedule_tables import schedule_backfill
from saga_coordinator.store.statements import Statement, Write
from saga_schemas.ids import uuid7_unix_ms

_CLOCK_SET_BACK_US: Final = 3_600_000_000
"""By so much the database's clock may have gone back while a saga was open."""
UP_TO: Final = "up_to"
"""The name in `REMOVED_SCOPE`."""
_DIGITS: Final = 20
ById = Literal["dead_letter", "orphan_reply", "audit", "batch", "confirmation", "schedule_backfill"]
_TABLES: Final[Mapping[ById, Table]] = {
    "dead_letter": schema.dead_letter,
    "orphan_reply": schema.orphan_reply,
    "audit": schema.audit,
    "batch": batch,
    "confirmation": confirmation,
    "schedule_backfill": schedule_backfill,
}


class Removals(ScheduleRemovals):
    """Half of the port's `Removing`; the lock is each database's own."""

    @abstractmethod
    async def counted(self, writes: Sequence[Write]) -> list[int]: ...

    @abstractmethod
    async def lock_finished(self, ids: Collection[UUID]) -> dict[UUID, SagaRow]: ...

    async def remove_sagas(self, leaving: Sequence[Leaving]) -> Removed:
        free, held = await self._free([one.saga for one in leaving])
        going = [one for one in leaving if one.saga.id in free]
        if not going:
            return Removed(held=held)
        counts = await self.counted([*_all_of(going), *await self._watermark(going)])
        return Removed(sagas=tuple(one.saga.id for one in going), rows=sum(counts), held=held)

    async def strip_sagas(self, stripped: Sequence[Stripped]) -> Removed:
        free, held = await self._free([one.saga for one in stripped])
        going = [one for one in stripped if one.saga.id in free]
        if not going:
            return Removed(held=held)
        *_, rows = await self.counted(
            [
                Write(sql.STRIP_SAGA, [(one.saga.id, one.version, one.state_format, one.state) for one in going]),
                Write(sql.STRIP_LISTING, [(one.saga.tenant, one.saga.id) for one in going]),
                Write(sql.REMOVE_JOURNAL, [(one.saga.id,) for one in going]),
            ]
        )
        return Removed(sagas=tuple(one.saga.id for one in going), rows=rows, held=held)

    async def _free(self, sagas: Sequence[FinishedSaga]) -> tuple[set[UUID], dict[str, int]]:
        """Those of which nothing is left to do, and what holds the others."""
        locked = await self.lock_finished([saga.id for saga in sagas])
        closed = {id: row for id, row in locked.items() if row.closed_at_us is not None}
        held_by = {
            "unexpired": {id for id, row in closed.items() if row.max_expiry_us > self.now_us},
            "unpublished": await self._unpublished(closed.values()),
            "untraced": await self._untraced(closed),
        }
        held = {"locked": len(sagas) - len(locked), "open": len(locked) - len(closed)}
        held |= {why: len(ids) for why, ids in held_by.items()}
        free = closed.keys() - set[UUID]().union(*held_by.values())
        return set(free), {why: count for why, count in held.items() if count}

    async def _unpublished(self, rows: Iterable[SagaRow]) -> set[UUID]:
        """A saga's messages are made by its transitions, the last at its end. What is much younger
        in the outbox is of others, and is not read.
        """
        o = schema.outbox.c
        by_shard: dict[int, list[SagaRow]] = {}
        for row in rows:
            by_shard.setdefault(shard_of(row.id), []).append(row)
        wanted: list[ColumnElement[bool]] = []
        for shard, of_shard in by_shard.items():
            later = first_id(max(row.closed_at_us or 0 for row in of_shard) + _CLOCK_SET_BACK_US)
            ids = [row.id for row in of_shard]
            wanted.append((o.shard == shard) & (o.id < later) & among(self._dialect, o.saga_id, ids))
        return {row[0] for row in await self.execute(select(o.saga_id).where(or_(*wanted)))} if wanted else set()

    async def _untraced(self, ids: Collection[UUID]) -> set[UUID]:
        d = schema.span_due.c
        return (
            {row[0] for row in await self.execute(select(d.saga_id).where(among(self._dialect, d.saga_id, ids)))}
            if ids
            else set()
        )

    async def _watermark(self, going: Sequence[Leaving]) -> list[Write]:
        """After a restore from a backup it stands still: sagas that were lost began behind it, and
        before those that are removed now.
        """
        c = schema.control.c
        restored = {row[0] for row in await self.execute(select(c.tenant).where(c.scope == recovering.SCOPE))}
        latest: dict[str, int] = {}
        for one in going:
            if one.saga.tenant in restored:
                continue
            latest[one.saga.tenant] = max(latest.get(one.saga.tenant, 0), uuid7_unix_ms(one.saga.id))
        rows = [
            (REMOVED_SCOPE, tenant, UP_TO, f"{up_to:0{_DIGITS}d}", "retention", "sagas that are not here and older were removed")
            for tenant, up_to in sorted(latest.items())
        ]
        return _write(sql.RAISE_REMOVED, rows)

    async def remove_kept_keys(self, tenant: str, limit: int) -> int:
        t = schema.removed_saga
        due = select(t).where(t.c.tenant == tenant, t.c.keys_until <= self.now_us).order_by(t.c.keys_until).limit(limit)
        rows = list(await self.execute(due.with_for_update(skip_locked=True)))
        if not rows:
            return 0
        keyed = [(row.tenant, row.business_key, row.definition_name, row.saga_id) for row in rows if row.business_key is not None]
        ids = [(row.saga_id,) for row in rows]
        await self.counted([*_keys(keyed), Write(sql.REMOVE_REQUESTS, ids), Write(sql.FORGET_REMOVED, ids)])
        return len(rows)

    async def remove_old(self, table: OldRows, tenant: str, before_us: int, limit: int) -> int:
        match table:
            case "schedule_tick" | "schedule_tick_range" | "schedule_version":
                return await self.remove_of_schedules(table, tenant, before_us, limit)
            case _:
                return await self._remove_by_id(table, tenant, before_us, limit)

    async def _remove_by_id(self, table: ById, tenant: str, before_us: int, limit: int) -> int:
        t = _TABLES[table]
        if table == "audit":
            first = select(t.c.id, t.c.at).where(t.c.tenant == tenant).order_by(t.c.id).limit(limit)
            ids = [id for id, at in await self.execute(first) if at < before_us]
        else:
            ids = [row[0] for row in await self.execute(old(table, tenant, before_us).limit(limit))]
        if ids:
            await self.execute(delete(t).where(among(self._dialect, t.c.id, ids)))
        if ids and table == "dead_letter":
            await self.execute(delete(redrive).where(among(self._dialect, redrive.c.letter_id, ids)))
        return len(ids)

    async def removed_until_ms(self, tenant: str) -> int:
        c = schema.control.c
        query = select(c.value).where(c.scope == REMOVED_SCOPE, c.tenant == tenant, c.name == UP_TO)
        found = (await self.execute(query)).scalar_one_or_none()
        return int(found) if found is not None and found.isascii() and found.isdecimal() else 0

    async def keep(self, ids: Collection[UUID]) -> dict[UUID, bool]:
        s, r = schema.saga.c.id, schema.removed_saga.c.saga_id
        here = await self._held(select(s).where(among(self._dialect, s, sorted(ids))).order_by(s))
        absent = sorted(set(ids) - here)
        kept = await self._held(select(r).where(among(self._dialect, r, absent)).order_by(r)) if absent else set()
        return {**dict.fromkeys(kept, False), **dict.fromkeys(here, True)}

    async def _held(self, query: AnySelect) -> set[UUID]:
        return {row[0] for row in await self.execute(query.with_for_update(read=True, key_share=True))}


def old(table: ById, tenant: str, before_us: int) -> AnySelect:
    """The ids of rows that were made before then and are no longer needed, oldest first: they begin
    with their time. Letters and orphans are nobody's own.
    """
    t = _TABLES[table]
    query = select(t.c.id).where(t.c.id < first_id(before_us)).order_by(t.c.id)
    match table:
        case "dead_letter":
            return query.where(t.c.relayed)
        case "batch":
            return query.where(t.c.tenant == tenant, t.c.status != RUNNING)
        case "schedule_backfill":
            return query.where(t.c.tenant == tenant, t.c.status != BackfillStatus.RUNNING)
        case "confirmation":
            return query.where(t.c.tenant == tenant)
        case _:
            return query


def _all_of(going: Sequence[Leaving]) -> list[Write]:
    ids = [(one.saga.id,) for one in going]
    last = [one for one in going if one.keys_until_us is None]
    outlived = [one for one in going if one.keys_until_us is not None]
    return [
        Write(sql.REMOVE_SAGA, ids),
        Write(sql.REMOVE_LISTING, [(one.saga.tenant, one.saga.id) for one in going]),
        *(Write(statement, ids) for statement in (sql.REMOVE_JOURNAL, sql.REMOVE_ATTENTION, sql.REMOVE_LABELS, sql.REMOVE_INBOX)),
        *_of_keys(last),
        *_write(sql.INSERT_REMOVED, [_outlived(one) for one in outlived]),
    ]


def _of_keys(last: Sequence[Leaving]) -> list[Write]:
    keyed = [
        (one.saga.tenant, one.saga.business_key, one.saga.definition, one.saga.id)
        for one in last
        if one.saga.business_key is not None
    ]
    return [*_keys(keyed), *_write(sql.REMOVE_REQUESTS, [(one.saga.id,) for one in last])]


def _keys(keyed: Sequence[tuple[Any, ...]]) -> list[Write]:
    return [*_write(sql.REMOVE_KEY, keyed), *_write(sql.REMOVE_FORMER, keyed)]


def _outlived(one: Leaving) -> tuple[Any, ...]:
    return (one.saga.id, one.saga.tenant, one.saga.definition, one.saga.business_key, one.keys_until_us)


def _write(statement: Statement, rows: Sequence[tuple[Any, ...]]) -> list[Write]:
    return [Write(statement, rows)] if rows else []
