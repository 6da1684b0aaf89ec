"""A store that was restored from a backup: what `saga recover` does to it, and what it tells of it.

One transaction raises the incarnation and marks every open saga: its row's incarnation is older
than the database's. Whatever then comes for such a saga, a reply, a wake-up or a person's act, the
coordinator recovers it first (`batch/fold.py`). Wake-ups are spread, so that the sagas ask one
after the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import Select, delete, func, insert, literal, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_coordinator.store import recovering, revisions, schema
from saga_coordinator.store.columns import Number, database_clock
from saga_coordinator.store.dialect import noting
from saga_coordinator.store.direct import coordinators_connected, engine_of, file_locked, file_of
from saga_coordinator.store.examining_port import MADE_NAME
from saga_coordinator.store.faults import translated
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import LostEffect, OrphanReply, ParticipantSweep, StoreError
from saga_coordinator.store.sweep_tables import UNDONE, lost_effect, sweep
from saga_coordinator.store.sweeps import effect_row, effects_of, sweeps_of, swept_row, unsettled_of
from saga_schemas.record_class import record

ALIVE_S: Final = 25
"""A coordinator that was seen within this time may live."""
EPOCH_US: Final = 1_767_225_600_000_000
"""2026 began. Incarnations are seconds since then, so that no restore gives one again: of two
restores of one backup, both would otherwise count on from what the backup holds."""
_APPLICATION: Final = "saga-recover"
_LIFE: Final = ("life", "seen_at")
"""Where coordinators write that they live (`loops/liveness.py`)."""
_LOCK_WAIT: Final = "30s"


class RecoverRefused(StoreError):
    """Nothing was done; the text says what to do."""


@record
class Survey:
    """What a database holds before it is recovered."""

    incarnation: int
    open_sagas: int
    orphans: int
    seen_s: float | None
    """How long ago a coordinator was last seen at work, by what the backup holds."""
    alive: tuple[str, ...]
    """What says that a coordinator may be alive."""


@record
class Recovered:
    """What a recovery has begun."""

    incarnation: int
    before: int
    open_sagas: int
    asked_within_s: float


@record
class Status:
    """How far a recovery is."""

    incarnation: int
    sagas: int
    """Open when it began."""
    going_on: bool
    waits: Mapping[str, int]
    """Sagas by the participants that they wait for, by comma; empty: not asked yet."""
    next_ask_s: float | None
    """Until the first of those that are not asked yet is asked; negative: since then."""
    last_ask_s: float | None
    """Until the last of them is asked."""
    orphans: int
    sweeping: bool
    """Participants may have rows that were not read since."""
    sweeps: Sequence[ParticipantSweep]
    """How far each is; one that is not in it has not been asked yet."""
    lost: Mapping[str, int]
    """Effects that no saga owns and that are not settled, by status."""


async def survey(url: str) -> Survey:
    """Look. Raises StoreError, ValueError (no address of a store)."""
    async with _connected(url) as connection:
        return await _survey(connection)


async def recover(
    url: str,
    *,
    tenant: str,
    who: str,
    why: str,
    sagas_per_s: float,
    force: bool = False,
    expected: int | None = None,
    participant: str | None = None,
) -> Recovered:
    """Raise the incarnation, and let every open saga ask again every step it ever dispatched.

    Args:
        url: The database's address.
        tenant: Whose audit and control rows are written.
        who: Who does it.
        why: Why.
        sagas_per_s: How many sagas are asked a second.
        force: Also while a coordinator may be alive.
        expected: The incarnation that was shown to whoever decided.
        participant: Only this participant's database was restored, and only it is asked for its
            rows. None: the coordinator's was.

    Raises:
        RecoverRefused: A coordinator is alive, or somebody else has recovered meanwhile.
        StoreBusy: A process serves this SQLite file.
        StoreError: Nothing happened.
        ValueError: The address is none of a store.
    """
    parsed = make_url(url)
    with file_locked(parsed):
        async with _connected(url) as connection:
            with translated():
                await _lock(connection)
                found = await _survey(connection)
                if found.alive and not force:
                    raise RecoverRefused(f"{'; '.join(found.alive)}: stop every coordinator first")
                if expected not in (None, found.incarnation):
                    raise RecoverRefused(
                        f"the database is at incarnation {found.incarnation} meanwhile: somebody else recovered it"
                    )
                done = await _recover(connection, found, sagas_per_s)
                await _ask_for_rows(connection, tenant, participant)
                await _note(connection, done, tenant, who, why, participant)
                await connection.commit()
    return done


async def status(url: str, tenant: str) -> Status:
    """Look. Raises StoreError, ValueError."""
    async with _connected(url) as connection:
        with translated():
            control = await _control(connection, recovering.SCOPE, tenant)
            waits = {row[0]: row[1] for row in await connection.execute(recovering.counts())}
            w, r = schema.wakeup.c, schema.recovering.c
            unasked = select(func.min(w.due_at), func.max(w.due_at)).join(schema.recovering, r.saga_id == w.saga_id)
            first, last = (await connection.execute(unasked.where(r.waits_for == ""))).one()
            now_us = await _now_us(connection)
            return Status(
                sweeping=recovering.is_sweeping(control),
                sweeps=[swept_row(row) for row in await connection.execute(sweeps_of(tenant))],
                lost={row[0]: row[1] for row in await connection.execute(unsettled_of(tenant))},
                incarnation=await _incarnation(connection),
                sagas=int(control.get(recovering.SAGAS, "0")),
                going_on=recovering.is_going_on(control),
                waits=waits,
                next_ask_s=None if first is None else (first - now_us) / 1e6,
                last_ask_s=None if last is None else (last - now_us) / 1e6,
                orphans=await _count(connection, schema.orphan_reply),
            )


async def orphans(url: str) -> AsyncIterator[OrphanReply]:
    """Replies for sagas that this database does not have, those of one saga together.

    Raises StoreError, ValueError.
    """
    o = schema.orphan_reply
    known = select(literal(1)).where(schema.saga.c.id == o.c.saga_id).exists()
    async with _connected(url) as connection:
        with translated():
            async for row in await connection.stream(select(o).where(~known).order_by(o.c.saga_id, o.c.id)):
                yield OrphanReply(
                    id=row.id,
                    saga_id=row.saga_id,
                    at_us=row.at,
                    topic=row.topic,
                    partition=row.part,
                    offset=row.offset,
                    headers=row.headers,
                    value=row.value,
                )


async def lost_effects(url: str, tenant: str) -> list[LostEffect]:
    """Effects that no saga owns, the settled ones too. Raises StoreError, ValueError."""
    async with _connected(url) as connection:
        with translated():
            return [effect_row(row) for row in await connection.execute(effects_of(tenant, settled=True))]


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AsyncConnection]:
    """In a transaction, at a database of this release."""
    open_store(url)  # refuses what is no address of one
    parsed = make_url(url)
    path = file_of(parsed)
    if path is not None and not path.exists():
        raise RecoverRefused(f"{path} does not exist")
    engine = engine_of(parsed, named=_APPLICATION, isolation="READ COMMITTED")
    try:
        with translated():
            connection = await engine.connect()
        try:
            with translated():
                await revisions.check(connection)
            yield connection
        finally:
            await connection.close()
    finally:
        await engine.dispose()


async def _lock(connection: AsyncConnection) -> None:
    """Nobody starts, moves or ends a saga until the end; on SQLite the file is locked."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
        await connection.execute(text("LOCK TABLE meta, saga, wakeup, recovering, sweep IN EXCLUSIVE MODE"))


# --- looking --------------------------------------------------------------------------------------


async def _survey(connection: AsyncConnection) -> Survey:
    with translated():
        now_us = await _now_us(connection)
        seen_at = (await _control(connection, _LIFE[0])).get(_LIFE[1], "")
        seen_s = (now_us - int(seen_at)) / 1e6 if seen_at.isdecimal() else None
        return Survey(
            incarnation=await _incarnation(connection),
            open_sagas=await _count(connection, schema.wakeup),
            orphans=await _count(connection, schema.orphan_reply),
            seen_s=seen_s,
            alive=tuple([sign async for sign in _signs_of_life(connection, now_us, seen_s)]),
        )


async def _signs_of_life(connection: AsyncConnection, now_us: int, seen_s: float | None) -> AsyncIterator[str]:
    if serving := await coordinators_connected(connection):
        yield f"coordinators are connected to the database ({serving} connections)"
    t = schema.instance
    given = ~t.c.name.startswith(MADE_NAME)  # of the others their connections and their work tell
    young = select(t.c.name, t.c.seen_at).where(t.c.seen_at > now_us - ALIVE_S * 1_000_000, given)
    for name, at in await connection.execute(young):
        yield f"coordinator {name} was seen {(now_us - at) / 1e6:.0f} s ago{_MAYBE}"
    if seen_s is not None and seen_s < ALIVE_S:
        yield f"a coordinator was at work {seen_s:.0f} s ago{_MAYBE}"


_MAYBE: Final = f" (a row of a backup that is this young says so for {ALIVE_S} s)"


async def _now_us(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(database_clock()))).scalar_one())


async def _incarnation(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(schema.meta.c.incarnation))).scalar_one())


async def _count(connection: AsyncConnection, table: Any) -> int:
    return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def _control(connection: AsyncConnection, scope: str, tenant: str | None = None) -> dict[str, str]:
    t = schema.control
    query = select(t.c.name, t.c.value).where(t.c.scope == scope)
    rows = await connection.execute(query if tenant is None else query.where(t.c.tenant == tenant))
    return {row[0]: row[1] for row in rows}


# --- recovering -----------------------------------------------------------------------------------


async def _recover(connection: AsyncConnection, found: Survey, sagas_per_s: float) -> Recovered:
    now_us = await _now_us(connection)
    incarnation = max(found.incarnation + 1, (now_us - EPOCH_US) // 1_000_000)
    gap_us = int(1_000_000 / sagas_per_s)
    w, s = schema.wakeup, schema.saga
    await connection.execute(update(schema.meta).values(incarnation=incarnation))
    await connection.execute(delete(schema.recovering))
    await connection.execute(insert(schema.recovering).from_select(["saga_id", "waits_for"], _open_sagas()))
    turn = select(w.c.saga_id, (func.row_number().over(order_by=w.c.saga_id) - 1).label("turn")).subquery()
    due_at = literal(now_us, Number) + turn.c.turn * literal(gap_us, Number)
    await connection.execute(update(w).values(due_at=due_at).where(w.c.saga_id == turn.c.saga_id))
    await connection.execute(update(s).values(wake_at=w.c.due_at).where(w.c.saga_id == s.c.id))
    return Recovered(
        incarnation=incarnation,
        before=found.incarnation,
        open_sagas=found.open_sagas,
        asked_within_s=found.open_sagas * gap_us / 1e6,
    )


def _open_sagas() -> Select[tuple[Any, ...]]:
    """Every open saga has a wake-up."""
    return select(schema.wakeup.c.saga_id, literal(""))


async def _ask_for_rows(connection: AsyncConnection, tenant: str, participant: str | None) -> None:
    """Participants are swept from their beginning. What a restored one had undone may stand
    again."""
    s, e = sweep.c, lost_effect.c
    if participant is None:
        await connection.execute(delete(sweep).where(s.tenant == tenant))
        return
    await connection.execute(delete(sweep).where(s.tenant == tenant, s.participant == participant))
    undone = (e.tenant == tenant, e.participant == participant, e.status == UNDONE)
    await connection.execute(delete(lost_effect).where(*undone))


async def _note(connection: AsyncConnection, done: Recovered, tenant: str, who: str, why: str, participant: str | None) -> None:
    values = {recovering.INCARNATION: str(done.incarnation), recovering.SAGAS: str(done.open_sagas)}
    rows = [
        {"scope": recovering.SCOPE, "tenant": tenant, "name": name, "value": value, "who": who, "why": why}
        for name, value in values.items()
    ]
    await connection.execute(noting(connection.dialect.name), rows)
    act = "recover" if participant is None else f"recover participant {participant}"
    audited = {"tenant": tenant, "act": act, "target": f"incarnation {done.incarnation}", "who": who, "why": why}
    await connection.execute(insert(schema.audit).values(**audited, at=await _now_us(connection)))
