"""Whether stored positions lie within their topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from saga_coordinator.doctor.damage import Damage, DamageKind
from saga_coordinator.doctor.judging import literal
from saga_coordinator.doctor.pace import Pace
from saga_coordinator.store.port import Position, Store
from saga_messaging.broker import Broker, TopicPartition

PAGE: Final = 500


async def position_damages(store: Store, broker: Broker, pace: Pace) -> AsyncIterator[Damage]:
    """Positions beyond the end of their partition, at two looks.

    A topic that is not there says nothing: it is made again, and read from its beginning.

    Raises:
        StoreError, BrokerError: One of the two cannot be read.
    """
    consumer = broker.consumer(group=None)
    await consumer.start()
    try:
        after: tuple[str, int] | None = None
        while page := await store.all_positions(after=after, limit=PAGE):
            after = (page[-1].topic, page[-1].partition)
            found = _beyond(page, await consumer.end_offsets(_places(page)))
            if found:
                await pace.look_again()
                again = await store.positions({one.topic for one, _ in found})
                still = [again[key] for one, _ in found if (key := (one.topic, one.partition)) in again]
                for position, end in _beyond(still, await consumer.end_offsets(_places(still))):
                    yield _damage(position, end, store.dialect)
            await pace.rest()
    finally:
        await consumer.stop()


def _places(positions: Sequence[Position]) -> list[TopicPartition]:
    return [TopicPartition(one.topic, one.partition) for one in positions]


def _beyond(positions: Sequence[Position], ends: Mapping[TopicPartition, int]) -> list[tuple[Position, int]]:
    places = zip(positions, _places(positions), strict=True)
    return [(one, ends[at]) for one, at in places if at in ends and one.next_offset > ends[at]]


def _damage(position: Position, end: int, dialect: str) -> Damage:
    where = f"topic = {literal(dialect, position.topic)} AND part = {position.partition}"
    return Damage(
        kind=DamageKind.POSITION_BEYOND_END,
        saga_id=None,
        key=None,
        evidence=f"{position.topic}/{position.partition} is read up to {position.next_offset}, and it ends at {end}",
        way_out="the topic was replaced, or the row is of another Kafka: a coordinator that runs takes it from the topic's beginning."
        " If none does, delete the row",
        sql=f"DELETE FROM consumed WHERE {where}",
        part=f"{position.topic}/{position.partition}",
    )
