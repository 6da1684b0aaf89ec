"""How old the knowledge is that replies are read: for a gauge, so that somebody sees when limits could not act.

Under load the position is never quite at the end; so an end that was measured is kept until the position has passed it, and everything
written before that measurement is then read.
"""

from __future__ import annotations

from collections.abc import Mapping

from saga_coordinator.inbound.partition_reader import Place
from saga_messaging.broker import TopicPartition


class CatchUpAge:
    """Of the partitions of one instance. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._read_up_to: dict[TopicPartition, float] = {}
        """At first: when it became ours."""
        self._to_reach: dict[TopicPartition, tuple[float, int]] = {}

    def measured(self, at: TopicPartition, began: float, end: int) -> None:
        """The partition ended at `end` after `began`. The next measurement counts once this end is reached."""
        self._to_reach.setdefault(at, (began, end))

    def replaced(self, at: TopicPartition) -> None:
        """What was measured is of a topic that is no more."""
        self._to_reach.pop(at, None)

    def by_topic(self, places: Mapping[TopicPartition, Place], now: float) -> dict[str, float]:
        """Seconds, of the worst partition of each topic. What cannot be measured grows older."""
        self._read_up_to = {at: self._read_up_to.get(at, now) for at in places}
        for at, (began, end) in list(self._to_reach.items()):
            if at not in places:
                del self._to_reach[at]
            elif places[at].read_to >= end:
                self._read_up_to[at] = began
                del self._to_reach[at]
        ages: dict[str, float] = {}
        for at, since in self._read_up_to.items():
            ages[at.topic] = max(ages.get(at.topic, 0.0), now - since)
        return ages
