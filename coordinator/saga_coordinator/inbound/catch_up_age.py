"""How long ago the replies of each topic were known to be read, for a gauge.

A limit acts only when replies are read up to a time later than the limit. While this age grows,
somebody can see that limits cannot act.

Under load the position is never quite at the end of its partition. So a measured end is kept until
the position has passed it; everything that was written before the measurement is then read, and the
age is counted from there.
"""

from __future__ import annotations

from collections.abc import Mapping

from saga_coordinator.inbound.partition_reader import Place
from saga_messaging.broker import TopicPartition


class CatchUpAge:
    """The ages of one instance's partitions. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._read_up_to_s: dict[TopicPartition, float] = {}
        """Since when each partition is known to be read; at first, since when it is ours."""
        self._to_reach: dict[TopicPartition, tuple[float, int]] = {}

    def measured(self, at: TopicPartition, began_s: float, end: int) -> None:
        """Note that the partition ended at `end` at some time after `began_s`.

        The next measurement counts once the position has reached that end.
        """
        self._to_reach.setdefault(at, (began_s, end))

    def replaced(self, at: TopicPartition) -> None:
        """Forget what was measured: the topic was replaced."""
        self._to_reach.pop(at, None)

    def by_topic(self, places: Mapping[TopicPartition, Place], now_s: float) -> dict[str, float]:
        """By topic: the age in seconds of its worst partition.

        A partition that is not measured grows older.
        """
        self._read_up_to_s = {at: self._read_up_to_s.get(at, now_s) for at in places}
        for at, (began_s, end) in list(self._to_reach.items()):
            if at not in places:
                del self._to_reach[at]
            elif places[at].read_to >= end:
                self._read_up_to_s[at] = began_s
                del self._to_reach[at]
        ages: dict[str, float] = {}
        for at, since_s in self._read_up_to_s.items():
            ages[at.topic] = max(ages.get(at.topic, 0.0), now_s - since_s)
        return ages
