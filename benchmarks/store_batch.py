"""What a batch costs in the store: microseconds a saga, for batches of updates as the reply loop writes them.

    python benchmarks/store_batch.py --postgres postgresql+asyncpg://… [--batch 50] [--batches 40]

Each batch locks its sagas, moves each on by two versions (two journal records and one outbox row), moves one position and deletes the
outbox rows of the batch before: what the coordinator does for one poll, without deciding anything. Without --postgres a server of its
own is started. CPU is this process's; PostgreSQL's comes on top.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from saga_cli.dev.postgres import PostgresService
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Advance, JournalRow, OutboxRow, SagaRow, SagaWrite, Store, shard_of
from saga_schemas.ids import uuid7

STATE = b"s" * 600
FACTS = b"f" * 300
LATER = 4_000_000_000_000_000


def new_id() -> UUID:
    return uuid7(time.time_ns() // 1000, secrets.token_bytes(10))


def journal_of(saga: UUID, versions: range) -> tuple[JournalRow, ...]:
    return tuple(JournalRow(saga_id=saga, version=n, at=0, kind="reply", engine_rev=1, format=1, facts=FACTS) for n in versions)


def outbox_of(saga: UUID, version: int) -> tuple[OutboxRow, ...]:
    return (OutboxRow(id=new_id(), shard=shard_of(saga), saga_id=saga, version=version, ord=0),)


def started(definition: int) -> SagaWrite:
    row = SagaRow(
        id=new_id(),
        tenant="default",
        definition_id=definition,
        version=1,
        phase="RUNNING",
        engine_rev=1,
        state_format=1,
        incarnation=1,
        state=STATE,
        business_key=None,
        wake_at=LATER,
        trace_id="0" * 31 + "1",
        parent_span=None,
        trace_flags=0,
        tracestate=None,
        baggage=None,
        max_expiry=0,
        started_at=0,
        closed_at=None,
    )
    return SagaWrite(expected_version=None, row=row, journal=journal_of(row.id, range(1, 2)), outbox=outbox_of(row.id, 1))


def moved(row: SagaRow, *, end: bool) -> SagaWrite:
    after = replace(row, version=row.version + 2, state=STATE)
    if end:
        after = replace(after, phase="COMPLETED", wake_at=None, closed_at=1)
    return SagaWrite(
        expected_version=row.version,
        row=after,
        journal=journal_of(row.id, range(row.version + 1, row.version + 3)),
        outbox=outbox_of(row.id, row.version + 2),
        rewake=end,
        relist=end,
    )


def acknowledged(writes: Sequence[SagaWrite]) -> list[tuple[int, UUID]]:
    return [(row.shard, row.id) for write in writes for row in write.outbox]


async def start_batch(store: Store, definition: int, size: int) -> list[SagaWrite]:
    writes = [started(definition) for _ in range(size)]
    async with store.transaction() as transaction:
        await transaction.save(writes)
    return writes


async def measure(store: Store, size: int, batches: int) -> None:
    async with store.transaction() as transaction:
        definition = await transaction.add_definition(
            hash="h", tenant="default", name="order", version=1, document=b"{}", reader_schemas={}, now=0
        )
    assert definition is not None
    offset, sent = 0, list[SagaWrite]()
    spent, cpu = 0.0, 0.0
    moves = 3
    for _ in range(batches):
        sent += await start_batch(store, definition.id, size)
        ids = [write.row.id for write in sent[-size:]]
        for move in range(moves):
            began, used = time.perf_counter(), _cpu_s()
            async with store.transaction(locks_first=True) as transaction:
                await transaction.delete_outbox(acknowledged(sent))
                rows = await transaction.lock_sagas(ids, wait=False)
                sent = [moved(row, end=move == moves - 1) for row in rows.values()]
                await transaction.save(sent)
                step = Advance(topic="replies", partition=0, from_offset=offset, next_offset=offset + size, last_print=b"p")
                assert await transaction.advance([step])
            offset += size
            spent += time.perf_counter() - began
            cpu += _cpu_s() - used
    count = batches * moves
    print(
        f"{store.dialect:10}  batches of {size:3}: {spent / count * 1e6:7.0f} us a batch,"
        f" {spent / count / size * 1e6:6.1f} us a saga (CPU here {cpu / count / size * 1e6:6.1f})"
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(url: str, size: int, batches: int) -> None:
    store = open_store(url)
    await store.upgrade()
    await store.start()
    try:
        await measure(store, size, batches)
    finally:
        await store.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", help="URL of an empty database")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--batches", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(f"sqlite+aiosqlite:///{folder}/batch.sqlite", options.batch, options.batches))
    if options.postgres:
        asyncio.run(run(options.postgres, options.batch, options.batches))
        return
    with PostgresService() as postgres:
        asyncio.run(run(postgres.create_database("batch"), options.batch, options.batches))


if __name__ == "__main__":
    main()
