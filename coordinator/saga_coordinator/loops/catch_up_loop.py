"""Catch-up: measuring up to what time the replies of each partition are applied.

A partition of ours is measured only while somebody waits for it: a passed limit, or a question that
is due again. First the database's clock is read, then the list of partitions, then the end offsets.
The time of that clock is stored as `caught_up_at` when everything before the end is applied, in
this round or a later one, and when the topic still holds the last applied record and the anchor
(their fingerprints match).

The order is the proof: a reply that was in the topic at that time lies before that end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import structlog

from saga_coordinator.failures import one_line
from saga_coordinator.inbound.measured_ends import MeasuredEnd, MeasuredEnds
from saga_coordinator.inbound.partition_reader import PartitionReader, Place
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import Broker, BrokerError, TopicPartition
from saga_messaging.clock import Clock
from saga_schemas.ids import parse_number
from saga_schemas.topics import Topics

SCOPE = "drain"
LOOP = "drains"
REQUEST_LASTS_US = 10_000_000
ASKED_AGAIN_US = REQUEST_LASTS_US // 2
"""Looks at sagas that wait for the same participant need not each write that they do."""
_STORE_TRIES = 10
VERIFY_EVERY = 5
"""After so many rounds every partition is compared with what we applied, wanted or not."""


class CatchUpRequests:
    """Which participants' replies somebody waits for; all instances share it through the store."""

    def __init__(self, store: Store, broker: Broker, topics: Topics, tenant: str) -> None:
        self._store = store
        self._broker = broker
        self._topics = topics
        self._tenant = tenant
        self._asked_at_us: dict[str, int] = {}

    async def request(self, participants: Collection[str]) -> None:
        """Ask whoever owns the partitions to measure them, for the next ten seconds."""
        now_us = await self._store.now_us()
        unasked = [name for name in sorted(participants) if not 0 <= now_us - self._asked_at_us.get(name, 0) < ASKED_AGAIN_US]
        if not unasked:
            return
        async with self._store.transaction() as tx:
            for name in unasked:
                why = "a limit has passed, or it is to be asked again"
                await tx.set_control(scope=SCOPE, tenant=self._tenant, name=name, value=str(now_us), who="timers", why=why)
        self._asked_at_us |= dict.fromkeys(unasked, now_us)

    async def requested(self) -> frozenset[str]:
        """The participants that are to be measured now."""
        return requested(await self._store.look(self._tenant, frozenset({SCOPE})))

    async def caught_up(self) -> Mapping[str, int]:
        """By participant: the earliest `caught_up_at` of its reply topic's partitions.

        A participant is absent when a partition of it was never measured, or when it has no topic.
        """
        participants = await self.requested()
        if not participants:
            return {}
        by_topic = {self._topics.reply(name): name for name in participants}
        try:
            partitions = await self._broker.partitions(list(by_topic))
        except (BrokerError, TimeoutError):
            return {}  # a broker that does not answer: nothing counts as caught up
        rows = await self._store.positions(list(by_topic))
        found: dict[str, int] = {}
        for topic, name in by_topic.items():
            times = [rows[topic, p].caught_up_at_us if (topic, p) in rows else None for p in partitions.get(topic, ())]
            if times and all(time is not None for time in times):
                found[name] = min(time for time in times if time is not None)
        return found


def requested(look: Look) -> frozenset[str]:
    """The participants of whom a row asks.

    One that somebody edited by hand is no request: the next one writes it anew.
    """
    rows = look.control.get(SCOPE, {})
    return frozenset(name for name, value in rows.items() if (parse_number(value) or 0) > look.now_us - REQUEST_LASTS_US)


class CatchUpLoop:
    """Measures the reply partitions that are ours."""

    def __init__(
        self,
        *,
        store: Store,
        lookout: Lookout,
        reader: PartitionReader,
        topics: Topics,
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._store = store
        self._looks = lookout.looks()
        self._reader = reader
        self._topics = topics
        self._clock = clock
        self._instruments = instruments
        self._round = 0
        self._ends = MeasuredEnds()
        self._verified: dict[TopicPartition, int] = {}
        self._log = structlog.get_logger("drains")

    async def run(self) -> None:
        while True:
            try:
                await self.once(await self._looks.next())
                self._instruments.loops.went(LOOP)
            except (StoreError, BrokerError, TimeoutError) as error:
                self._instruments.loops.failed(LOOP, error)
                self._log.warning("drain_not_measured", error=one_line(error))
            except Exception as error:  # a bug: no limit acts, and /readyz says so
                self._instruments.loops.failed(LOOP, error)
                self._instruments.loop_failed(LOOP)
                self._log.error("drain_failed", exc_info=error)
            self.show_age()

    async def once(self, look: Look) -> None:
        self._round += 1
        wanted = {self._topics.reply(name) for name in requested(look)}
        verify = self._round % VERIFY_EVERY == 0
        if not wanted and not verify:
            return
        began_s = self._clock.monotonic_s()
        at_us = look.now_us  # first the clock …
        ours = self._reader.places()  # … then the partitions …
        if not ours:
            return
        earliest, ends = await self._reader.ends(ours)  # … then the ends
        for partition, before in ours.items():
            place = self._reader.places().get(partition)
            if place is None or partition not in ends or partition not in earliest or place.replaced:
                self._ends.replaced(partition)
                continue
            held = await self._still_ours(
                partition, before, earliest[partition], ends[partition], wanted=partition.topic in wanted
            )
            if not held:
                self._ends.replaced(partition)
                continue
            self._ends.measured(partition, MeasuredEnd(at_us=at_us, at_s=began_s, end=ends[partition]))
            place = self._reader.places().get(partition)
            read = None if place is None else self._ends.reached(partition, place.read_to)
            if read is not None and partition.topic in wanted:
                await self._store_time(partition, read)

    def show_age(self) -> None:
        self._instruments.catch_up_age(self._ends.age_by_topic(self._reader.places(), self._clock.monotonic_s()))

    async def _still_ours(self, at: TopicPartition, before: Place, first: int, end: int, *, wanted: bool) -> bool:
        """Whether the topic still holds what we had applied when the ends were read.

        `before` is the place as it was before that: replies applied since lie beyond the end, and a
        topic that has grown is no topic that was replaced.
        """
        if not wanted and self._verified.get(at) == end and before.next_offset <= end:
            return True
        if await self._reader.was_replaced(at, before, first, end):
            self._reader.begin_again(at)
            return False
        self._verified[at] = end
        return True

    async def _store_time(self, at: TopicPartition, read: MeasuredEnd) -> None:
        """Store the time of an end, if everything before it is applied.

        Where replies never cease, the place moves on between our look and the store. What holds of
        it holds of the next place too, so the store is tried again.
        """
        for _ in range(_STORE_TRIES):
            place = self._reader.places().get(at)
            if place is None or place.replaced or place.read_to < read.end:
                return
            anchor = place.next_offset - 1 if place.last_print is not None else None
            async with self._store.transaction() as tx:
                stored = await tx.caught_up(at.topic, at.partition, read.at_us, place.next_offset, anchor, place.last_print)
            if stored:
                if anchor is not None:
                    self._reader.anchored(at)
                return
