"""Which partitions are ours, and from where each is read: the rule that positions belong to the
caller.

A partition delivers nothing between its assignment and the caller's `seek`, however often it was
taken away and given back in between: a client library may hand out records of an assignment that
its listener has not been told of yet, or of the one before. Both adapters with consumers keep this
book, so that the in-memory one cannot be kinder than the real one.
"""

from __future__ import annotations

from collections.abc import Iterable

from saga_messaging.broker import Record, TopicPartition


class Positions:
    """The book of one consumer."""

    def __init__(self) -> None:
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._next: dict[TopicPartition, int] = {}

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        return self._assigned

    @property
    def awaiting_seek(self) -> frozenset[TopicPartition]:
        return self._assigned.difference(self._next)

    def assign(self, positions: Iterable[TopicPartition]) -> None:
        """Takes a new assignment; nothing of the one before counts, even for the same partition."""
        self._assigned = frozenset(positions)
        self._next.clear()

    def revoke(self) -> None:
        self.assign(())

    def seek(self, position: TopicPartition, offset: int) -> bool:
        """False when the partition is not ours."""
        if position not in self._assigned:
            return False
        self._next[position] = offset
        return True

    def next_offset(self, position: TopicPartition) -> int | None:
        """The offset to be read next; None while nothing may be delivered."""
        return self._next.get(position)

    def accepted(self, position: TopicPartition, records: Iterable[Record]) -> list[Record]:
        """Those records of a partition that may be delivered; the position moves behind them.

        Gaps are normal (compaction), going back is not.
        """
        expected = self._next.get(position)
        if expected is None:
            return []
        taken = []
        for record in records:
            if record.offset >= expected:
                expected = record.next_offset
                taken.append(record)
        self._next[position] = expected
        return taken

    def reach(self, position: TopicPartition, offset: int) -> None:
        """Nothing before `offset` is left to be delivered: markers and gaps were passed."""
        expected = self._next.get(position)
        if expected is not None:
            self._next[position] = max(expected, offset)

    def lose(self, position: TopicPartition, offset: int) -> bool:
        """Notes that the topic does not hold `offset`.

        Returns:
            False when that is old news: the caller has sought, or lost the partition, since.
        """
        if self._next.get(position) != offset:
            return False
        del self._next[position]
        return True
