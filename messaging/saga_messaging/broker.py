"""The broker port: all that the rest of the system may know of Kafka.

Three adapters stand behind it: `saga_messaging.kafka` (aiokafka; real Kafka and the stand-in),
`saga_messaging.memory` (unit tests and simulation). One contract suite runs on all.
No adapter commits offsets, retries or dead-letters by itself: the loops own that.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from saga_schemas.errors import BadMessage
from saga_schemas.record_class import record

Headers = tuple[tuple[str, bytes], ...]


class TopicPartition(NamedTuple):
    """One partition of one topic. A tuple: many are made, and looked up."""

    topic: str
    partition: int


@record
class Fault:
    """Why a record, or a batch of them, could not be read, and up to where it reaches.

    Reading goes on behind `last_offset`.
    """

    reason: str
    """`unreadable_record`, `unreadable_batch` or `too_large`."""
    detail: str
    """What is wrong; never what was sent."""
    last_offset: int


@record
class Record:
    """One consumed record, as it came.

    With a `fault` it stands for what could not be read. Key, value and headers are then what is
    known of it, cut to bounds (of a whole batch the value is its bytes). Nobody may take them for a
    message.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    fault: Fault | None = None

    @property
    def source(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def next_offset(self) -> int:
        """Where reading goes on."""
        return (self.offset if self.fault is None else self.fault.last_offset) + 1

    def check(self) -> None:
        """Passes what is a record.

        Raises:
            BadMessage: It stands for what could not be read.
        """
        if self.fault is not None:
            reach = f"offsets {self.offset} to {self.fault.last_offset}: " if self.fault.last_offset > self.offset else ""
            raise BadMessage(self.fault.reason, reach + self.fault.detail)


@record
class Outgoing:
    """One record to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None
    """None: as its key is hashed."""
    timestamp_ms: int | None = None
    """None: the time at which it is sent. A topic with LogAppendTime takes no other."""

    def partition_among(self, numbers: Sequence[int], turn: int) -> int:
        """The partition that it goes to, of a topic that has these. Without a key, in turns."""
        if self.partition is not None:
            return self.partition
        return numbers[(turn if self.key is None else zlib.crc32(self.key)) % len(numbers)]


class BrokerError(Exception):
    """The broker did not do as asked; trying again later may work."""


class AccessRefused(BrokerError):
    """The cluster is there and does not let us in.

    This is a matter of settings: waiting does not change it.
    """


class RecordRefused(BrokerError):
    """The broker does not take this record as it is: too large, not authorised, no such topic.

    Sending the same again is useless for now. The error is meant for this record alone: where a
    broker refuses a batch, the producer sends each of its records by itself to learn which it is.
    """


class TopicForbidden(BrokerError):
    """The topic does not exist and may not be created here."""


class PositionLost(BrokerError):
    """The topic does not hold what the consumer was to read next.

    It was replaced or truncated, or the records have expired. `poll` raises this once and loses no
    record of other partitions. The partitions named deliver nothing until they are sought again.

    Attributes:
        positions: By partition, the offset that was to be read.
    """

    def __init__(self, positions: Mapping[TopicPartition, int]) -> None:
        super().__init__(
            "no such offset: " + ", ".join(f"{at.topic}/{at.partition} at {offset}" for at, offset in positions.items())
        )
        self.positions = dict(positions)


class Producer(Protocol):
    """An idempotent producer (acks=all).

    Once it is no longer `usable`, its owner closes it and makes a fresh one.
    """

    @property
    def usable(self) -> bool:
        """Whether the next send may be made with this producer.

        False after a send that failed or timed out: what is sent next may be refused or arrive out
        of order. A record that is refused before it leaves the process (too large, no such topic)
        leaves the producer usable.
        """
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Close without waiting for unsent records for longer than a few seconds."""
        ...

    async def send_all(self, records: Sequence[Outgoing], *, timeout_s: float) -> list[BrokerError | None]:
        """Sends all records, pipelined and in order per partition.

        Args:
            records: What to send.
            timeout_s: How long to wait for all acknowledgements. Records that share a refused batch
                are sent again singly, and have this time anew.

        Returns:
            One entry a record: None when it is acknowledged, else why not. A record that timed out
            may still arrive later.
        """
        ...


class Consumer(Protocol):
    """A consumer whose positions belong to the caller.

    In group mode partitions come and go; `assignment()` is what the caller may read now. A
    partition that was just assigned delivers nothing until the caller has called `seek` on it.
    Nothing is committed unless `commit` is called.
    """

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Replaces the set of topics. A topic that does not exist yet is read once it does."""
        ...

    def assignment(self) -> frozenset[TopicPartition]: ...

    def awaiting_seek(self) -> frozenset[TopicPartition]:
        """The assigned partitions that deliver nothing until they are sought.

        These are new ones, ones that were taken away and given back between two polls, and ones
        whose position was lost. Ask before every poll: comparing `assignment()` with an earlier one
        misses the second kind.
        """
        ...

    def seek(self, position: TopicPartition, offset: int) -> None:
        """Reads on from this offset. A partition that is not ours (any more) is ignored."""
        ...

    async def poll(self, *, timeout_s: float, max_records: int) -> list[Record]:
        """The records that have arrived, in offset order per partition.

        Args:
            timeout_s: How long to wait for the first one.
            max_records: How many to return at most.

        Raises:
            PositionLost: A topic does not hold what was to be read next.
            BrokerError: The client cannot go on. Polling again may work, a fresh consumer will.
        """
        ...

    def position(self, position: TopicPartition) -> int | None:
        """Where reading goes on; None while nothing may be delivered.

        Everything before it that can be read has been delivered. It is the evidence that the end
        was reached, for there need not be a record before the end: markers of transactions, what
        those aborted, and gaps are passed without delivering anything.
        """
        ...

    async def earliest(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offset held, of each of these partitions that exist now."""
        ...

    async def end_offsets(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset the next record will get, of each of these partitions that exist now."""
        ...

    async def readable_offsets(self, positions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Up to where each of these partitions that exist now can be read.

        That is before the end while a transaction is open: only what is committed is ever
        delivered, in order.
        """
        ...

    async def read_one(self, position: TopicPartition, offset: int) -> Record | None:
        """The record at exactly this offset; None when the topic does not hold it.

        It is read aside, without moving the consumer's position.
        """
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits the next offsets, as a hint to Kafka's group tools.

        Raises:
            BrokerError: They are not committed, which is harmless.
        """
        ...


class Broker(Protocol):
    """A factory of clients on one cluster, with its administration."""

    def producer(self) -> Producer: ...

    def consumer(self, *, group: str | None, instance: str | None = None) -> Consumer:
        """A consumer, not started yet.

        Args:
            group: The consumer group; None: all partitions are assigned and nothing is committed,
                and a topic that does not exist has no partitions until it is subscribed to again.
                It is always so on the stand-in.
            instance: Gives static group membership.
        """
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def cluster_id(self) -> str: ...

    async def ensure_topics(self, topics: Iterable[str], *, compacted: bool = False) -> None:
        """Creates the topics that are missing, with the partitions and replication of the settings.

        Args:
            topics: The names.
            compacted: Whether they have one partition and keep the last record of each key.

        Raises:
            TopicForbidden: Some are missing and may not be made; it names them.
            BrokerError: The cluster does not answer, or they do not appear in time.
        """
        ...

    async def partitions(self, topics: Iterable[str]) -> Mapping[str, frozenset[int]]:
        """The partitions of each topic, asked of the cluster now; none where it does not exist."""
        ...

    async def readers(self, group: str) -> int | None:
        """The number of the group's members now; None where nobody knows it (the stand-in)."""
        ...

    async def group_lag(self, group: str, topics: Iterable[str]) -> Mapping[TopicPartition, int]:
        """End offset minus committed offset; empty where that cannot be known."""
        ...
