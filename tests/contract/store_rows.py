"""Rows and short forms for the store's contract suite."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import create_async_engine

from saga_coordinator.store.port import (
    Advance,
    JournalRow,
    OutboxRow,
    SagaRow,
    SagaWrite,
    StartClaim,
    Store,
    shard_of,
)
from saga_schemas.ids import uuid7

LATER = 4_000_000_000_000_000
"""A due time that does not come while a test runs."""


def new_id() -> UUID:
    return uuid7(time.time_ns() // 1000, secrets.token_bytes(10))


async def register(store: Store, name: str = "order", version: int = 1, tenant: str = "default") -> int:
    """A registered definition's id."""
    async with store.transaction() as transaction:
        row = await transaction.add_definition(
            hash=f"hash of {tenant}/{name}/{version}",
            tenant=tenant,
            name=name,
            version=version,
            document=b"{}",
            reader_schemas={"shop.Reserved": 7},
            now_us=transaction.now_us,
        )
    assert row is not None
    return row.id


def journal(saga: UUID, *versions: int) -> tuple[JournalRow, ...]:
    return tuple(
        JournalRow(saga_id=saga, version=n, at_us=n, kind="reply", engine_rev=1, format=1, facts=b"facts %d" % n)
        for n in versions
    )


def outbox(saga: UUID, version: int, *, id: UUID | None = None) -> OutboxRow:
    return OutboxRow(id=id or new_id(), shard=shard_of(saga), saga_id=saga, version=version, ord=0)


def row_of(definition: int, **changed: Any) -> SagaRow:
    row = SagaRow(
        id=new_id(),
        tenant="default",
        definition_id=definition,
        version=1,
        phase="RUNNING",
        engine_rev=1,
        state_format=1,
        incarnation=1,
        state=b"state 1",
        state_version=1,
        facts_print=-1,
        business_key=None,
        wake_at_us=LATER,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        parent_span="00f067aa0ba902b7",
        trace_flags=1,
        tracestate="vendor=1",
        baggage=None,
        max_expiry_us=17,
        started_at_us=1,
        closed_at_us=None,
    )
    return replace(row, **changed)


def start_of(row: SagaRow, **more: Any) -> SagaWrite:
    return SagaWrite(expected_version=None, row=row, journal=journal(row.id, *range(1, row.version + 1)), **more)


def move(row: SagaRow, by: int = 1, *, more: dict[str, Any] | None = None, **changed: Any) -> SagaWrite:
    """The write that moves a locked saga on.

    A changed wake-up time is written, a changed phase listed.
    """
    version = row.version + by
    stated = {"state": b"state %d" % version, "state_version": version}
    after = replace(row, version=version, facts_print=-version, **{**stated, **changed})
    return SagaWrite(
        expected_version=row.version,
        row=after,
        journal=journal(row.id, *range(row.version + 1, after.version + 1)),
        rewake="wake_at_us" in changed,
        relist="phase" in changed,
        **(more or {}),
    )


def end(row: SagaRow, phase: str = "COMPLETED", **more: Any) -> SagaWrite:
    return move(row, phase=phase, wake_at_us=None, closed_at_us=row.started_at_us + 1, more=more)


async def start(store: Store, *rows: SagaRow) -> None:
    async with store.transaction() as transaction:
        await transaction.save([start_of(row) for row in rows])


async def apply(store: Store, *ids: UUID, **changed: Any) -> None:
    """Lock these sagas and move each on by one."""
    async with store.transaction() as transaction:
        locked = await transaction.lock_sagas(ids, wait=True)
        await transaction.save([move(row, **changed) for row in locked.values()])


async def save(store: Store, *writes: SagaWrite) -> None:
    """Lock the sagas of these writes, whatever their versions now are, and save."""
    async with store.transaction() as transaction:
        await transaction.lock_sagas([write.row.id for write in writes], wait=False)
        await transaction.save(writes)


def claim(
    request: str, key: str | None = None, *, saga: UUID | None = None, definition: str = "order", body: bytes = b"hash"
) -> StartClaim:
    return StartClaim(
        saga_id=saga or new_id(),
        tenant="default",
        source="http",
        request_id=request,
        body_hash=body,
        definition_name=definition,
        business_key=key,
    )


def step_to(
    next_offset: int, *, after: int, partition: int = 0, topic: str = "saga.reply.order", restart: bool = False
) -> Advance:
    return Advance(
        topic=topic,
        partition=partition,
        from_offset=after,
        next_offset=next_offset,
        last_print=b"print %d" % next_offset,
        restart=restart,
    )


async def by_hand(url: str, *statements: str) -> list[Any]:
    """SQL behind the store's back; the rows of the last statement."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            rows: list[Any] = []
            for statement in statements:
                result = await connection.exec_driver_sql(statement)
                rows = list(result) if result.returns_rows else []
            return rows
    finally:
        await engine.dispose()
