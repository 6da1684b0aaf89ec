"""Stands between a client's connection and what it makes of the answers to its fetches (see
record_sets.py for why)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka.protocol.fetch import FetchRequest

from saga_messaging.broker import Record, TopicPartition
from saga_messaging.kafka.connection import record_of
from saga_messaging.kafka.record_sets import mended
from saga_messaging.kafka.stand_in_pace import StandInPace


class FetchGuard:
    """The guard of one consumer of aiokafka.

    A partition's records are remembered until its next answer comes. aiokafka asks for that only
    when it has handed out, or thrown away, all of the one before.
    """

    def __init__(self, consumer: Any, pace: StandInPace | None = None) -> None:
        """`pace`: of a consumer of the stand-in."""
        self._pace = pace
        self._send = consumer._client.send
        consumer._client.send = self._sent
        self._broken: dict[TopicPartition, dict[int, Record]] = {}

    def records_of(self, source: TopicPartition, found: Iterable[Any]) -> list[Record]:
        """Records of aiokafka's, of one partition, as ours.

        One that only keeps a place becomes what is known of the record that could not be read.
        """
        broken = self._broken.get(source)
        if broken is None:
            return [record_of(one) for one in found]
        return [broken.get(one.offset) or record_of(one) for one in found]

    async def _sent(self, node_id: Any, request: Any, **options: Any) -> Any:
        if self._pace is not None and isinstance(request, FetchRequest):
            await self._pace.turn([topic for topic, _ in request.topics])
        answer = await self._send(node_id, request, **options)
        if isinstance(request, FetchRequest):
            asked = {
                TopicPartition(topic, number): offset for topic, partitions in request.topics for number, offset, _ in partitions
            }
            answer.topics = [
                (topic, [self._mended(topic, partition, asked) for partition in partitions])
                for topic, partitions in answer.topics or ()
            ]
        return answer

    def _mended(self, topic: str, partition: tuple[Any, ...], asked: dict[TopicPartition, int]) -> tuple[Any, ...]:
        number, error, end, *middle, raw = partition
        source = TopicPartition(topic, number)
        if error or not raw or source not in asked:
            return partition
        if self._pace is not None:
            self._pace.brought()
        whole, broken = mended(raw, source=source, position=asked[source], end=end)
        if broken:
            self._broken[source] = broken
        else:
            self._broken.pop(source, None)
        return (number, error, end, *middle, whole)
