"""What stands still is told, and why; what is only at an odd end is not."""

from __future__ import annotations

from saga_messaging.broker import TopicPartition
from saga_messaging.reading import Reach, ReadingWatch

AT, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def reach(read_to: int, readable: int, end: int) -> Reach:
    return Reach(read_to=read_to, readable=readable, end=end)


def test_a_partition_that_is_not_read_on_is_told_after_a_while_and_as_long_as_that_lasts() -> None:
    watch = ReadingWatch(10)
    for now, told in ((0, []), (5, []), (10, [AT]), (15, [AT])):
        watch.look(now, {AT: reach(3, 7, 7), OTHER: reach(7, 7, 7)})
        assert (watch.behind, watch.held) == (told, [])
    assert watch.problems() == ["t/0 is not read on although there are records"]
    watch.look(20, {AT: reach(4, 7, 7)})
    assert watch.problems() == []


def test_slow_progress_is_progress() -> None:
    watch = ReadingWatch(10)
    for now in range(0, 100, 5):
        watch.look(now, {AT: reach(now, 1_000, 1_000)})
        assert watch.problems() == []


def test_a_transaction_that_does_not_end_is_told_for_what_it_is() -> None:
    watch = ReadingWatch(10)
    for now in (0, 10):
        watch.look(now, {AT: reach(3, 3, 7)})
    assert (watch.behind, watch.held) == ([], [AT])
    assert watch.problems() == ["t/0 waits for a producer's open transaction to end"]
    watch.look(20, {AT: reach(8, 8, 8)})
    assert watch.problems() == []


def test_a_partition_that_was_taken_away_is_forgotten() -> None:
    watch = ReadingWatch(10)
    watch.look(0, {AT: reach(3, 7, 7)})
    watch.look(10, {})
    watch.look(11, {AT: reach(3, 7, 7)})
    assert watch.problems() == []
