"""A Kafka in memory, for unit tests and simulation: topics, partitions, offsets, groups, and faults
to order.

It keeps to what the contract suite shows of the real one, no kinder: a partition delivers nothing
before `seek`, a replaced topic loses positions, a record too large is refused. What it leaves out:
session time-outs (a member that stops gives its partitions back at once, static or not),
replication, expiry.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from saga_messaging.background import happened
from saga_messaging.broker import (
    BrokerError,
    Fault,
    Outgoing,
    PositionLost,
    Record,
    RecordRefused,
    TopicForbidden,
    TopicPartition,
)
from saga_messaging.clock import Clock, SystemClock
from saga_messaging.positions import Positions


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on.

    Counters count records (`unreachable` counts calls) and run down to nought.
    """

    refuse: int = 0  # refused: too large, not authorised
    lose: int = 0  # not stored, and an error says so
    drop_acks: int = 0  # stored, but the acknowledgement is lost
    duplicate: int = 0  # stored twice
    unreachable: bool = False  # nothing gets through, in either direction
    delay_s: float = 0.0  # before a send is stored
    forbid_topics: bool = False  # topics may not be created


@dataclass(slots=True)
class _Log:
    """One partition: the records from offset `first` on.

    There are gaps where markers of transactions, and aborted or compacted records, are.
    """

    records: list[Record] = field(default_factory=list)
    first: int = 0
    end: int = 0
    held_at: int | None = None
    """Where an open transaction begins: nothing from there on can be read."""

    @property
    def readable(self) -> int:
        return self.end if self.held_at is None else min(self.held_at, self.end)

    def at_or_behind(self, offset: int) -> int:
        """The index of the first record that reading from this offset on gives."""
        return bisect_left(self.records, offset, key=lambda record: record.offset)

    def append(self, record: Record) -> None:
        self.records.append(record)
        self.end = record.next_offset


class MemoryBroker:
    """One cluster. Its `faults` may be changed at any time."""

    def __init__(
        self, clock: Clock | None = None, *, partitions: int = 6, max_message_bytes: int = 1_048_576, cluster: str = "memory"
    ) -> None:
        self.clock = clock or SystemClock()
        self.faults = Faults()
        self.max_message_bytes = max_message_bytes
        self._partition_count = partitions
        self._cluster = cluster
        self._topics: dict[str, list[_Log]] = {}
        self._members: dict[str, list[MemoryConsumer]] = {}
        self._committed: dict[str, dict[TopicPartition, int]] = {}
        self._alone = 0

    def producer(self) -> MemoryProducer:
        return MemoryProducer(self)

    def consumer(self, *, group: str | None, instance: str | None = None) -> MemoryConsumer:
        """Without a group it has one to itself, under a name that no group may have."""
        self._alone += group is None
        return MemoryConsumer(self, f"\0{self._alone}" if group is None else group, instance)

    def __str__(self) -> str:
        return "Kafka in memory"

    async def start(self) -> None:
        self.reach()

    async def stop(self) -> None: ...

    async def cluster_id(self) -> str:
        self.reach()
        return self._cluster

    async def ensure_topics(self, topics: Iterable[str], *, compacted: bool = False) -> None:
        self.reach()
        missing = sorted(set(topics).difference(self._topics))
        if missing and self.faults.forbid_topics:
            raise TopicForbidden(f"may not be created here: {', '.join(missing)}")
        for topic in missing:
            self._topics[topic] = [_Log() for _ in range(1 if compacted else self._partition_count)]
        self._rebalance_readers(missing)

    async def delete_topics(self, topics: Iterable[str]) -> None:
        """For tests; not part of the port."""
        gone = list(topics)
        for topic in gone:
            self._topics.pop(topic, None)
        self._rebalance_readers(gone)

    async def partitions(self, topics: Iterable[str]) -> Mapping[str, frozenset[int]]:
        self.reach()
        return {topic: frozenset(range(len(self._topics.get(topic, ())))) for topic in topics}

    async def readers(self, group: str) -> int | None:
        self.reach()
        return len(self._members.get(group, ()))

    async def group_lag(self, group: str, topics: Iterable[str]) -> Mapping[TopicPartition, int]:
        self.reach()
        committed = self._committed.get(group, {})
        logs = {at: log for topic in topics for at, log in self._logs(topic).items()}
        return {at: max(0, log.end - committed.get(at, log.first)) for at, log in logs.items()}

    def truncate(self, position: TopicPartition, end: int) -> None:
        """Lose the records from `end` on, acknowledged or not."""
        log = self._topics[position.topic][position.partition]
        del log.records[log.at_or_behind(end) :]
        log.end = min(log.end, max(end, log.first))

    def expire(self, position: TopicPartition, first: int) -> None:
        """Drop the records below `first`."""
        log = self._topics[position.topic][position.partition]
        del log.records[: log.at_or_behind(first)]
        log.first = max(log.first, first)
        log.end = max(log.end, log.first)

    def hold(self, position: TopicPartition, offset: int | None) -> None:
        """A transaction that began at this offset is open; None: none is."""
        self._topics[position.topic][position.partition].held_at = offset
        self._arrived()

    def append_to(self, position: TopicPartition, record: Outgoing) -> None:
        """Store a record in this partition, whatever its key."""
        log = self._topics[position.topic][position.partition]
        log.append(self._stored(record, position.partition, log.end))
        self._arrived()

    def leave_gap(self, position: TopicPartition, offsets: int = 1) -> None:
        """Adds offsets that hold nothing to read.

        They stand for a transaction's marker, for aborted records, or for what compaction took.
        """
        self._topics[position.topic][position.partition].end += offsets
        self._arrived()

    def append_unreadable(self, position: TopicPartition, reason: str, *, known: Outgoing, offsets: int = 1) -> None:
        """A record, or a batch of so many `offsets`, of which only what is `known` can be read."""
        log = self._topics[position.topic][position.partition]
        fault = Fault(reason=reason, detail="to order", last_offset=log.end + offsets - 1)
        log.append(replace(self._stored(known, position.partition, log.end), fault=fault))
        self._arrived()

    def records(self, topic: str) -> list[Record]:
        """All that the topic holds, partition by partition: for a test's assertions."""
        return [record for log in self._topics.get(topic, ()) for record in log.records]

    # What follows is for the clients below.

    def reach(self) -> None:
        if self.faults.unreachable:
            raise BrokerError("the cluster did not answer")

    def log(self, position: TopicPartition) -> _Log | None:
        logs = self._topics.get(position.topic, ())
        return logs[position.partition] if position.partition < len(logs) else None

    def append(self, record: Outgoing, turn: int) -> BrokerError | None:
        """Store one record, or what the faults make of it."""
        faults = self.faults
        logs = self._topics.get(record.topic)
        size = len(record.key or b"") + len(record.value or b"") + sum(len(name) + len(value) for name, value in record.headers)
        if logs is None:
            return RecordRefused(f"topic {record.topic} does not exist")
        if size > self.max_message_bytes or _spent(faults, "refuse"):
            return RecordRefused(f"larger than {self.max_message_bytes} bytes")
        if faults.unreachable or _spent(faults, "lose"):
            return BrokerError("not acknowledged")
        number = record.partition_among(range(len(logs)), turn)
        if number >= len(logs):
            return RecordRefused(f"topic {record.topic} has no partition {number}")
        for _ in range(2 if _spent(faults, "duplicate") else 1):
            logs[number].append(self._stored(record, number, logs[number].end))
        self._arrived()
        return BrokerError("the acknowledgement was lost") if _spent(faults, "drop_acks") else None

    def join(self, member: MemoryConsumer) -> None:
        members = self._members.setdefault(member.group, [])
        for older in [one for one in members if member.instance is not None and one.instance == member.instance]:
            members.remove(older)
            older.positions.revoke()
        members.append(member)
        self.rebalance(member.group)

    def leave(self, member: MemoryConsumer) -> None:
        members = self._members.get(member.group, [])
        if member in members:
            members.remove(member)
            self.rebalance(member.group)

    def rebalance(self, group: str) -> None:
        """Deal the partitions out in turn; as with eager rebalancing every member starts afresh."""
        members = self._members.get(group, [])
        dealt: dict[int, list[TopicPartition]] = {id(member): [] for member in members}
        for topic in sorted(set().union(*(member.topics for member in members))):
            takers = [member for member in members if topic in member.topics]
            for number, position in enumerate(self._logs(topic)):
                dealt[id(takers[number % len(takers)])].append(position)
        for member in members:
            member.positions.assign(dealt[id(member)])
            member.arrived.set()

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        self._committed.setdefault(group, {}).update(offsets)

    def _arrived(self) -> None:
        for member in (one for members in self._members.values() for one in members):
            member.arrived.set()

    def _rebalance_readers(self, topics: Iterable[str]) -> None:
        """Rebalance the groups that read one of these topics, and as on Kafka no others."""
        changed = frozenset(topics)
        for group, members in self._members.items():
            if any(member.topics & changed for member in members):
                self.rebalance(group)

    def _logs(self, topic: str) -> dict[TopicPartition, _Log]:
        return {TopicPartition(topic, number): log for number, log in enumerate(self._topics.get(topic, ()))}

    def _stored(self, record: Outgoing, partition: int, offset: int) -> Record:
        return Record(
            topic=record.topic,
            partition=partition,
            offset=offset,
            timestamp_ms=self.clock.unix_us() // 1000 if record.timestamp_ms is None else record.timestamp_ms,
            key=record.key,
            value=record.value,
            headers=record.headers,
        )


class MemoryProducer:
    """Sends in order; not usable after a failure, like the real one."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._usable = True

    @property
    def usable(self) -> bool:
        return self._usable

    async def start(self) -> None:
        self._broker.reach()

    async def stop(self) -> None:
        self._usable = False

    async def send_all(self, records: Sequence[Outgoing], *, timeout_s: float) -> list[BrokerError | None]:
        if self._broker.faults.delay_s:
            await self._broker.clock.sleep(min(self._broker.faults.delay_s, timeout_s))
        await asyncio.sleep(0)
        if not self._usable or self._broker.faults.delay_s > timeout_s:
            self._usable = False
            return [BrokerError(f"not acknowledged within {timeout_s:g} s")] * len(records)
        results = [self._broker.append(record, turn) for turn, record in enumerate(records)]
        self._usable = all(result is None or isinstance(result, RecordRefused) for result in results)
        return results


class MemoryConsumer:
    """One member of a group."""

    def __init__(self, broker: MemoryBroker, group: str, instance: str | None) -> None:
        self.group = group
        self.instance = instance
        self.topics: frozenset[str] = frozenset()
        self.positions = Positions()
        self.arrived = asyncio.Event()
        self._broker = broker

    async def start(self) -> None:
        self._broker.reach()

    async def stop(self) -> None:
        self.positions.revoke()
        self._broker.leave(self)

    async def subscribe(self, topics: Iterable[str]) -> None:
        self._broker.reach()
        wanted = frozenset(topics)
        if self.topics == wanted:
            return
        self.topics = wanted
        self._broker.leave(self)
        self._broker.join(self)

    def assignment(self) -> frozenset[TopicPartition]:
        return self.positions.assignment

    def awaiting_seek(self) -> frozenset[TopicPartition]:
        return self.positions.awaiting_seek

    def seek(self, position: TopicPartition, offset: int) -> None:
        self.positions.seek(position, offset)
        self.arrived.set()

    async def poll(self, *, timeout_s: float, max_records: int) -> list[Record]:
        until_s = self._broker.clock.monotonic_s() + timeout_s
        while True:
            self.arrived.clear()
            if not self._broker.faults.unreachable and (found := self._take(max_records)):
                return found
            left_s = until_s - self._broker.clock.monotonic_s()
            if left_s <= 0 or not await happened(self.arrived, self._broker.clock, left_s):
                return []

    def position(self, position: TopicPartition) -> int | None:
        return self.positions.next_offset(position)

    async def earliest(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        self._broker.reach()
        return {position: log.first for position in positions if (log := self._broker.log(position)) is not None}

    async def end_offsets(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        self._broker.reach()
        return {position: log.end for position in positions if (log := self._broker.log(position)) is not None}

    async def readable_offsets(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        self._broker.reach()
        return {position: log.readable for position in positions if (log := self._broker.log(position)) is not None}

    async def read_one(self, position: TopicPartition, offset: int) -> Record | None:
        self._broker.reach()
        log = self._broker.log(position)
        found = log.records[log.at_or_behind(offset) :][:1] if log is not None and offset < log.readable else []
        return next((record for record in found if record.offset == offset), None)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._broker.reach()
        if not self.positions.assignment.issuperset(offsets):
            raise BrokerError("offsets not committed: a partition is not assigned")
        self._broker.commit(self.group, offsets)

    def _take(self, max_records: int) -> list[Record]:
        taken: list[Record] = []
        lost: dict[TopicPartition, int] = {}
        for position in sorted(self.positions.assignment):
            offset, log = self.positions.next_offset(position), self._broker.log(position)
            if offset is None or log is None:
                continue
            if not log.first <= offset <= log.end:
                lost[position] = offset
                continue
            start, stop = log.at_or_behind(offset), log.at_or_behind(log.readable)
            ready = log.records[start : min(stop, start + max_records - len(taken))]
            taken += self.positions.accepted(position, ready)
            if start + len(ready) == stop:
                self.positions.reach(position, log.readable)
        if lost and not taken:
            for position, offset in lost.items():
                self.positions.lose(position, offset)
            raise PositionLost(lost)
        return taken


def _spent(faults: Faults, name: str) -> bool:
    left: int = getattr(faults, name)
    setattr(faults, name, max(0, left - 1))
    return left > 0
