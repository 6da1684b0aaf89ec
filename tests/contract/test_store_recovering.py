"""The sagas that recover after a restore: whom they wait for, and the end of it, noted once."""

from __future__ import annotations

from contract.store_rows import end, new_id, register, row_of, save, start
from saga_coordinator.store.port import Store


async def test_whom_they_wait_for_is_counted_while_they_are_open(store: Store) -> None:
    definition = await register(store)
    first, second, third = sagas = [row_of(definition) for _ in range(3)]
    await start(store, *sagas)
    async with store.transaction() as tx:
        await tx.note_recovering({first.id: "", second.id: "payment", third.id: "inventory,payment", new_id(): "nobody"})
    assert await store.recovering() == {"": 1, "payment": 1, "inventory,payment": 1}, "a saga that is gone counts no more"
    async with store.transaction() as tx:
        await tx.note_recovering({first.id: "payment", third.id: None, new_id(): None})
    assert await store.recovering() == {"payment": 2}
    await save(store, end(second))
    assert await store.recovering() == {"payment": 1}


async def test_its_end_is_noted_once_for_each_incarnation(store: Store) -> None:
    assert [await store.end_recovery("default", 9) for _ in range(2)] == [True, False]
    assert [await store.end_recovery("default", 11) for _ in range(2)] == [True, False]
    assert (await store.control("recovery", "default"))["answered"] == "11"
