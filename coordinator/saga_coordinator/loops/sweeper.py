"""The sweeper: messages that the hot path dropped, or that a dead process never sent, are sent
again.

The message is made again from the stored journal. Each shard has one owner at a time, by an
advisory lock; the lock saves work, and nothing depends on it. The sweeper reads rows that are older
than the dispatch window and a margin. It reads from the beginning of the shard each time, never
after a high-water mark, so that a row whose transaction committed late is not skipped. No
transaction is open while it sends. A record that the broker refuses waits alone, each time longer,
and blocks no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from saga_coordinator.batch.refusals import Refusals
from saga_coordinator.engine.encoding import UnreadableState, decode_facts
from saga_coordinator.failures import KeyedBackoff, one_line, read_apart
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.sagas.messages import Outbound, SagaIdentity
from saga_coordinator.store.port import BadRow, JournalRow, OutboxRow, SagaRow, Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about_record, about_row
from saga_messaging.broker import Broker, BrokerError, Outgoing, Producer, RecordRefused
from saga_messaging.clock import Clock

OLDER_THAN_US = 7_000_000
"""The Sender's dispatch window (5 s) and a margin."""
BATCH_ROWS = 500
SEND_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owed:
    """An outbox row, and the message it points at; None: it cannot be read."""

    row: OutboxRow
    record: Outgoing | None
    about: Mapping[str, str]
    """For the log."""


class Sweeper:
    """Owns outbox rows that are older than the dispatch window."""

    def __init__(
        self,
        *,
        store: Store,
        lookout: Lookout,
        broker: Broker,
        definitions: DefinitionCache,
        outbound: Outbound,
        clock: Clock,
        instruments: Instruments,
        refusals: Refusals,
    ) -> None:
        self._store = store
        self._looks = lookout.looks()
        self._broker = broker
        self._definitions = definitions
        self._outbound = outbound
        self._clock = clock
        self._instruments = instruments
        self._refusals = refusals
        self._producer: Producer | None = None
        self._backoff: KeyedBackoff[UUID] = KeyedBackoff()
        self._log = structlog.get_logger("sweeper")

    async def run(self) -> None:
        try:
            while True:
                await self._sweep_all()
                self._instruments.held(len(self._backoff))
        finally:
            await self._drop_producer()

    async def _sweep_all(self) -> None:
        """One round. A store or a broker that is away for one shard is away for all: the rest waits
        for the next round.
        """
        try:
            look = await self._looks.next()
            shards = await self._store.outbox_shards(look.now_us - OLDER_THAN_US) if look.outbox else []
            swept = [await self._sweep_safely(shard) for shard in shards]
            if all(swept):
                self._instruments.loops.went("sweeper")
        except (StoreError, BrokerError, TimeoutError) as error:
            self._instruments.loops.failed("sweeper", error)
            self._log.warning("sweep_delayed", error=one_line(error))
            await self._drop_producer()

    async def _sweep_safely(self, shard: int) -> bool:
        """Sweep a shard. A bug ends neither the process nor the other shards: it is logged, and the
        rows stay.
        """
        try:
            await self.sweep(shard)
            return True
        except (StoreError, BrokerError, TimeoutError):
            raise
        except Exception as error:
            self._log.error("sweep_failed", shard=shard, exc_info=error)
            self._instruments.loop_failed("sweeper")
            self._instruments.loops.failed("sweeper", error)
            return False

    async def sweep(self, shard: int) -> int:
        """Send what is due in this shard; returns how many rows were published."""
        before_us = await self._store.now_us() - OLDER_THAN_US
        rows = self._not_held(await self._store.outbox_older_than(shard, before_us, BATCH_ROWS + len(self._backoff)))
        if not rows:
            return 0
        async with self._store.shard_lock(shard) as mine:
            if not mine:
                return 0
            return await self._publish(shard, rows)

    def _not_held(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        ready = set(self._backoff.ready([row.id for row in rows], self._clock.monotonic_s()))
        return [row for row in rows if row.id in ready]

    async def _publish(self, shard: int, rows: list[OutboxRow]) -> int:
        owed = [(each, each.record) for each in await self._owed(rows) if each.record is not None]
        if not owed:
            return 0
        producer = await self._the_producer()
        errors = await producer.send_all([record for _, record in owed], timeout_s=SEND_TIMEOUT_S)
        sent = [each.row for (each, _), error in zip(owed, errors, strict=True) if error is None]
        for (each, _), error in zip(owed, errors, strict=True):
            if isinstance(error, RecordRefused):  # other trouble is the broker's: again next round
                self._hold(each, str(error))
        if sent:
            async with self._store.transaction() as tx:
                await tx.delete_outbox([(shard, row.id) for row in sent])
            self._instruments.swept(len(sent))
            for row in sent:
                self._backoff.succeeded(row.id)
        if not producer.usable:
            await self._drop_producer()
        return len(sent)

    def _hold(self, owed: _Owed, error: str) -> None:
        self._refusals.note(owed.row.id, error)
        pause_s = self._backoff.failed(owed.row.id, self._clock.monotonic_s())
        self._log.warning("publish_held", **owed.about, version=owed.row.version, error=error, retry_in_s=pause_s)

    async def _owed(self, rows: Sequence[OutboxRow]) -> list[_Owed]:
        found = await read_apart(rows, self._read_all, self._bad)
        for owed in found:
            if owed.record is None:
                # It must not stand before the others in each round.
                self._hold(owed, "it cannot be read: see the log")
        return found

    async def _read_all(self, rows: Sequence[OutboxRow]) -> list[_Owed]:
        """Read what the rows point at, together."""
        records = await self._store.journal_facts({(row.saga_id, row.version) for row in rows})
        sagas = await self._store.sagas({row.saga_id for row in rows})
        return [await self._read(row, sagas.get(row.saga_id), records.get((row.saga_id, row.version))) for row in rows]

    def _bad(self, row: OutboxRow, bad: BadRow) -> list[_Owed]:
        known = {"saga": str(row.saga_id)}
        self._log.error("outbox_row_unreadable", **known, version=row.version, ord=row.ord, error=str(bad))
        return [_Owed(row=row, record=None, about=known)]

    async def _read(self, row: OutboxRow, saga: SagaRow | None, record: JournalRow | None) -> _Owed:
        known = {"saga": str(row.saga_id)} if saga is None else about_row(saga)
        if saga is None or record is None:
            self._log.error("outbox_points_nowhere", **known, version=row.version, ord=row.ord)
            return _Owed(row=row, record=None, about=known)
        try:
            identity = await self._identity(saga)
            fact = decode_facts(record.facts)[row.ord]
            message = self._outbound.message(identity, fact, version=row.version, ord=row.ord, at_us=record.at_us)
        except (DefinitionMissing, UnreadableState, BadRow) as error:
            self._log.error("outbox_row_unreadable", **known, version=row.version, ord=row.ord, error=str(error))
            return _Owed(row=row, record=None, about=known)
        except (StoreError, BrokerError, TimeoutError):
            raise
        except Exception as error:  # a bug is that row's alone
            self._log.error("outbox_row_unreadable", **known, version=row.version, ord=row.ord, exc_info=error)
            self._instruments.loop_failed("sweeper")
            return _Owed(row=row, record=None, about=known)
        return _Owed(row=row, record=message, about=about_record(message, identity.definition))

    async def _identity(self, saga: SagaRow) -> SagaIdentity:
        compiled = await self._definitions.get(saga.definition_id)
        return SagaIdentity.of(saga, compiled.definition)

    async def _the_producer(self) -> Producer:
        if self._producer is None:
            producer = self._broker.producer()
            await producer.start()
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
