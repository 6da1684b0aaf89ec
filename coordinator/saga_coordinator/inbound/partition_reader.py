"""A consumer whose positions are rows of the store, written together with what they applied.

Kafka's own committed offsets are a hint for its tools. A partition counts as ours once its row was
read and the consumer was sent there.

Each row holds fingerprints of the last record applied and of an anchor, because a topic may be
deleted and made again. A topic was replaced when the applied offset lies beyond its end, or when it
holds another record there than the one we applied. It is then read from its beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from saga_coordinator.store.port import Advance, Position, Store
from saga_messaging.broker import BrokerError, Consumer, PositionLost, Record, TopicPartition
from saga_messaging.clock import Clock
from saga_messaging.reading import Reach, ReadingWatch

STALLED_AFTER_S = 15.0
LOOK_EVERY_S = 5.0
HINT_EVERY_S = 1.0
_PRINT_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where we are in one partition."""

    next_offset: int
    """The stored offset: behind the last record applied."""
    read_to: int
    """As far as that, or further where only markers and gaps follow. Never stored."""
    last_print: bytes | None = None
    anchor_offset: int | None = None
    anchor_print: bytes | None = None
    replaced: bool = False
    """The topic was replaced: the next advance overwrites the row."""


class PartitionReader:
    """Reads the partitions that are ours, each from where the store says."""

    def __init__(self, make_consumer: Callable[[], Consumer], store: Store, clock: Clock) -> None:
        self._make_consumer = make_consumer
        self._consumer = make_consumer()
        self._store = store
        self._clock = clock
        self._progress_at_s = clock.monotonic_s()
        self._watch = ReadingWatch(STALLED_AFTER_S)
        self._looked_at_s = clock.monotonic_s()
        self._reload_due = False
        self._places: dict[TopicPartition, Place] = {}
        self._topics: frozenset[str] = frozenset()
        self._subscribed: frozenset[str] = frozenset()
        """What the present consumer reads."""
        self._to_restart: set[TopicPartition] = set()
        self._empty_spells = 0
        self._hints: dict[TopicPartition, int] = {}
        self._hinted_at_s = clock.monotonic_s()
        self._log = structlog.get_logger("partition_reader")

    async def start(self) -> None:
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def follow(self, topics: Iterable[str]) -> None:
        """Read these topics from now on."""
        self._topics = frozenset(topics)
        await self._subscribe()

    async def _subscribe(self) -> None:
        if self._subscribed != self._topics:
            await self._consumer.subscribe(sorted(self._topics))
            self._subscribed = self._topics

    async def poll(self, *, timeout_s: float, max_records: int) -> list[Record]:
        """What has arrived on partitions that are ours. Raises BrokerError, StoreError."""
        await self._subscribe()
        await self._take_over()
        self._note_read()
        await self._look()
        try:
            records = await self._consumer.poll(timeout_s=timeout_s, max_records=max_records)
        except PositionLost as lost:
            await self._restart(lost.positions)
            return []
        if records:
            self._progress_at_s = self._clock.monotonic_s()
        elif self._clock.monotonic_s() - self._progress_at_s > STALLED_AFTER_S:
            self._progress_at_s = self._clock.monotonic_s()
            await self._replace_if_stalled()
        await self._hint()
        return records

    @property
    def problems(self) -> list[str]:
        """A sentence for each partition of ours that has stood still for long before its end."""
        return self._watch.problems()

    def _note_read(self) -> None:
        """Note how far the consumer is. Between two polls all that it delivered is applied."""
        for at, place in self.places().items():
            position = self._consumer.position(at)
            if position is not None and position > place.read_to:
                self._places[at] = replace(place, read_to=position)
                self._hints[at] = position

    async def _look(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_at_s < LOOK_EVERY_S:
            return
        self._looked_at_s = now_s
        places = self.places()
        try:
            ends = await self._consumer.end_offsets(places) if places else {}
            behind = [at for at, end in ends.items() if at in places and places[at].read_to < end]
            readable = await self._consumer.readable_offsets(behind) if behind else {}
        except BrokerError as error:
            # A broker that is away is logged elsewhere.
            self._log.debug("reading_not_looked_at", error=str(error))
            return
        reaches = {
            at: Reach(read_to=place.read_to, readable=readable[at], end=ends[at])
            for at, place in places.items()
            if at in readable and at in ends and not place.replaced
        }
        self._watch.look(now_s, reaches)

    async def _replace_if_stalled(self) -> None:
        """Replace a consumer that has stalled in silence.

        Nothing came although there is something to read, or nothing is assigned to it.
        """
        behind = self._watch.behind
        if behind or (self._topics and not self._consumer.assignment() and self._alone_empty()):
            self._log.warning("consumer_stalled", behind=len(behind))
            await self._replace()

    async def _replace(self) -> None:
        """Replace the consumer once a fresh one has started; while the broker is away, it stays."""
        fresh = self._make_consumer()
        await fresh.start()
        stale, self._consumer = self._consumer, fresh
        # The next poll subscribes: the old consumer has left the group then.
        self._subscribed = frozenset()
        self._places.clear()
        await stale.stop()

    def _alone_empty(self) -> bool:
        """Whether there was no partition for a minute (four spells).

        With more instances than partitions that is right, and a new consumer does no harm.
        """
        self._empty_spells += 1
        return self._empty_spells % 4 == 0

    def places(self) -> dict[TopicPartition, Place]:
        """The partitions that are ours now."""
        ours = self._consumer.assignment() - self._consumer.awaiting_seek()
        return {at: place for at, place in self._places.items() if at in ours}

    def advances(self, records: Sequence[Record]) -> list[Advance]:
        """How far the positions move, for the transaction that applies these records."""
        by_partition: dict[TopicPartition, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.source, []).append(record)
        return [self._advance(at, found) for at, found in by_partition.items()]

    def _advance(self, at: TopicPartition, records: list[Record]) -> Advance:
        place, last = self._places[at], records[-1]
        # A record that could not be read has no fingerprint.
        first = next((record for record in records if record.fault is None), None)
        anchored = place.anchor_offset is not None and not place.replaced
        return Advance(
            topic=at.topic,
            partition=at.partition,
            from_offset=place.next_offset,
            next_offset=last.next_offset,
            last_print=None if last.fault else fingerprint(last),
            anchor_offset=None if anchored or first is None else first.offset,
            anchor_print=None if anchored or first is None else fingerprint(first),
            restart=place.replaced,
        )

    async def applied(self, advances: Sequence[Advance]) -> None:
        """The transaction is committed. Kafka gets a hint."""
        for moved in advances:
            at = TopicPartition(moved.topic, moved.partition)
            place = self._places.get(at)
            if place is None:
                continue
            keep_anchor = moved.anchor_offset is None
            self._places[at] = Place(
                next_offset=moved.next_offset,
                read_to=moved.next_offset,
                last_print=moved.last_print,
                anchor_offset=place.anchor_offset if keep_anchor else moved.anchor_offset,
                anchor_print=place.anchor_print if keep_anchor else moved.anchor_print,
            )
        self._hints |= {TopicPartition(moved.topic, moved.partition): moved.next_offset for moved in advances}
        await self._hint()

    async def _hint(self) -> None:
        """Tell Kafka's tools the positions, once a second.

        Each commit is a write for the broker, and nothing of ours reads it.
        """
        now_s = self._clock.monotonic_s()
        if not self._hints or now_s - self._hinted_at_s < HINT_EVERY_S:
            return
        ours = self._consumer.assignment()
        hints, self._hints = {at: offset for at, offset in self._hints.items() if at in ours}, {}
        self._hinted_at_s = now_s
        try:
            await self._consumer.commit(hints)
        except BrokerError as error:  # redelivery is harmless: our rows decide
            self._log.debug("offset_hint_failed", error=str(error))

    async def reload(self) -> None:
        """Read all rows again and seek there.

        Somebody else moved a position, or a commit's fate is unknown. Should reading fail now, it
        is done before the next poll: what was delivered and not applied must come again.
        """
        self._reload_due = True
        await self._seek_all(self._consumer.assignment())
        self._reload_due = False

    def anchored(self, at: TopicPartition) -> None:
        """The row's anchor was renewed to its last record."""
        place = self._places[at]
        self._places[at] = replace(place, anchor_offset=place.next_offset - 1, anchor_print=place.last_print)

    async def was_replaced(self, at: TopicPartition, place: Place, first: int, end: int) -> bool:
        """Whether the topic holds something else than what we applied."""
        if place.next_offset > end:
            return True
        for offset, known in ((place.next_offset - 1, place.last_print), (place.anchor_offset, place.anchor_print)):
            if offset is None or known is None or offset < first:
                continue
            record = await self._consumer.read_one(at, offset)
            # A record that cannot be read any more (a disk's fault, a codec) proves nothing.
            if record is not None and record.fault is None and fingerprint(record) != known:
                return True
        return False

    def begin_again(self, at: TopicPartition) -> None:
        """Have a replaced topic read from its beginning, once the batch in hand is done."""
        self._to_restart.add(at)

    async def ends(
        self, positions: Iterable[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]:
        """(earliest, end) of each that exists now."""
        wanted = list(positions)
        return await self._consumer.earliest(wanted), await self._consumer.end_offsets(wanted)

    async def _take_over(self) -> None:
        if self._to_restart:
            await self._restart(dict.fromkeys(self._to_restart & self._consumer.assignment(), 0))
            self._to_restart.clear()
        if self._reload_due:
            await self.reload()
        waiting = self._consumer.awaiting_seek()
        if waiting:
            await self._seek_all(waiting)

    async def _seek_all(self, positions: frozenset[TopicPartition]) -> None:
        stored = await self._store.positions({at.topic for at in positions})
        earliest, ends = await self.ends(positions)
        for at in sorted(positions):
            if at in ends and at in earliest:
                await self._seek(at, stored.get((at.topic, at.partition)), earliest[at], ends[at])
            elif (place := self.places().get(at)) is not None:
                # Not to be compared now: a broker that has just started may not know the topic yet.
                # What was delivered and is not applied comes again all the same.
                self._consumer.seek(at, place.next_offset)
        self._log.info("partitions_taken", asked=len(positions), found=len(ends), topics=sorted({at.topic for at in ends}))

    async def _seek(self, at: TopicPartition, row: Position | None, first: int, end: int) -> None:
        if row is None:
            self._places[at] = Place(next_offset=first, read_to=first)
        else:
            place = Place(
                next_offset=row.next_offset,
                read_to=row.next_offset,
                last_print=row.last_print,
                anchor_offset=row.anchor_offset,
                anchor_print=row.anchor_print,
            )
            replaced = await self.was_replaced(at, place, first, end)
            self._places[at] = Place(next_offset=first, read_to=first, replaced=True) if replaced else place
            if replaced:
                self._log.warning("topic_replaced", topic=at.topic, partition=at.partition, stored=row.next_offset, end=end)
        self._consumer.seek(at, max(self._places[at].next_offset, first))

    async def _restart(self, positions: Mapping[TopicPartition, int]) -> None:
        earliest, ends = await self.ends(positions)
        for at in positions:
            known = self._places.get(at)
            if at not in earliest or at not in ends:
                self._places.pop(at, None)
                continue
            expired = known is not None and known.next_offset < earliest[at] and known.next_offset <= ends[at]
            if expired and known is not None:
                self._log.error("records_expired_unread", topic=at.topic, partition=at.partition, next_offset=known.next_offset)
            else:
                self._log.warning("topic_replaced", topic=at.topic, partition=at.partition)
                self._places[at] = Place(next_offset=earliest[at], read_to=earliest[at], replaced=True)
            self._consumer.seek(at, earliest[at])


def fingerprint(record: Record) -> bytes:
    """The fingerprint of a record: of everything in it but its offset, with the broker's time."""
    digest = hashlib.blake2b(digest_size=_PRINT_BYTES)
    digest.update(b"%d %d" % (record.timestamp_ms, len(record.headers)))
    for part in (record.key, record.value):
        digest.update(b"-" if part is None else b"%d:" % len(part) + part)
    for name, value in record.headers:
        digest.update(name.encode("utf-8", "surrogatepass") + b"=" + (value or b""))
    return digest.digest()
