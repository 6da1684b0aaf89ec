"""What a batch costs the store, and PostgreSQL under it: CPU of this process and of its backends,
statements and WAL.

    python benchmarks/store_batch.py [--postgres postgresql+asyncpg://…] [--replies 18]
        [--starts 10] [--turns 30]

A turn is ten batches of starts as the start loop writes them (claims of request ids and keys,
sagas, position) and twenty of replies as the reply loop does (two journal records and one outbox
row a saga, position, the outbox rows of the batch before deleted), without deciding anything: a
saga ends with its fourth move. CPU is a batch's, the least and the median of the turns. Without
--postgres a server of its own is started.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field, replace
from statistics import median
from uuid import UUID

import asyncpg
from measuring import ran_s

from saga_cli.dev.postgres import PostgresService
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import (
    Advance,
    ClaimFirst,
    JournalRow,
    LockFirst,
    OutboxRow,
    SagaRow,
    SagaWrite,
    StartClaim,
    Store,
    shard_of,
)
from saga_schemas.ids import uuid7

FACTS = b"f" * 300
LATER = 4_000_000_000_000_000
LAST_VERSION = 9
BATCHES = 10
"""Measured at once."""
WARM_UP = 3
"""Turns before measuring: connections are made and statements prepared."""


def new_id() -> UUID:
    return uuid7(time.time_ns() // 1000, secrets.token_bytes(10))


def journal_of(saga: UUID, versions: range) -> tuple[JournalRow, ...]:
    return tuple(
        JournalRow(saga_id=saga, version=n, at_us=0, kind="reply", engine_rev=1, format=1, facts=FACTS) for n in versions
    )


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
        state=b"",
        state_version=0,
        facts_print=1,
        business_key=f"order-{secrets.token_hex(8)}",
        wake_at_us=LATER,
        trace_id="0" * 31 + "1",
        parent_span=None,
        trace_flags=0,
        tracestate=None,
        baggage=None,
        max_expiry_us=0,
        started_at_us=0,
        closed_at_us=None,
    )
    return SagaWrite(expected_version=None, row=row, journal=journal_of(row.id, range(1, 2)), outbox=outbox_of(row.id, 1))


def moved(row: SagaRow) -> SagaWrite:
    after = replace(row, version=row.version + 2, facts_print=row.version + 2)
    end = after.version >= LAST_VERSION
    if end:
        after = replace(after, phase="COMPLETED", wake_at_us=None, closed_at_us=1)
    return SagaWrite(
        expected_version=row.version,
        row=after,
        journal=journal_of(row.id, range(row.version + 1, row.version + 3)),
        outbox=outbox_of(row.id, row.version + 2),
        rewake=end,
        relist=end,
    )


def claim_of(row: SagaRow) -> StartClaim:
    return StartClaim(
        saga_id=row.id,
        tenant=row.tenant,
        source="http",
        request_id=secrets.token_hex(16),
        body_hash=b"h" * 32,
        definition_name="order",
        business_key=row.business_key,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction, made ready before anything is measured."""

    topic: str
    from_offset: int
    claims: list[StartClaim]
    known: dict[UUID, SagaRow]
    """The rows of sagas that are there, as they stand before."""
    writes: list[SagaWrite]
    acknowledged: list[tuple[int, UUID]]

    async def carry_out(self, store: Store) -> None:
        """In the order in which loops and committer do it.

        The first batch of a topic locks: its position is not stored yet.
        """
        hopeful = self.from_offset > 0
        locked = LockFirst([write.row.id for write in self.writes], wait=False, known=self.known if hopeful else None)
        claimed = ClaimFirst(self.claims, hopeful=hopeful)
        async with store.transaction(claimed if self.claims else locked) as transaction:
            end = self.from_offset + len(self.writes)
            step = Advance(topic=self.topic, partition=0, from_offset=self.from_offset, next_offset=end, last_print=b"p")
            assert await transaction.save(self.writes, acked=self.acknowledged, advances=[step])


class Work:
    """The sagas that are open, as the store has them once the batches made so far are carried
    out."""

    def __init__(self, definition: int) -> None:
        self._definition = definition
        self.open: deque[SagaRow] = deque()
        self._sent: list[tuple[int, UUID]] = []
        self._offsets: dict[str, int] = {}

    def starts(self, size: int) -> Batch:
        writes = [started(self._definition) for _ in range(size)]
        return self._batch("starts", [claim_of(write.row) for write in writes], [], writes)

    def replies(self, size: int) -> Batch:
        rows = [self.open.popleft() for _ in range(size)]
        return self._batch("replies", [], rows, [moved(row) for row in rows])

    def _batch(self, topic: str, claims: list[StartClaim], rows: list[SagaRow], writes: list[SagaWrite]) -> Batch:
        made = Batch(topic, self._offsets.get(topic, 0), claims, {row.id: row for row in rows}, writes, self._sent)
        self._offsets[topic] = made.from_offset + len(writes)
        self._sent = [(row.shard, row.id) for write in writes for row in write.outbox]
        self.open.extend(write.row for write in writes if write.row.closed_at_us is None)
        return made


class Server:
    """What PostgreSQL says of itself; nothing where there is none."""

    def __init__(self, watcher: asyncpg.Connection[asyncpg.Record] | None) -> None:
        self._watcher = watcher

    async def cpu_s(self) -> float:
        """CPU of the store's backends, by the scheduler's own account."""
        if self._watcher is None:
            return 0.0
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'saga-coordinator'"
        pids = [row[0] for row in await self._watcher.fetch(query)]
        return sum(ran_s(pid) for pid in pids)

    async def wal_bytes(self) -> int:
        if self._watcher is None:
            return 0
        return int(await self._watcher.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


@dataclass(slots=True)
class Cost:
    """One kind of batch, a number a batch."""

    here_us: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)
    wal: list[float] = field(default_factory=list)

    async def of(self, store: Store, server: Server, batches: list[Batch]) -> None:
        wal, there, here = await server.wal_bytes(), await server.cpu_s(), time.process_time()
        for batch in batches:
            await batch.carry_out(store)
        self.here_us.append((time.process_time() - here) / len(batches) * 1e6)
        self.server_us.append((await server.cpu_s() - there) / len(batches) * 1e6)
        self.wal.append((await server.wal_bytes() - wal) / len(batches))

    def line(self, what: str) -> str:
        here, there = (f"{min(us):5.0f} us (median {median(us):5.0f})" for us in (self.here_us, self.server_us))
        return f"{what:23} CPU here {here}, server {there}, WAL {median(self.wal):6.0f}"


async def measure(store: Store, server: Server, options: argparse.Namespace) -> None:
    async with store.transaction() as transaction:
        definition = await transaction.add_definition(
            hash="h", tenant="default", name="order", version=1, document=b"{}", reader_schemas={}, now_us=0
        )
    assert definition is not None
    work = Work(definition.id)
    starts, replies = Cost(), Cost()
    for turn in range(WARM_UP + options.turns):
        if turn == WARM_UP:
            starts, replies = Cost(), Cost()
        await starts.of(store, server, [work.starts(options.starts) for _ in range(BATCHES)])
        await replies.of(store, server, [work.replies(options.replies) for _ in range(BATCHES * 2)])
        while len(work.open) > BATCHES * 2 * options.replies:
            await work.replies(options.replies).carry_out(store)
    print(starts.line(f"{store.dialect}, {options.starts} starts"))
    print(replies.line(f"{store.dialect}, {options.replies} replies"), flush=True)


async def run(url: str, options: argparse.Namespace) -> None:
    store = open_store(url)
    await store.upgrade()
    await store.start()
    watcher = None
    if store.dialect == "postgresql":
        watcher = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await measure(store, Server(watcher), options)
    finally:
        if watcher is not None:
            await watcher.close()
        await store.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", help="URL of an empty database")
    parser.add_argument("--replies", type=int, default=18, help="in a batch")
    parser.add_argument("--starts", type=int, default=10, help="in a batch")
    parser.add_argument("--turns", type=int, default=30)
    options = parser.parse_args()
    if options.postgres:
        asyncio.run(run(options.postgres, options))
        return
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(f"sqlite+aiosqlite:///{folder}/batch.sqlite", options))
    with PostgresService() as postgres:
        asyncio.run(run(postgres.create_database("batch"), options))


if __name__ == "__main__":
    main()
