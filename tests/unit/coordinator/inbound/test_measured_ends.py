"""Up to when replies are known to be read, and how old that knowledge is."""

from __future__ import annotations

from saga_coordinator.inbound.measured_ends import MeasuredEnd, MeasuredEnds
from saga_coordinator.inbound.partition_reader import Place
from saga_messaging.broker import TopicPartition

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)


def at(**offsets: int) -> dict[TopicPartition, Place]:
    return {{"a0": A0, "a1": A1, "b0": B0}[name]: Place(next_offset=0, read_to=offset) for name, offset in offsets.items()}


def end(at_s: float, offset: int) -> MeasuredEnd:
    return MeasuredEnd(at_us=round(at_s * 1_000_000), at_s=at_s, end=offset)


def test_a_partition_that_was_just_taken_is_as_old_as_that() -> None:
    ends = MeasuredEnds()

    assert ends.age_by_topic(at(a0=0), 100.0) == {"a": 0.0}
    assert ends.age_by_topic(at(a0=0), 107.0) == {"a": 7.0}


def test_read_to_the_end_it_is_as_old_as_the_measurement() -> None:
    ends = MeasuredEnds()
    ends.age_by_topic(at(a0=0), 100.0)
    ends.measured(A0, end(110.0, 5))

    assert ends.age_by_topic(at(a0=5), 111.0) == {"a": 1.0}


def test_under_load_the_end_of_then_is_reached_later() -> None:
    ends = MeasuredEnds()
    ends.age_by_topic(at(a0=0), 100.0)
    ends.measured(A0, end(110.0, 50))
    assert ends.age_by_topic(at(a0=40), 111.0) == {"a": 11.0}
    ends.measured(A0, end(112.0, 90))  # the position is never at the end of now

    assert ends.age_by_topic(at(a0=60), 113.0) == {"a": 3.0}
    ends.measured(A0, end(114.0, 130))
    assert ends.age_by_topic(at(a0=100), 115.0) == {"a": 5.0}
    assert ends.age_by_topic(at(a0=130), 116.0) == {"a": 2.0}


def test_the_worst_partition_speaks_for_its_topic() -> None:
    ends = MeasuredEnds()
    ends.age_by_topic(at(a0=0, a1=0, b0=0), 100.0)
    for partition in (A0, A1, B0):
        ends.measured(partition, end(105.0, 3))

    assert ends.age_by_topic(at(a0=3, a1=2, b0=3), 106.0) == {"a": 6.0, "b": 1.0}


def test_what_is_no_longer_ours_or_was_replaced_is_forgotten() -> None:
    ends = MeasuredEnds()
    ends.age_by_topic(at(a0=0, b0=0), 100.0)
    ends.measured(A0, end(101.0, 1))
    ends.measured(B0, end(101.0, 1))
    ends.replaced(A0)

    assert ends.age_by_topic(at(a0=1), 103.0) == {"a": 3.0}
    assert ends.age_by_topic(at(a0=1, b0=1), 104.0) == {"a": 4.0, "b": 0.0}


def test_an_end_is_reached_once_the_position_has_passed_it() -> None:
    ends = MeasuredEnds()
    ends.measured(A0, end(110.0, 50))

    assert ends.reached(A0, 49) is None
    assert ends.reached(A0, 50) == end(110.0, 50)
    assert ends.reached(A0, 50) is None
    assert ends.age_by_topic(at(a0=50), 112.0) == {"a": 2.0}


def test_of_the_ends_that_are_reached_the_last_counts() -> None:
    ends = MeasuredEnds()
    for at_s, offset in ((110.0, 50), (111.0, 60), (112.0, 70)):
        ends.measured(A0, end(at_s, offset))

    assert ends.reached(A0, 80) == end(112.0, 70)


def test_who_reads_late_and_never_to_the_end_of_now_reaches_the_first() -> None:
    ends = MeasuredEnds()
    found = []
    for second in range(10):  # ten replies a second, and it is always twenty-five behind
        ends.measured(A0, end(100.0 + second, 10 * second))
        found.append(ends.reached(A0, 10 * second - 25))

    assert found == [None, None, None, end(100.0, 0), None, None, end(103.0, 30), None, None, end(106.0, 60)]


def test_an_end_of_a_topic_that_was_replaced_is_not_reached_in_the_next_one() -> None:
    ends = MeasuredEnds()
    ends.measured(A0, end(110.0, 10))
    assert ends.reached(A0, 5) is None
    ends.measured(A0, end(120.0, 100))  # it is another topic by now, and read from its beginning
    assert ends.reached(A0, 0) is None
    ends.measured(A0, end(121.0, 110))
    assert ends.reached(A0, 20) is None, "ten records of this one prove nothing"
    assert ends.reached(A0, 100) == end(120.0, 100)
