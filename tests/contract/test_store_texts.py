"""Whatever somebody says, both databases take it once it has passed `storable_text`, and give it
back as it was written."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contract.store_rows import by_hand, new_id, register, row_of, start_of
from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.store.columns import storable_text
from saga_coordinator.store.port import AttentionRow, Store
from saga_messaging.broker import Record
from saga_schemas.errors import BadMessage

TEXTS = st.text(st.characters(exclude_categories=()), max_size=40)
RECORD = Record(topic="t", partition=0, offset=0, timestamp_ms=0, key=b"\0", value=b"\0", headers=(("a\0b\ud800", b"\0\xff"),))


@given(TEXTS)
@example("no\0 way\ud800")
def test_only_what_no_database_takes_is_replaced_and_nothing_else(text: str) -> None:
    made = storable_text(text)
    assert len(made) == len(text)
    for before, after in zip(text, made, strict=True):
        assert after == ("\ufffd" if before == "\0" or "\ud800" <= before <= "\udfff" else before)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
@example(text="no\0 way\ud800")
async def test_every_text_that_others_write_can_be_kept(store: Store, store_url: str, text: str) -> None:
    """The columns that hold what participants, operators and broken records say."""
    definition = await register(store)
    row = row_of(definition)
    note = AttentionRow(saga_id=row.id, step="one", reason="rejected", since_us=1, note=storable_text(text))
    letter = dead_letter("replies", RECORD, BadMessage("header_invalid", text), 1)
    who = f"{time.monotonic_ns()}"
    async with store.transaction() as tx:
        await tx.save([start_of(row, attention_added=(note,))])
        await tx.add_dead_letters([letter])
        await tx.add_audit(tenant="default", act="cancel", target=str(row.id), who=who, why=storable_text(text), at_us=1)
        await tx.set_control(
            scope="s", tenant="t", name=str(new_id()), value=storable_text(text), who=who, why=storable_text(text)
        )
    assert await store.attention_of(row.id) == [note]
    assert await store.dead_letter(letter.id) == letter
    assert [tuple(one) for one in await by_hand(store_url, f"SELECT why FROM audit WHERE who = '{who}'")] == [
        (storable_text(text),)
    ]
