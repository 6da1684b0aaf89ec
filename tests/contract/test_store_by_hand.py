"""Rows edited by hand, and rows no release would write: refused by the database, or a clear error
that quotes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from contract.store_rows import apply, by_hand, move, outbox, register, row_of, save, start, step_to
from saga_coordinator.store.port import BadRow, Store, StoreError


@pytest.fixture(params=["sqlite_url", "database_url"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A fresh database: these tests edit its schema."""
    return str(request.getfixturevalue(request.param))


IMPOSSIBLE = [
    "UPDATE saga SET phase = 'BOGUS'",
    "UPDATE saga SET phase = 'COMPLETED'",
    "UPDATE saga SET wake_at = NULL",
    "UPDATE saga SET version = 0",
    "UPDATE saga SET trace_id = 'short'",
    "UPDATE saga SET state = NULL",
    "UPDATE saga_listing SET phase = 'BOGUS'",
    "UPDATE consumed SET next_offset = -1",
    "INSERT INTO meta (id, cluster_id, incarnation, feature_level) VALUES (2, 'x', 1, 1)",
]


async def test_the_database_itself_refuses_a_row_that_cannot_be(store: Store, store_url: str) -> None:
    await start(store, row_of(await register(store)))
    async with store.transaction() as transaction:
        await transaction.advance([step_to(5, after=0)])
    for edit in IMPOSSIBLE:
        with pytest.raises(IntegrityError):
            await by_hand(store_url, edit)


async def without_checks(store: Store, url: str, edit: str) -> None:
    """As somebody would who insists."""
    if store.dialect == "sqlite":
        await by_hand(url, "PRAGMA ignore_check_constraints = ON", edit)
    else:
        await by_hand(url, "ALTER TABLE saga DROP CONSTRAINT saga_phase", "ALTER TABLE saga DROP CONSTRAINT saga_closed", edit)


async def test_a_phase_nobody_knows_is_a_clear_error_for_that_saga_alone(store: Store, store_url: str) -> None:
    definition = await register(store)
    broken, fine = row_of(definition), row_of(definition)
    await start(store, broken, fine)
    literal = f"X'{broken.id.hex}'" if store.dialect == "sqlite" else f"'{broken.id}'"
    await without_checks(store, store_url, f"UPDATE saga SET phase = 'BOGUS' WHERE id = {literal}")
    with pytest.raises(BadRow, match=f"table saga, row {broken.id}: 'BOGUS' is no phase"):
        await store.saga(broken.id)
    with pytest.raises(BadRow, match=str(broken.id)):
        await apply(store, fine.id, broken.id)
    await apply(store, fine.id)


async def test_reader_schemas_that_are_no_json_are_a_clear_error(store: Store, store_url: str) -> None:
    await register(store)
    for broken in ("{", "[]", '{"a": "b"}'):
        await by_hand(store_url, f"UPDATE definition SET reader_schemas = '{broken}'")
        with pytest.raises(BadRow, match="table definition, row 1"):
            await store.definitions("default")


async def test_a_journal_record_put_in_by_hand_stops_that_saga(store: Store, store_url: str) -> None:
    row = row_of(await register(store))
    await start(store, row)
    literal = f"X'{row.id.hex}'" if store.dialect == "sqlite" else f"'{row.id}'"
    empty = "X''" if store.dialect == "sqlite" else "''"
    await by_hand(
        store_url,
        f"INSERT INTO journal (saga_id, version, at, kind, engine_rev, format, facts) VALUES ({literal}, 2, 0, 'x', 1, 1, {empty})",
    )
    with pytest.raises(StoreError, match="journal"):
        await apply(store, row.id)
    assert await store.saga(row.id) == row


@pytest.mark.parametrize("value", ["\x00", "\ud800"], ids=["NUL", "lone surrogate"])
async def test_text_the_database_cannot_hold_is_refused_or_kept_whole(store: Store, value: str) -> None:
    row = row_of(await register(store), baggage=value)
    (refused,) = await asyncio.gather(start(store, row), return_exceptions=True)
    if refused is None:
        assert await store.saga(row.id) == row
    else:
        assert isinstance(refused, BadRow)
        assert value not in str(refused)
        assert await store.saga(row.id) is None


async def test_errors_never_quote_a_row(store: Store) -> None:
    row = row_of(await register(store), state=b"secret", business_key="secret-key", version=1)
    await start(store, row)
    for bad in (row, replace(row, max_expiry_us=2**70, id=row_of(1).id), replace(row, id=row_of(1).id, phase="secret")):
        with pytest.raises(StoreError) as refused:
            await start(store, bad)
        assert "secret" not in str(refused.value)


async def test_an_outbox_pointer_is_written_once(store: Store) -> None:
    row = row_of(await register(store))
    await start(store, row)
    pointer = outbox(row.id, 2)
    with pytest.raises(StoreError, match="outbox"):
        await save(store, move(row, more={"outbox": (pointer, pointer)}))
