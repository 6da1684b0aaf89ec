"""Where a new store begins to read: it must start no saga of Kafka's past again.

A store is new until it is bound to its Kafka cluster, when a coordinator first reaches both. In
that transaction it remembers the end of every partition of `saga.start`, and when it was made. A
topic or partition that comes later is read from its beginning. The stand-in for Kafka has no past,
and no store is ever bound to it.
"""

from __future__ import annotations

from typing import Final

import structlog

from saga_coordinator.inbound.partition_reader import fingerprint
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import Advance, Store, Transaction
from saga_messaging.broker import Broker, Consumer, TopicPartition
from saga_schemas.topics import Topics

SCOPE: Final = "store"
MADE_AT: Final = "made_at"
STARTS: Final = "starts"
AT_END: Final = "end"
AT_BEGINNING: Final = "beginning"
_WHO: Final = "saga serve"


class Origin:
    """The origin of one store, on one broker."""

    def __init__(self, store: Store, broker: Broker, settings: Settings) -> None:
        self._store = store
        self._broker = broker
        self._start_topic = Topics(settings.kafka.topic_prefix).start
        self._group = settings.kafka.topic_prefix + settings.start_group
        self._tenant = settings.tenant
        self._log = structlog.get_logger("origins")

    async def bind(self, kafka_cluster_id: str, *, from_beginning: bool) -> None:
        """Bind a new store to this cluster. Whoever comes second finds it bound.

        Raises:
            BrokerError: The broker is away.
            StoreError: The store is away.
        """
        ends, left = await self._ends()
        if from_beginning:
            ends, left = [], 0
        async with self._store.transaction() as tx:
            if not await tx.bind_to_kafka(kafka_cluster_id):
                return
            await tx.advance(ends)
            await self._note(tx, MADE_AT, str(tx.now_us), "what is older belongs to an earlier store")
            await self._note(tx, STARTS, AT_BEGINNING if from_beginning else AT_END, "where saga.start was first read")
        if left:
            self._log.warning(
                "old_starts_left", records=left, advice="they are older than this store; --starts-from-beginning reads them"
            )
        else:
            self._log.info("store_bound", starts=AT_BEGINNING if from_beginning else AT_END)

    async def rewind(self) -> None:
        """Read `saga.start` from its beginning, once, on a store that began at the end.

        This is `--starts-from-beginning`. What was started already is found by its request id, and
        not started again.
        """
        if (await self._store.control(SCOPE, self._tenant)).get(STARTS) != AT_END:
            return
        partitions = (await self._broker.partitions([self._start_topic])).get(self._start_topic, frozenset())
        async with self._store.transaction() as tx:
            await tx.advance([self._at(number, 0, restart=True) for number in sorted(partitions)])
            await self._note(tx, STARTS, AT_BEGINNING, "--starts-from-beginning")
        self._log.warning("starts_read_again", partitions=len(partitions))

    async def made_at_us(self) -> int | None:
        """When this store was bound, in microseconds by the database's clock.

        None when the store is older than this row, or when somebody has written something else into
        it.
        """
        value = (await self._store.control(SCOPE, self._tenant)).get(MADE_AT, "")
        return int(value) if value.isascii() and value.isdecimal() else None

    async def _ends(self) -> tuple[list[Advance], int]:
        """The position at the end of each partition, and how many offsets lie before those ends."""
        partitions = (await self._broker.partitions([self._start_topic])).get(self._start_topic, frozenset())
        wanted = [TopicPartition(self._start_topic, number) for number in sorted(partitions)]
        consumer = self._broker.consumer(group=self._group)
        try:
            await consumer.start()
            first, ends = await consumer.earliest(wanted), await consumer.end_offsets(wanted)
            held = [at for at in wanted if ends.get(at, 0) > 0]
            # A position that was read of the stand-in says nothing of this topic: overwrite it.
            advances = [
                self._at(at.partition, ends[at], last_print=await _last_print(consumer, at, ends[at]), restart=True)
                for at in held
            ]
        finally:
            await consumer.stop()
        return advances, sum(ends[at] - first.get(at, 0) for at in held)

    def _at(self, partition: int, offset: int, *, last_print: bytes | None = None, restart: bool = False) -> Advance:
        return Advance(
            topic=self._start_topic,
            partition=partition,
            from_offset=offset,
            next_offset=offset,
            last_print=last_print,
            restart=restart,
        )

    async def _note(self, tx: Transaction, name: str, value: str, why: str) -> None:
        await tx.set_control(scope=SCOPE, tenant=self._tenant, name=name, value=value, who=_WHO, why=why)


async def _last_print(consumer: Consumer, at: TopicPartition, end: int) -> bytes | None:
    """The fingerprint by which a topic is known that was deleted and made again.

    None where the end is no record, but a transaction's marker.
    """
    record = await consumer.read_one(at, end - 1)
    return None if record is None else fingerprint(record)
