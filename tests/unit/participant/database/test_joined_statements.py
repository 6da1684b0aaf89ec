"""Statements with literals: nothing that could end a literal early is ever written into one."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from saga_participant.barrier.entry import Entry, Stored
from saga_participant.barrier.table import Row
from saga_participant.database.joined_statements import LARGEST_BYTES, LOCK_TABLE, claim_of, save_of
from saga_schemas.outcomes import RowState

FRESH = Entry(
    saga_id=UUID(int=7),
    step="pay",
    tenant="default",
    row=Row(state=RowState.DONE, run=1, incarnation=2),
    expires_at_us=1_790_000_000_000_000,
)
LITERAL = r"(?:NULL|\d+|'[A-Za-z0-9_.\[\]-]*'|E'\\\\x[0-9a-f]*')"
CLAIM = re.compile(rf"BEGIN; {LOCK_TABLE}; EXECUTE saga_claim_[0-9a-f]{{12}}\({LITERAL}(, {LITERAL}){{7}}\)")
SAVE = re.compile(rf"EXECUTE saga_save_[0-9a-f]{{12}}\({LITERAL}(, {LITERAL}){{11}}\)")


@given(st.text(), st.text())
def test_a_claim_is_literals_or_nothing(step: str, tenant: str) -> None:
    statements = claim_of(replace(FRESH, step=step, tenant=tenant))
    assert statements is None or CLAIM.fullmatch(statements)


@given(st.text(), st.text(), st.binary(max_size=64), st.sampled_from([None, "1", "18446744073709551615"]))
def test_a_saving_is_literals_or_nothing(step: str, record: str, payload: bytes, xid: str | None) -> None:
    reply = Stored(record=record, payload=payload)
    statements = save_of(replace(FRESH, step=step, action=reply, undo=reply), replace(FRESH, step=step), xid)
    assert statements is None or SAVE.fullmatch(statements)


def test_usual_values_are_written() -> None:
    assert claim_of(replace(FRESH, step="pay[3]", tenant="shop.eu-1")) is not None
    reply = Stored(record="shop.v1.CardCharged", payload=b"\0\xff")
    done = replace(FRESH, action=reply, action_command=b"\1", definition_hash="ab" * 32)
    statements = save_of(done, FRESH, None)
    assert statements is not None
    assert rf"'shop.v1.CardCharged', E'\\x00ff', NULL, NULL, E'\\x01', E'\\x{'ab' * 32}', NULL)" in statements


def test_what_is_not_written_there_may_not_have_changed() -> None:
    reply = Stored(record="shop.v1.CardCharged", payload=b"\0")
    for changed in (
        replace(FRESH, progress_seq=1),
        replace(FRESH, lease_until_us=5),
        replace(FRESH, expires_at_us=5),
        replace(FRESH, tenant="other"),
        replace(FRESH, row=replace(FRESH.row, wish=1)),
    ):
        assert save_of(changed, FRESH, None) is None
    assert save_of(replace(FRESH, action=reply), FRESH, None) is not None


def test_a_long_reply_or_command_is_not_written_in_hexadecimal() -> None:
    long = Stored(record="shop.v1.CardCharged", payload=bytes(LARGEST_BYTES + 1))
    assert save_of(replace(FRESH, action=long), FRESH, None) is None
    assert save_of(replace(FRESH, action_command=long.payload), FRESH, None) is None
