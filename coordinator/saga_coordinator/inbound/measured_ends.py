"""Up to when the replies of each partition are known to be read.

Under load the position is never quite at the end of its partition. So a measured end is kept until
the position has passed it; everything that was written before the measurement is then read.
"""

from __future__ import annotations

from collections.abc import Mapping

from saga_coordinator.inbound.partition_reader import Place
from saga_messaging.broker import TopicPartition
from saga_schemas.record_class import record


@record
class MeasuredEnd:
    """Where a partition ended at some time after `at_us`, which is `at_s` too."""

    at_us: int
    """The database's clock, microseconds."""
    at_s: float
    """Monotonic seconds."""
    end: int


class MeasuredEnds:
    """Of one instance's partitions."""

    def __init__(self) -> None:
        self._read_up_to_s: dict[TopicPartition, float] = {}
        """Since when each partition is known to be read; at first, since when it is ours."""
        self._to_reach: dict[TopicPartition, list[MeasuredEnd]] = {}
        self._read_to: dict[TopicPartition, int] = {}

    def measured(self, at: TopicPartition, one: MeasuredEnd) -> None:
        """Note an end. Of those that are not reached yet the first and the last are kept: where
        replies are read late, and never to the end of now, the first is reached all the same.
        """
        self._to_reach.setdefault(at, [])[1:] = [one]

    def reached(self, at: TopicPartition, read_to: int) -> MeasuredEnd | None:
        """The last of the noted ends that the position has passed. It is noted no longer.

        Where the position has gone back, the topic is read from its beginning: of what was noted
        only the last is of this topic.
        """
        waiting = self._to_reach.get(at, [])
        if read_to < self._read_to.get(at, read_to):
            waiting = self._to_reach[at] = waiting[-1:]
        self._read_to[at] = read_to
        done = _last_reached(waiting, read_to)
        if done is not None:
            self._to_reach[at] = [one for one in waiting if one.end > read_to]
            self._read_up_to_s[at] = done.at_s
        return done

    def replaced(self, at: TopicPartition) -> None:
        """Forget what was measured: the topic was replaced, or is not there."""
        self._to_reach.pop(at, None)

    def age_by_topic(self, places: Mapping[TopicPartition, Place], now_s: float) -> dict[str, float]:
        """How long ago each topic's replies were known to be read, in seconds: its worst partition.

        A partition that is not measured grows older. A limit acts only when replies are read up to
        a time later than the limit: while this age grows, somebody can see that limits cannot act.
        """
        self._to_reach = {at: waiting for at, waiting in self._to_reach.items() if at in places}
        self._read_to = {at: read_to for at, read_to in self._read_to.items() if at in places}
        self._read_up_to_s = {at: self._read_up_to_s.get(at, now_s) for at in places}
        ages: dict[str, float] = {}
        for at, since_s in self._read_up_to_s.items():
            done = _last_reached(self._to_reach.get(at, []), places[at].read_to)
            ages[at.topic] = max(ages.get(at.topic, 0.0), now_s - (since_s if done is None else done.at_s))
        return ages


def _last_reached(waiting: list[MeasuredEnd], read_to: int) -> MeasuredEnd | None:
    return next((one for one in reversed(waiting) if one.end <= read_to), None)
