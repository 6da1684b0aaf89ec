"""What the overview reads, on both databases: figures over time, the longest attention, counts."""

from __future__ import annotations

from typing import Any

from contract.store_rows import move, register, row_of, save, start
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.overview_port import TrafficRow
from saga_coordinator.store.port import AttentionRow, DeadLetter, SagaRow, Store


def traffic_row(minute: int, **columns: Any) -> TrafficRow:
    given = {"minutes": 1, "instance": "token-a", "kind": "definition", "name": "order", "figures": b"{}"}
    return TrafficRow(minute=minute, **{**given, **columns})


async def minutes_of(store: Store, tenant: str = "default", minutes: int = 1) -> list[int]:
    return [row.minute for row in await store.traffic(tenant, minutes, since=0, until=10_000)]


async def test_a_row_is_replaced_by_the_same_process_and_not_by_another(store: Store) -> None:
    first, second = traffic_row(5, figures=b"1"), traffic_row(5, instance="token-b", figures=b"2")
    await store.write_traffic("default", [first, second, traffic_row(5, minutes=15, figures=b"3")])
    await store.write_traffic("default", [traffic_row(5, figures=b"\x00\xff")])

    found = await store.traffic("default", 1, since=5, until=6)
    assert sorted(found, key=lambda row: row.instance) == [traffic_row(5, figures=b"\x00\xff"), second]


async def test_rows_are_read_by_their_length_their_minutes_and_their_tenant(store: Store) -> None:
    await store.write_traffic("default", [traffic_row(minute) for minute in (4, 5, 6, 7)])
    await store.write_traffic("default", [traffic_row(0, minutes=15)])
    await store.write_traffic("another", [traffic_row(6)])

    assert [row.minute for row in await store.traffic("default", 1, since=5, until=7)] == [5, 6]
    assert await minutes_of(store, minutes=15) == [0]
    assert await minutes_of(store, "another") == [6]


async def test_old_rows_are_removed_each_length_by_its_own_time(store: Store) -> None:
    for minutes in (1, 15):
        await store.write_traffic("default", [traffic_row(minute, minutes=minutes) for minute in (15, 30, 45)])
    await store.write_traffic("another", [traffic_row(15)])

    assert await store.forget_traffic("default", {1: 45, 15: 30}) == 3
    assert await store.forget_traffic("default", {1: 45, 15: 30}) == 0
    assert (await minutes_of(store), await minutes_of(store, minutes=15)) == ([45], [30, 45])
    assert await minutes_of(store, "another") == [15]


async def begun(store: Store, count: int, **columns: Any) -> list[SagaRow]:
    known = await store.definitions("default")
    definition = known[0].id if known else await register(store)
    rows = [row_of(definition, id=new_id(1_000_000 + number), **columns) for number in range(count)]
    await start(store, *rows)
    return rows


async def test_what_has_needed_a_person_longest_comes_first(store: Store) -> None:
    rows = await begun(store, 3)
    for row, since_us in zip(rows, (30, 10, 20), strict=True):
        raised = AttentionRow(saga_id=row.id, step="charge", reason="no_answer", since_us=since_us, note="")
        await save(store, move(row, more={"attention_added": (raised,)}))

    found = await store.longest_attention("default", 2)
    assert [(one.saga_id, one.since_us, one.step, one.reason) for one in found] == [
        (rows[1].id, 10, "charge", "no_answer"),
        (rows[2].id, 20, "charge", "no_answer"),
    ]
    assert {one.phase for one in found} == {rows[1].phase}
    assert await store.longest_attention("another", 2) == []


async def test_open_sagas_are_told_and_finished_ones_are_not(store: Store) -> None:
    rows = await begun(store, 3)
    await save(store, move(rows[0], phase="COMPLETED", wake_at_us=None, closed_at_us=5))

    assert await store.open_saga_ids("default", 10) == [row.id for row in rows[1:]]
    assert len(await store.open_saga_ids("default", 1)) == 1
    assert await store.open_saga_ids("another", 10) == []


async def test_dead_letters_are_counted_by_their_time(store: Store) -> None:
    async with store.transaction() as tx:
        letters = [
            DeadLetter(
                id=new_id(at_us),
                consumer="replies",
                topic="t",
                partition=0,
                offset=at_us,
                at_us=at_us,
                reason="r",
                detail="",
                key=None,
                value=None,
                headers=b"",
                relayed=True,
            )
            for at_us in (1_000_000, 2_000_000, 3_000_000)
        ]
        await tx.add_dead_letters(letters)
    assert [await store.dead_letters_since(us) for us in (0, 2_000_000, 4_000_000)] == [3, 2, 0]


async def test_live_instances_are_those_that_said_so_a_moment_ago(store: Store) -> None:
    await store.claim_instance("b", stale_s=20)
    await store.claim_instance("a", stale_s=20)
    assert [one.name for one in await store.live_instances(stale_s=20)] == ["a", "b"]
    await store.release_instance("a")
    assert [one.name for one in await store.live_instances(stale_s=20)] == ["b"]
    assert await store.live_instances(stale_s=-20) == []


async def test_a_database_takes_some_place(store: Store) -> None:
    assert await store.size_bytes() > 10_000
