"""The producer: idempotent, acks=all, every record of a call in flight at once, every wait with a
time limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
    UnknownTopicOrPartitionError,
    UnsupportedForMessageFormatError,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from saga_messaging.broker import BrokerError, Outgoing, RecordRefused
from saga_messaging.kafka.connection import CLIENT_ERRORS, bounded, one_line
from saga_messaging.kafka.refusal import unreached
from saga_messaging.kafka.stand_in_pace import written
from saga_messaging.settings import KafkaSettings

BATCH_BYTES = 262_144  # a produced batch, well under the brokers' usual limit of 1 MiB
BATCH_OVERHEAD_BYTES = 70  # of the batch around a single record
ABANDON_S = 0.5  # for each of the two steps of closing a producer that has failed
TOPIC_WAIT_S = 0.5  # how long a send waits for a topic this producer has not seen
TOLD_ENOUGH = 2  # of the broker's words about topics the first may answer an older question
_log = logging.getLogger(__name__)
_REFUSALS = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    InvalidTopicError,
    InvalidTimestampError,
    PolicyViolationError,
    UnsupportedForMessageFormatError,
    CorruptRecordException,
    UnknownError,  # what aiokafka makes of INVALID_RECORD: no key for a compacted topic, say
)
_OF_THE_TOPIC = (TopicAuthorizationFailedError, InvalidTopicError)
"""These are said of every record of the topic: none would fare better by itself."""


_Sent = tuple[list[int], asyncio.Future[Any]]
"""Which records went into a batch, and what tells of its acknowledgement."""


class _RefusedInCompany(RecordRefused):
    """Any record of the batch may be the cause."""


class KafkaProducer:
    """One idempotent producer. Records of one call go out as few large batches a partition, in
    order."""

    def __init__(self, options: Mapping[str, Any], settings: KafkaSettings) -> None:
        self._limit_bytes = settings.max_message_bytes
        self._start_s = settings.request_timeout_ms / 1000
        self._settings = settings
        self._options = {**options, "enable_idempotence": True, "acks": "all", "max_batch_size": BATCH_BYTES}
        self._client: Any = None
        self._usable = True
        self._told = 0
        """How often the broker has told which topics there are."""
        self._missing_until_s: dict[str, float] = {}
        self._turns: dict[KafkaPartition, asyncio.Lock] = {}
        self._latest: dict[KafkaPartition, asyncio.Future[Any]] = {}

    @property
    def usable(self) -> bool:
        return self._usable

    async def start(self) -> None:
        self._client = AIOKafkaProducer(**self._options)
        self._client.client.cluster.add_listener(self._note_told)
        try:
            async with asyncio.timeout(self._start_s):
                await self._client.start()
        except BaseException as error:
            await self.stop()
            if isinstance(error, CLIENT_ERRORS):
                raise await unreached(f"the producer did not start: {one_line(error)}", self._options) from error
            raise

    async def stop(self) -> None:
        """Closes the client; what is not acknowledged is given up.

        The owner was told of it, and a fresh producer may be sending it already.
        """
        usable, self._usable = self._usable, False
        client, self._client = self._client, None
        if client is None or (usable and await bounded(client.stop())):
            return
        # An idempotent producer would flush for ever towards a broker that is away. Connections
        # first: that ends the requests which the sender, told to end, would wait for; the records
        # last, when nothing can take them up again.
        client._closed = True
        await bounded(client.client.close(), ABANDON_S)
        await bounded(client._sender.close(), ABANDON_S)
        _give_up(client._message_accumulator)

    async def send_all(self, records: Sequence[Outgoing], *, timeout_s: float) -> list[BrokerError | None]:
        results: list[BrokerError | None] = [BrokerError(f"not acknowledged within {timeout_s:g} s")] * len(records)
        by_topic: dict[str, list[int]] = {}
        for index, record in enumerate(records):
            if self._too_large(record):
                results[index] = RecordRefused(f"larger than {self._limit_bytes} bytes")
            else:
                by_topic.setdefault(record.topic, []).append(index)
        sends = [self._send_topic(topic, indexes, records, results) for topic, indexes in by_topic.items()]
        try:
            async with asyncio.timeout(timeout_s):
                await _all(sends)
        except TimeoutError:
            self._usable = False
        if self._settings.stand_in:
            written(by_topic)
        company = [index for index, result in enumerate(results) if isinstance(result, _RefusedInCompany)]
        if company:
            await self._send_singly(company, records, results, timeout_s)
        return results

    async def _send_singly(
        self, indexes: list[int], records: Sequence[Outgoing], results: list[BrokerError | None], timeout_s: float
    ) -> None:
        """By producers of their own: after a refusal the sequence of this one has a gap."""
        for index in indexes:
            results[index] = BrokerError("refused with others, and not sent by itself in time")
        fresh: KafkaProducer | None = None
        try:
            async with asyncio.timeout(timeout_s):
                for index in indexes:
                    if fresh is None or not fresh.usable:
                        fresh = await self._replaced(fresh)
                    (results[index],) = await fresh.send_all((records[index],), timeout_s=timeout_s)
                    if results[index] is not None and not isinstance(results[index], RecordRefused):
                        break  # the broker is away
        except (TimeoutError, BrokerError) as error:
            _log.info("records refused together could not all be sent singly: %s", one_line(error))
        finally:
            if fresh is not None:
                await fresh.stop()

    async def _replaced(self, stale: KafkaProducer | None) -> KafkaProducer:
        if stale is not None:
            await stale.stop()
        fresh = KafkaProducer(self._options, self._settings)
        await fresh.start()
        return fresh

    def _too_large(self, record: Outgoing) -> bool:
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, list(record.headers))
        return bool(size + BATCH_OVERHEAD_BYTES > self._limit_bytes)

    async def _send_topic(
        self, topic: str, indexes: list[int], records: Sequence[Outgoing], results: list[BrokerError | None]
    ) -> None:
        try:
            numbers = await self._partitions(topic)
        except CLIENT_ERRORS as error:
            for index in indexes:
                results[index] = RecordRefused(f"topic {topic}: {one_line(error)}")
            return
        by_partition: dict[int, list[int]] = {}
        for index in indexes:
            chosen = records[index].partition_among(numbers, index)
            if records[index].partition is not None and chosen not in numbers:
                results[index] = RecordRefused(f"topic {topic} has no partition {chosen}")
                continue
            by_partition.setdefault(chosen, []).append(index)
        sent: list[_Sent] = []
        busy: list[tuple[KafkaPartition, list[int]]] = []
        for chosen, mine in by_partition.items():
            partition = KafkaPartition(topic, chosen)
            if self._is_free(partition):  # handing over does not wait: no task for that
                await self._hand_over(partition, mine, records, results, sent)
            else:
                busy.append((partition, mine))
        waits = [self._send_partition(partition, mine, records, results) for partition, mine in busy]
        await _all([self._acknowledged(sent, results), *waits])

    async def _partitions(self, topic: str) -> list[int]:
        """The partitions of a topic, in order.

        A topic that nobody has made must not hold up the others for long: one that was just found
        missing is not waited for. It is not missing because the broker is slow to speak of it.
        """
        now_s = asyncio.get_running_loop().time()
        if self._missing_until_s.get(topic, now_s) > now_s:
            raise UnknownTopicOrPartitionError(topic)
        while True:
            heard = self._told
            try:
                async with asyncio.timeout(TOPIC_WAIT_S):
                    numbers = sorted(await self._client.partitions_for(topic))
            except TimeoutError:
                if self._told - heard < TOLD_ENOUGH:
                    continue  # until the time of the whole call is over
                self._missing_until_s[topic] = asyncio.get_running_loop().time() + TOPIC_WAIT_S
                raise UnknownTopicOrPartitionError(topic) from None
            self._missing_until_s.pop(topic, None)
            return numbers

    def _note_told(self, _: object) -> None:
        self._told += 1

    def _is_free(self, partition: KafkaPartition) -> bool:
        """No call waits for its turn, and no batch waits to be sent."""
        turn, latest = self._turns.get(partition), self._latest.get(partition)
        return (turn is None or not turn.locked()) and (latest is None or latest.done())

    async def _send_partition(
        self, partition: KafkaPartition, indexes: list[int], records: Sequence[Outgoing], results: list[BrokerError | None]
    ) -> None:
        sent: list[_Sent] = []
        await self._hand_over(partition, indexes, records, results, sent)
        await self._acknowledged(sent, results)

    async def _hand_over(
        self,
        partition: KafkaPartition,
        indexes: list[int],
        records: Sequence[Outgoing],
        results: list[BrokerError | None],
        sent: list[_Sent],
    ) -> None:
        async with self._turns.setdefault(partition, asyncio.Lock()):  # fair: calls keep their order
            rest = indexes
            while rest:
                batch = self._client.create_batch()
                filled = 0
                while filled < len(rest) and _append(batch, records[rest[filled]]):
                    filled += 1
                taken, rest = rest[:filled], rest[filled:]
                try:
                    future = await self._client.send_batch(batch, partition.topic, partition=partition.partition)
                except (*CLIENT_ERRORS, AssertionError) as error:  # AssertionError: the topic went away between two lines
                    self._failed([*taken, *rest], error, results)
                    break
                future.add_done_callback(_look_at)
                self._latest[partition] = future
                sent.append((taken, future))

    async def _acknowledged(self, sent: list[_Sent], results: list[BrokerError | None]) -> None:
        for taken, future in sent:
            if not future.done():
                await asyncio.wait((future,))  # not awaited itself: cancelling us must not cancel it
            failure = future.exception()
            if failure is not None:
                self._failed(taken, failure, results)
                continue
            for index in taken:
                results[index] = None

    def _failed(self, indexes: list[int], error: BaseException, results: list[BrokerError | None]) -> None:
        """After a refusal by the broker the sequence has a gap: this producer cannot go on."""
        self._usable = False
        alone = len(indexes) == 1 or isinstance(error, _OF_THE_TOPIC)
        for index in indexes:
            if isinstance(error, _REFUSALS):
                results[index] = (RecordRefused if alone else _RefusedInCompany)(one_line(error))
            else:
                results[index] = BrokerError(one_line(error))


async def _all(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Side by side; a single one without a task of its own."""
    if len(coroutines) == 1:
        await coroutines[0]
    else:
        await asyncio.gather(*coroutines)


def _give_up(accumulator: Any) -> None:
    """Fails what is left.

    aiokafka, left to itself, logs a stack trace for each batch that was to be sent again: it is no
    longer among the pending ones, and is taken out of them. It does so too for each batch that was
    never sent, for nobody waits for it to be drained.
    """
    left = [batch for batches in accumulator._batches.values() for batch in batches]
    accumulator._pending_batches.update(left)
    accumulator.fail_all(KafkaError("the producer was closed"))
    for batch in left:
        _look_at(batch._drain_waiter)


def _append(batch: Any, record: Outgoing) -> bool:
    headers = list(record.headers)
    return batch.append(timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=headers) is not None


def _look_at(future: asyncio.Future[Any]) -> None:
    """Looks at the outcome of a batch that nobody waits for any more.

    Its failure would otherwise be logged as one that was never seen.
    """
    if future.done() and not future.cancelled():
        future.exception()
