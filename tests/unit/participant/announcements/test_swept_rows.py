"""A page of a sweep: within a message's bounds, whatever the rows hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_participant.announcements.swept_rows import page
from saga_participant.barrier.entry import Entry, Stored
from saga_participant.barrier.table import Row
from saga_schemas.ids import uuid7
from saga_schemas.limits import PAYLOAD_BYTES, SWEEP_ROWS
from saga_schemas.outcomes import RowState
from saga_schemas.records import Sweep, SweepPosition, SweptRow, SweptRows, encode_own, read_own

ASKED = b"a" * 32
STEP = "s" * 63 + "[999999]"
ENTRY = Entry(
    saga_id=uuid7(1_762_179_906_000_000, bytes(10)),
    step=STEP,
    tenant="default",
    row=Row(state=RowState.DONE, run=2**31 - 1, incarnation=1),
    definition_hash="ab" * 32,
)


def entries(count: int, size: int) -> list[Entry]:
    """Rows of a command and a reply of this size each."""
    filled = replace(ENTRY, action_command=b"c" * size, action=Stored(record="r" * 256, payload=b"p" * size))
    return [replace(filled, saga_id=uuid7(1_762_179_906_000_000 + number, bytes(10))) for number in range(count)]


@pytest.mark.parametrize("size", [0, 30, 5000, PAYLOAD_BYTES // 2, PAYLOAD_BYTES])
def test_every_row_comes_in_some_page_that_fits(size: int) -> None:
    waiting = entries(SWEEP_ROWS + 1, size) if size < 100 else entries(7, size)
    told: list[SweptRow] = []
    after: SweepPosition | None = None
    while True:
        sweep = Sweep.of(after=after, limit=SWEEP_ROWS, detail=True)
        made = page(waiting[: sweep.limit + 1], sweep, limit=sweep.limit, asked=ASKED)
        assert read_own(encode_own(made), SweptRows) == made
        told += made.rows
        if made.next is None:
            break
        assert made.next == SweepPosition(saga_id=made.rows[-1].saga_id, step=STEP)
        waiting, after = waiting[len(made.rows) :], made.next

    assert [row.saga_id for row in told] == [
        entry.saga_id for entry in (entries(SWEEP_ROWS + 1, 0) if size < 100 else entries(7, 0))
    ]
    assert all(row.definition_hash == "ab" * 32 for row in told)
    assert {len(row.command or b"") for row in told} == {size if size < PAYLOAD_BYTES else 0}
    assert {row.action_reply is None for row in told} == {size >= PAYLOAD_BYTES // 2}


def test_a_page_says_where_the_next_one_begins_only_if_there_is_more() -> None:
    sweep = Sweep.of(limit=2)

    assert page(entries(3, 0), sweep, limit=2, asked=ASKED).next == SweepPosition(saga_id=entries(2, 0)[1].saga_id, step=STEP)
    assert page(entries(2, 0), sweep, limit=2, asked=ASKED).next is None
    assert page([], sweep, limit=2, asked=ASKED) == SweptRows(rows=(), asked=ASKED)
