"""The consumer: a group member on a real cluster; without a group, and on the stand-in, a reader of
all partitions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError

from saga_messaging.broker import BrokerError, PositionLost, Record, TopicPartition
from saga_messaging.kafka.administration import Administration
from saga_messaging.kafka.aside import Aside, Offset
from saga_messaging.kafka.connection import CLIENT_ERRORS, kafka_partition, one_line, stop_consumer
from saga_messaging.kafka.fetch_guard import FetchGuard
from saga_messaging.kafka.refusal import unreached
from saga_messaging.kafka.stand_in_pace import StandInPace
from saga_messaging.positions import Positions
from saga_messaging.settings import KafkaSettings

FETCH_MAX_WAIT_MS = 500  # a record ends the wait at once; without one every ask costs the broker and us
STAND_IN_FETCH_MAX_WAIT_MS = 1  # the mock cluster never wakes a waiting fetch: see stand_in_pace.py
PARTITION_FETCH_BYTES = 262_144  # what may wait of each partition; a batch that is larger comes alone, and whole
FETCH_BYTES = 4_194_304  # one answer, of all partitions
POLL_GRACE_S = 0.05  # added to a poll's limit: while a group rejoins, aiokafka keeps none
FULL_POLL = 100  # records: a poll with fewer was small, so nothing is fetched ahead for the next one


class KafkaConsumer:
    """One consumer. What is ours and where it is read from stands in `Positions`, kept true by the
    rebalance listener.

    aiokafka fetches ahead as soon as a poll has taken what there was. That fetch is answered with
    the first record that arrives while the owner is still at work, and the next poll finds this one
    record instead of all that came meanwhile: every second batch is tiny. So after a small poll the
    partitions are held until the next poll asks; after a full one fetching ahead is what a backlog
    needs.
    """

    def __init__(
        self,
        cluster: Administration,
        aside: Aside,
        options: Mapping[str, Any],
        settings: KafkaSettings,
        group: str | None,
        instance: str | None,
    ) -> None:
        self._cluster = cluster
        self._aside = aside
        self._stand_in = settings.stand_in
        self._alone = settings.stand_in or group is None
        self._timeout_s = settings.request_timeout_ms / 1000
        self._options = {**options, **_consumer_options(settings, group, instance)}
        self._client: Any = None
        self._guard: FetchGuard
        self._topics: frozenset[str] = frozenset()
        self._positions = Positions()
        self._held: frozenset[TopicPartition] = frozenset()

    async def start(self) -> None:
        self._client = AIOKafkaConsumer(**self._options)
        self._guard = FetchGuard(self._client, StandInPace() if self._stand_in else None)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.start()
        except BaseException as error:
            await self.stop()
            if isinstance(error, CLIENT_ERRORS):
                raise await unreached(f"the consumer did not start: {one_line(error)}", self._options) from error
            raise

    async def stop(self) -> None:
        self._positions.revoke()
        client, self._client = self._client, None
        if client is not None:
            await stop_consumer(client)

    async def subscribe(self, topics: Iterable[str]) -> None:
        wanted = frozenset(topics)
        if self._alone:
            await self._assign_all(wanted)
        elif wanted != self._topics:
            self._positions.revoke()
            if wanted:
                self._client.subscribe(sorted(wanted), listener=_Listener(self._assigned, self._positions.revoke))
            else:
                self._client.unsubscribe()
        self._topics = wanted

    def assignment(self) -> frozenset[TopicPartition]:
        return self._positions.assignment

    def awaiting_seek(self) -> frozenset[TopicPartition]:
        return self._positions.awaiting_seek

    def seek(self, position: TopicPartition, offset: int) -> None:
        if not self._positions.seek(position, offset):
            return
        with contextlib.suppress(IllegalStateError, AssertionError):  # taken away a moment ago: the listener will be told
            self._client.seek(kafka_partition(position), offset)
            self._client.resume(kafka_partition(position))

    async def poll(self, *, timeout_s: float, max_records: int) -> list[Record]:
        self._release()
        try:
            async with asyncio.timeout(timeout_s + POLL_GRACE_S):
                polled = await self._client.getmany(timeout_ms=int(timeout_s * 1000), max_records=max_records)
        except TimeoutError:
            return []
        except NoOffsetForPartitionError:
            return []  # a partition that went live before the listener could park it
        except OffsetOutOfRangeError as error:
            self._position_lost(error)
            return []
        except CLIENT_ERRORS as error:
            raise BrokerError(f"the consumer cannot go on: {one_line(error)}") from error
        records: list[Record] = []
        for partition, found in polled.items():
            source = TopicPartition(partition.topic, partition.partition)
            records += self._positions.accepted(source, self._guard.records_of(source, found))
        self._note_reached()
        if 0 < len(records) < min(FULL_POLL, max_records):
            self._hold()
        return records

    def position(self, position: TopicPartition) -> int | None:
        return self._positions.next_offset(position)

    async def earliest(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return await self._aside.offsets(await self._cluster.existing(positions), Offset.FIRST)

    async def end_offsets(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return await self._aside.offsets(await self._cluster.existing(positions), Offset.END)

    async def readable_offsets(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return await self._aside.offsets(await self._cluster.existing(positions), Offset.READABLE)

    async def read_one(self, position: TopicPartition, offset: int) -> Record | None:
        if not await self._cluster.existing((position,)):
            return None
        return await self._aside.read_one(position, offset)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self._alone or not offsets:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.commit({kafka_partition(at): offset for at, offset in offsets.items()})
        except CLIENT_ERRORS as error:
            raise BrokerError(f"offsets not committed: {one_line(error)}") from error

    async def _assign_all(self, topics: frozenset[str]) -> None:
        if self._stand_in:
            await self._cluster.ensure_topics(topics)
        held = await self._cluster.partitions(topics)
        if self._client is None:
            raise BrokerError("the consumer was stopped meanwhile")
        ours = frozenset(TopicPartition(topic, number) for topic, numbers in held.items() for number in numbers)
        if ours == self._positions.assignment:
            return
        if ours:
            self._client.assign([kafka_partition(position) for position in ours])
        else:
            self._client.unsubscribe()
        self._assigned(ours)

    def _assigned(self, positions: Iterable[TopicPartition]) -> None:
        self._positions.assign(positions)
        self._held = frozenset()
        for position in self._positions.assignment:
            self._park(position)

    def _hold(self) -> None:
        """Pauses what is assigned, so that aiokafka fetches nothing ahead.

        It runs in the same step of the loop in which the records were taken, before aiokafka has
        fetched.
        """
        self._held = self._positions.assignment - self._positions.awaiting_seek
        with contextlib.suppress(IllegalStateError, AssertionError):  # taken away a moment ago: the listener will be told
            self._client.pause(*map(kafka_partition, self._held))

    def _release(self) -> None:
        """Those that were lost meanwhile, or that wait for a seek, stay parked."""
        held, self._held = self._held - self._positions.awaiting_seek, frozenset()
        if held:
            with contextlib.suppress(IllegalStateError, AssertionError):
                self._client.resume(*map(kafka_partition, held))

    def _park(self, position: TopicPartition) -> None:
        with contextlib.suppress(IllegalStateError, AssertionError):
            self._client.pause(kafka_partition(position))
            self._client.seek(kafka_partition(position), 0)

    def _note_reached(self) -> None:
        """aiokafka's own positions pass what is not delivered."""
        subscription = self._client._subscription.subscription
        states = subscription.assignment if subscription is not None else None
        for position in self._positions.assignment - self._positions.awaiting_seek:
            partition = kafka_partition(position)
            if states is None or partition not in states.tps:
                continue
            state = states.state_value(partition)
            if state.has_valid_position:
                self._positions.reach(position, state.position)

    def _position_lost(self, error: OffsetOutOfRangeError) -> None:
        self._note_reached()  # it may be lost behind a marker that was passed in the same poll
        offsets: dict[Any, int] = error.args[0]
        lost = {TopicPartition(at.topic, at.partition): offset for at, offset in offsets.items()}
        current = {position: offset for position, offset in lost.items() if self._positions.lose(position, offset)}
        for position in current:
            self._park(position)
        if current:
            raise PositionLost(current) from None


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Notes what happened, in no awaited step: aiokafka swallows what a listener raises."""

    def __init__(self, assigned: Callable[[Iterable[TopicPartition]], None], revoked: Callable[[], None]) -> None:
        self._assigned = assigned
        self._revoked = revoked

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._assigned([TopicPartition(one.topic, one.partition) for one in assigned])

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        self._revoked()


def _consumer_options(settings: KafkaSettings, group: str | None, instance: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",  # records of transactions that were aborted are none
        "fetch_max_wait_ms": FETCH_MAX_WAIT_MS,
        "max_partition_fetch_bytes": PARTITION_FETCH_BYTES,
        "fetch_max_bytes": FETCH_BYTES,
        "check_crcs": False,  # the FetchGuard has: again it is half a microsecond a record of 900 bytes
    }
    if settings.stand_in:
        return {**options, "fetch_max_wait_ms": STAND_IN_FETCH_MAX_WAIT_MS}
    if group is None:
        return options
    return {
        **options,
        "group_id": group,
        "group_instance_id": instance,
        "session_timeout_ms": settings.session_timeout_ms,
        "heartbeat_interval_ms": max(100, settings.session_timeout_ms // 6),
        # Nobody in the group reads while it waits for one that has died. Under fire, replies waited
        # so long that a saga asked 2.5 times again with all of the session; with half, 0.7 to 1.2.
        "rebalance_timeout_ms": settings.session_timeout_ms // 2,
    }
