"""Sets of batches, good and bad: what can be read is kept as it was, what cannot is told of, and
aiokafka reads what comes out."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from functools import partial

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from saga_messaging.broker import Record, TopicPartition
from saga_messaging.kafka import codecs
from saga_messaging.kafka.record_sets import mended
from saga_messaging.kafka.record_walk import KNOWN_VALUE_BYTES, LARGEST_RECORD_BYTES
from saga_messaging.kafka.varints import varint
from saga_schemas.varints import encoded
from support.record_batches import CODECS, Batch, Raw, a_set

SOURCE = TopicPartition("saga.start", 3)
GOOD = Batch([Raw(value=b"one", headers=[(b"h", b"x"), (b"null", None)]), Raw(key=None, value=None)])
BAD_NAME = Raw(key=b"key", value=b"known", headers=[(b"ok", b"1"), (b"caf\xe9", b"2")])
NULL_NAME = Raw(headers=[(None, b"x")])
Told = list[tuple[int, bytes | None] | tuple[int, int, str]]


def read(raw: bytes, *, position: int = 0, end: int = 1_000) -> tuple[Told, int]:
    """What aiokafka makes of the set: (offset, value), or (first, last offset, reason) of what
    could not be read; and the next offset."""
    whole, broken = mended(raw, source=SOURCE, position=position, end=end)
    records = MemoryRecords(whole)
    if not records.has_next():
        assert not whole
        return [], position
    found = PartitionRecords(KafkaPartition("t", 0), records, [], position, None, None, True, READ_COMMITTED)
    told: Told = []
    for record in found:
        lost = broken.get(record.offset)
        told.append((record.offset, record.value) if lost is None else fault_of(lost))
    return told, found.next_fetch_offset


def fault_of(record: Record) -> tuple[int, int, str]:
    assert record.fault is not None
    return record.offset, record.fault.last_offset, record.fault.reason


def test_a_set_in_order_is_passed_on_as_the_very_same_bytes() -> None:
    raw = a_set(GOOD, GOOD)
    assert mended(raw, source=SOURCE, position=0, end=4) == (raw, {})
    assert mended(raw, source=SOURCE, position=0, end=4)[0] is raw
    assert mended(b"", source=SOURCE, position=7, end=7) == (b"", {})


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read(codec: str) -> None:
    assert read(a_set(Batch([Raw(value=b"x" * 500), Raw(value=b"y")], codec=codec), GOOD)) == (
        [(0, b"x" * 500), (1, b"y"), (2, b"one"), (3, None)],
        4,
    )


def test_bytes_behind_a_gzip_stream_which_brokers_let_pass_do_no_harm() -> None:
    assert read(a_set(Batch([Raw(value=b"a")], codec="gzip", spoilt=lambda content: content + b"more"))) == ([(0, b"a")], 1)
    twice = Batch([Raw(value=b"a")], codec="gzip", spoilt=lambda content: content + gzip.compress(b""))
    assert read(a_set(twice)) == ([(0, b"a")], 1)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("bad", [BAD_NAME, NULL_NAME])
def test_one_record_that_cannot_be_read_is_stepped_over_alone(codec: str, bad: Raw) -> None:
    told, behind = read(a_set(Batch([Raw(value=b"a"), bad, Raw(value=b"b")], codec=codec), GOOD))
    assert told == [(0, b"a"), (1, 1, "unreadable_record"), (2, b"b"), (3, b"one"), (4, None)]
    assert behind == 5


def test_what_is_known_of_a_record_that_cannot_be_read_is_told() -> None:
    _, broken = mended(a_set(Batch([BAD_NAME])), source=SOURCE, position=0, end=1)
    record = broken[0]
    assert (record.topic, record.partition, record.offset) == ("saga.start", 3, 0)
    assert (record.key, record.value) == (b"key", b"known")
    assert record.headers == (("ok", b"1"), ("caf\\xe9", b"2"))
    assert record.fault is not None
    assert record.fault.detail == "the name of a header is not UTF-8"


COMPRESSED = [codec for codec in CODECS if codec != "plain"]
WHOLE: dict[str, Callable[[], Batch]] = {
    "checksum": lambda: Batch([Raw(), Raw()], checksum_off=1),
    "format": lambda: Batch([Raw(), Raw()], magic=5),
    "unknown codec": lambda: Batch([Raw(), Raw()], attributes=6),
    "offsets out of order": lambda: Batch([Raw(delta=1), Raw(delta=0)]),
    "an offset beyond its batch": lambda: Batch([Raw(), Raw(delta=9)]),
    "a count that makes no sense": lambda: Batch([Raw(), Raw()], count=-1, last_delta=1),
    **{f"{codec} cut off": partial(Batch, [Raw()] * 2, codec, spoilt=lambda content: content[:-2]) for codec in COMPRESSED},
    **{
        f"{codec} garbled": partial(Batch, [Raw()] * 2, codec, spoilt=lambda content: b"?!" * len(content))
        for codec in COMPRESSED
    },
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_batch_that_cannot_be_read_is_stepped_over_as_a_whole(kind: str) -> None:
    assert read(a_set(GOOD, WHOLE[kind](), GOOD)) == (
        [(0, b"one"), (1, None), (2, 3, "unreadable_batch"), (4, b"one"), (5, None)],
        6,
    )


def test_a_record_whose_length_makes_no_sense_takes_what_follows_it_in_its_batch_along() -> None:
    cut = Batch([Raw(value=b"a"), Raw(), Raw()], spoilt=lambda content: content[: len(Raw().encoded(0)) + 1] + b"\xff\x01")
    told, behind = read(a_set(cut, GOOD))
    assert told == [(0, b"a"), (1, 2, "unreadable_record"), (3, b"one"), (4, None)]
    assert behind == 5


@pytest.mark.parametrize("codec", ["plain", "zstd"])
def test_of_a_record_that_is_too_large_only_a_bounded_part_is_kept(codec: str) -> None:
    large = Raw(key=b"k" * 5_000, value=b"x" * (20 * LARGEST_RECORD_BYTES), headers=[(b"h", b"y" * 100_000)])
    whole, broken = mended(a_set(Batch([large, Raw(value=b"b")], codec=codec)), source=SOURCE, position=0, end=2)
    assert len(whole) < 1_000
    assert fault_of(broken[0]) == (0, 0, "too_large")
    assert (len(broken[0].key or b""), len(broken[0].value or b""), broken[0].headers) == (1024, KNOWN_VALUE_BYTES, ())
    assert read(a_set(Batch([large, Raw(value=b"b")], codec=codec)))[0] == [(0, 0, "too_large"), (1, b"b")]


@pytest.mark.parametrize("codec", COMPRESSED)
def test_a_batch_that_grows_without_measure_is_not_read(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "INFLATED_BYTES", 1_000_000)
    bomb = Batch([Raw(value=b"\0" * 3_000_000)], codec=codec)
    assert read(a_set(bomb, GOOD))[0] == [(0, 0, "unreadable_batch"), (1, b"one"), (2, None)]
    _, broken = mended(a_set(bomb), source=SOURCE, position=0, end=1)
    assert broken[0].fault is not None
    assert "grows beyond" in broken[0].fault.detail


def test_markers_empty_batches_and_gaps_are_normal_life() -> None:
    marker = Batch([Raw(key=b"\0\0\0\1", value=b"\0\0\0\0\0\0")], attributes=0x30, producer=(7, 0, -1))
    no_marker = Batch([], attributes=0x30, producer=(7, 0, -1), last_delta=0)  # what compaction leaves of one
    emptied = Batch([], last_delta=4)
    with_gap = Batch([Raw(value=b"a", delta=1), Raw(value=b"b", delta=5)], last_delta=7)
    assert read(a_set(marker, no_marker, emptied, with_gap, GOOD)) == ([(8, b"a"), (12, b"b"), (15, b"one"), (16, None)], 17)
    assert read(a_set(emptied)) == ([], 5)


def test_a_batch_cut_off_by_the_broker_waits_for_the_next_answer() -> None:
    raw = a_set(GOOD, GOOD)
    for missing in range(1, len(raw) // 2 + 1):
        assert read(raw[:-missing]) == ([(0, b"one"), (1, None)], 2)


@pytest.mark.parametrize("length", [-5, 0, 3, 2**31 - 1])
def test_a_batch_whose_length_makes_no_sense_is_left_behind(length: int) -> None:
    lost = bytearray(GOOD.at(40).encoded())
    lost[8:12] = struct.pack(">i", length)
    raw = a_set(GOOD) + bytes(lost) + GOOD.at(42).encoded()
    assert read(raw) == ([(0, b"one"), (1, None)], 2)
    assert read(raw[len(a_set(GOOD)) :], position=40) == ([(40, 41, "unreadable_batch")], 42)


@pytest.mark.parametrize(
    ("claimed", "behind"), [(1, 12), (0, 11), (-3, 11), (2**31 - 1, 30)], ids=["believed", "one", "backward", "beyond the end"]
)
def test_reading_goes_on_even_where_the_header_of_a_batch_is_garbage(claimed: int, behind: int) -> None:
    lost = Batch([Raw(), Raw()], base=10, last_delta=claimed, checksum_off=1)
    told, reached = read(lost.encoded(), position=10, end=30)
    assert told == [(10, behind - 1, "unreadable_batch")]
    assert reached == behind


def test_a_batch_nobody_asked_for_does_not_take_reading_back() -> None:
    assert read(GOOD.encoded() + GOOD.at(9).encoded(), position=5) == ([(9, b"one"), (10, None)], 11)
    assert read(GOOD.encoded(), position=5)[1] > 5


@pytest.mark.parametrize("magic", [0, 1])
def test_the_old_formats_are_read_and_do_no_harm(magic: int) -> None:
    def legacy(offset: int) -> bytes:
        builder = LegacyRecordBatchBuilder(magic, 0, 1024)
        builder.append(offset, timestamp=5, key=b"k", value=b"old")
        return bytes(builder.build())

    spoilt = bytearray(legacy(1))
    spoilt[-1] ^= 1
    assert read(legacy(0) + legacy(1)) == ([(0, b"old"), (1, b"old")], 2)
    assert read(bytes(spoilt) + legacy(2), position=1) == ([(1, 1, "unreadable_batch")], 2)
    assert read(legacy(0) + bytes(spoilt)) == ([(0, b"old")], 1)
    assert read(legacy(0) + GOOD.at(1).encoded()) == ([(0, b"old")], 1)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_varint_is_read_as_it_was_written(number: int) -> None:
    content = encoded(number)
    assert varint(memoryview(content), 0, len(content)) == (number, len(content))


CONTENTS = st.binary(max_size=30) | st.none()
RAWS = st.builds(Raw, CONTENTS, CONTENTS, st.lists(st.tuples(CONTENTS, CONTENTS), max_size=3), st.none() | st.integers(-1, 4))
BATCHES = st.builds(
    Batch,
    st.lists(RAWS, max_size=4),
    st.sampled_from(list(CODECS)),
    attributes=st.sampled_from([0, 0, 0, 0x10, 0x30, 0x08, 6]),
    magic=st.sampled_from([2, 2, 2, 2, 1, 0, 3, -1]),
    count=st.none() | st.integers(-1, 5),
    last_delta=st.none() | st.integers(-2, 9),
    producer=st.just((-1, -1, -1)) | st.just((7, 0, 0)),
    checksum_off=st.sampled_from([0, 0, 0, 1]),
)


@given(
    st.lists(BATCHES, min_size=1, max_size=4),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), max_size=3),
    st.integers(0, 40),
)
def test_whatever_the_bytes_aiokafka_reads_to_the_end_and_goes_forward(
    batches: list[Batch], position: int, flips: list[tuple[int, int]], missing: int
) -> None:
    raw = bytearray(a_set(*batches))
    for at, bits in flips:
        raw[at % len(raw)] ^= bits
    told, behind = read(bytes(raw[: len(raw) - missing]), position=position, end=position + 60)
    reached = position
    for first, *rest in told:
        assert first >= reached
        reached = (rest[0] if len(rest) == 2 else first) + 1  # type: ignore[operator]
    assert behind >= reached
    assert behind > position or not raw[: len(raw) - missing]


@given(st.binary(max_size=300), st.integers(0, 5))
def test_garbage_is_stepped_over(raw: bytes, position: int) -> None:
    _, behind = read(raw, position=position, end=position + 5)
    assert behind > position or not raw
