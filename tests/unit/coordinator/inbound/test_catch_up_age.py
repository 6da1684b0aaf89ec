"""How old the knowledge is that replies are read."""

from __future__ import annotations

from saga_coordinator.inbound.catch_up_age import CatchUpAge
from saga_coordinator.inbound.partition_reader import Place
from saga_messaging.broker import TopicPartition

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)


def at(**offsets: int) -> dict[TopicPartition, Place]:
    return {{"a0": A0, "a1": A1, "b0": B0}[name]: Place(next_offset=0, read_to=offset) for name, offset in offsets.items()}


def test_a_partition_that_was_just_taken_is_as_old_as_that() -> None:
    age = CatchUpAge()

    assert age.by_topic(at(a0=0), 100.0) == {"a": 0.0}
    assert age.by_topic(at(a0=0), 107.0) == {"a": 7.0}


def test_read_to_the_end_it_is_as_old_as_the_measurement() -> None:
    age = CatchUpAge()
    age.by_topic(at(a0=0), 100.0)
    age.measured(A0, 110.0, 5)

    assert age.by_topic(at(a0=5), 111.0) == {"a": 1.0}


def test_under_load_the_end_of_then_is_reached_later() -> None:
    age = CatchUpAge()
    age.by_topic(at(a0=0), 100.0)
    age.measured(A0, 110.0, 50)
    assert age.by_topic(at(a0=40), 111.0) == {"a": 11.0}
    age.measured(A0, 112.0, 90)  # the position is never at the end of now

    assert age.by_topic(at(a0=60), 113.0) == {"a": 3.0}
    age.measured(A0, 114.0, 130)
    assert age.by_topic(at(a0=100), 115.0) == {"a": 5.0}
    assert age.by_topic(at(a0=130), 116.0) == {"a": 2.0}


def test_the_worst_partition_speaks_for_its_topic() -> None:
    age = CatchUpAge()
    age.by_topic(at(a0=0, a1=0, b0=0), 100.0)
    for partition in (A0, A1, B0):
        age.measured(partition, 105.0, 3)

    assert age.by_topic(at(a0=3, a1=2, b0=3), 106.0) == {"a": 6.0, "b": 1.0}


def test_what_is_no_longer_ours_or_was_replaced_is_forgotten() -> None:
    age = CatchUpAge()
    age.by_topic(at(a0=0, b0=0), 100.0)
    age.measured(A0, 101.0, 1)
    age.measured(B0, 101.0, 1)
    age.replaced(A0)

    assert age.by_topic(at(a0=1), 103.0) == {"a": 3.0}
    assert age.by_topic(at(a0=1, b0=1), 104.0) == {"a": 4.0, "b": 0.0}
