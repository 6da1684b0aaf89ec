"""Which partitions are not read on, and why: told from looks, some seconds apart, at how far each
is read. Pure.

That the end is not reached means nothing by itself. What stands still is told: `behind`, where
there is something to read and the consumer does not bring it, and `held`, where an open transaction
keeps what lies behind its beginning from everybody who reads what is committed.
"""

from __future__ import annotations

from collections.abc import Mapping

from saga_messaging.broker import TopicPartition
from saga_schemas.record_class import record


@record
class Reach:
    """One partition at one look."""

    read_to: int
    """All that can be read before this offset has been."""
    readable: int
    """The last stable offset: nothing from there on can be read yet."""
    end: int
    """The offset the next record will get."""


class ReadingWatch:
    """What has stood still for `after_s` seconds."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._still: dict[TopicPartition, tuple[int, float]] = {}
        """Where a partition stands that is not read to its end, and since when."""
        self.behind: list[TopicPartition] = []
        self.held: list[TopicPartition] = []

    def look(self, now_s: float, reaches: Mapping[TopicPartition, Reach]) -> None:
        """All partitions that are ours now; the others are forgotten."""
        before, self._still = self._still, {}
        self.behind, self.held = [], []
        for at, reach in sorted(reaches.items()):
            if reach.read_to >= reach.end:
                continue
            place, since_s = before.get(at, (reach.read_to, now_s))
            if place != reach.read_to:
                since_s = now_s
            self._still[at] = (reach.read_to, since_s)
            if now_s - since_s >= self._after_s:
                (self.behind if reach.read_to < reach.readable else self.held).append(at)

    def problems(self) -> list[str]:
        """As sentences, which stay the same while nothing changes."""
        return [
            *(f"{at.topic}/{at.partition} is not read on although there are records" for at in self.behind),
            *(f"{at.topic}/{at.partition} waits for a producer's open transaction to end" for at in self.held),
        ]
