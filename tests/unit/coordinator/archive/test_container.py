"""The format: what goes in comes out, and whatever is damaged says so."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.archive.container import COUNT, Damaged, read_container, write_container
from saga_coordinator.archive.entry import RECORD, SCHEMA, Entry, to_avro
from saga_coordinator.store.port import AttentionRow, JournalRow
from saga_schemas.times import FIRST_US, LAST_US
from support.archived import archived, described, handed_over, saga_id
from support.saga_rows import saga_row

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TIMES = st.integers(FIRST_US, LAST_US)
LONGS = st.integers(-(2**63), 2**63 - 1)
FIELDS: list[Any] = SCHEMA["fields"]
NOTHING = {"type": "record", "name": "Nothing", "fields": []}
INTS = st.integers(-(2**31), 2**31 - 1)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any entry that a store can hold."""
    made = saga_id()
    row = saga_row(
        made,
        definition_id=0,
        tenant=draw(TEXTS),
        business_key=draw(st.none() | TEXTS),
        version=draw(LONGS),
        facts_print=draw(LONGS),
        max_expiry_us=draw(LONGS),
        state=draw(st.binary(max_size=40)),
        tracestate=draw(st.none() | TEXTS),
        baggage=draw(st.none() | TEXTS),
        parent_span=draw(st.none() | TEXTS),
        started_at_us=draw(TIMES),
        closed_at_us=draw(TIMES),
    )
    record = st.builds(
        JournalRow, saga_id=st.just(made), version=LONGS, at_us=TIMES, kind=TEXTS, engine_rev=INTS, format=INTS,
        facts=st.binary(max_size=40), actor=st.none() | TEXTS,
    )  # fmt: skip
    attention = st.builds(AttentionRow, saga_id=st.just(made), step=TEXTS, reason=TEXTS, since_us=TIMES, note=TEXTS)
    saga = handed_over(row, tuple(draw(st.lists(record, max_size=3))), draw(TEXTS))
    return replace(
        described(replace(saga, definition_version=draw(INTS)), view=draw(TEXTS), archived_at_us=draw(TIMES)),
        attention=tuple(draw(st.lists(attention, max_size=2))),
        reader_schemas=draw(st.dictionaries(TEXTS, LONGS, max_size=2)),
        schemas=tuple(draw(st.lists(st.tuples(LONGS, TEXTS), max_size=2))),
    )


@given(st.lists(entries(), max_size=3))
def test_what_is_written_is_read(written: list[Entry]) -> None:
    assert read_container(write_container(written)) == written


SMALL = write_container([described(archived()), described(archived())])


@given(place=st.integers(0, len(SMALL) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_is_seen_or_changes_nothing(place: int, bit: int) -> None:
    """Not all bits count: the sync mark's are compared, the schema's documentation is not read."""
    changed = bytearray(SMALL)
    changed[place] ^= 1 << bit
    try:
        found = read_container(bytes(changed))
    except Damaged:
        return
    assert found == read_container(SMALL)


@given(length=st.integers(0, len(SMALL) - 1))
def test_a_file_that_is_cut_off_is_seen(length: int) -> None:
    with pytest.raises(Damaged):
        read_container(SMALL[:length])


@given(st.binary(max_size=200))
def test_what_is_no_file_is_damaged(content: bytes) -> None:
    for one in (content, b"Obj\x01" + content, SMALL + b"\x02" + content):
        with pytest.raises(Damaged) as damaged:
            read_container(one)
        assert "\n" not in str(damaged.value)


def test_a_file_that_lacks_its_last_block_is_seen() -> None:
    """To Avro such a file is a good one."""
    entry = described(archived(), view="x" * 3_000_000)
    whole = write_container([entry, described(archived())])
    sync = whole[-16:]
    ends = [place + 16 for place in range(len(whole)) if whole.startswith(sync, place)]
    assert len(ends) == 3, "after the header and two blocks"
    cut = whole[: ends[1]]
    assert len(list(fastavro.reader(io.BytesIO(cut)))) == 1

    with pytest.raises(Damaged, match="it has 1 records, and should have 2"):
        read_container(cut)


def test_a_record_that_was_changed_says_so() -> None:
    record = {**to_avro(described(archived())), "check": b"\0" * 32}

    with pytest.raises(Damaged, match="record 1 is not as it was written"):
        read_container(container(SCHEMA, [record]))


def test_records_of_others_are_refused() -> None:
    schema = {"type": "record", "name": "Other", "fields": [{"name": "id", "type": "string"}]}

    with pytest.raises(Damaged, match=r"its records are no saga\.v1\.ArchivedSaga"):
        read_container(container(schema, [{"id": "x"}]))


def test_a_file_without_a_count_is_refused() -> None:
    with pytest.raises(Damaged, match="should have a count"):
        read_container(container(SCHEMA, [], counted=False))


def test_a_block_that_would_fill_the_memory_is_refused() -> None:
    bomb = write_container([described(archived(), view=" " * 5_000_000)])
    assert len(bomb) < 10_000

    with pytest.raises(Damaged, match="take more than 4000000 bytes"):
        read_container(bomb, 4_000_000)


def test_a_schema_that_would_read_for_ever_is_refused() -> None:
    """Items without fields take no bytes: a file of some bytes may say that it has 2^60 of them."""
    fields = [{**field, "type": {"type": "array", "items": NOTHING}} if field["name"] == "journal" else field for field in FIELDS]
    schema = {"type": "record", "name": RECORD, "fields": fields}
    record = {**to_avro(described(archived())), "journal": [{}] * 3}

    with pytest.raises(Damaged, match="its schema is none that this release knows"):
        read_container(container(schema, [record]))


def test_a_file_of_a_later_release_says_so() -> None:
    schema = {"type": "record", "name": RECORD, "fields": [*FIELDS, {"name": "later", "type": "string", "default": ""}]}

    with pytest.raises(Damaged, match="a later one wrote it"):
        read_container(container(schema, [to_avro(described(archived()))]))


def container(schema: Any, records: list[dict[str, Any]], *, counted: bool = True) -> bytes:
    written = io.BytesIO()
    metadata = {COUNT: str(len(records))} if counted else {}
    fastavro.writer(written, fastavro.parse_schema(schema), records, codec="zstandard", metadata=metadata)
    return written.getvalue()
