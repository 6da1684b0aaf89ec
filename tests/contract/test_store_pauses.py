"""Rows of paused definitions and participants, the sagas that they hold, and restarts."""

from __future__ import annotations

from dataclasses import replace

from contract.store_rows import claim, end, new_id, register, row_of, save, start, start_of
from saga_coordinator.store.pause_port import CONTROL_SCOPES, PauseRow, PauseScope
from saga_coordinator.store.port import SagaRow, Store
from saga_coordinator.store.removal_port import RESTART_SOURCE


async def note(store: Store, scope: PauseScope, name: str, value: str, tenant: str = "default") -> None:
    async with store.transaction() as tx:
        await tx.set_control(scope=CONTROL_SCOPES[scope], tenant=tenant, name=name, value=value, who="ada", why="down")


async def test_rows_are_read_with_who_and_why_and_of_one_tenant(store: Store) -> None:
    await note(store, "participant", "payment", "1")
    await note(store, "definition", "order", "2")
    await note(store, "definition", "order", "3")
    await note(store, "definition", "order", "other", tenant="other")
    order = PauseRow(scope="definition", name="order", value="3", who="ada", why="down")
    payment = PauseRow(scope="participant", name="payment", value="1", who="ada", why="down")
    assert await store.pause_rows("default") == [order, payment]
    async with store.transaction() as tx:
        assert await tx.pause_row("default", "definition", "order") == order
        assert await tx.pause_row("default", "participant", "order") is None
    look = await store.look("default", frozenset(CONTROL_SCOPES.values()))
    assert look.control == {"paused definition": {"order": "3"}, "paused participant": {"payment": "1"}}


async def test_open_sagas_of_definitions_come_in_order_and_by_pages(store: Store) -> None:
    ids = {name: await register(store, name) for name in ("order", "trip", "visit")}
    rows: list[SagaRow] = [row_of(ids[name]) for name in ("order", "trip", "visit", "order", "trip")]
    async with store.transaction() as tx:
        await tx.save([start_of(row, relist=True) for row in rows])
    await save(store, end(rows[0]))
    wanted = sorted(row.id for row in (rows[1], rows[3], rows[4]))
    assert await store.open_sagas("default", ["order", "trip"], after=None, limit=10) == wanted
    assert await store.open_sagas("default", ["order", "trip"], after=wanted[0], limit=1) == [wanted[1]]
    assert await store.open_sagas("default", ["order", "trip"], after=wanted[-1], limit=1) == []
    assert await store.open_sagas("default", [], after=None, limit=1) == []
    assert await store.open_sagas("other", ["order"], after=None, limit=1) == []


async def test_a_restarted_saga_knows_the_saga_that_it_became(store: Store) -> None:
    old, anew = new_id(), row_of(await register(store))
    await start(store, anew)
    async with store.transaction() as tx:
        await tx.claim_starts([replace(claim(str(old), saga=anew.id), source=RESTART_SOURCE)])
    assert await store.restarted_as("default", old) == anew.id
    assert await store.restarted_as("default", anew.id) is None
    assert await store.restarted_as("other", old) is None
