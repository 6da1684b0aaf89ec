"""What operators read, on both databases: their acts, what needs a person, versions in use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.store_rows import apply, end, register, row_of, save, start
from saga_coordinator.store import oversight
from saga_coordinator.store.port import AttentionRow, AuditFilter, Store

MINE = AuditFilter(tenant="default", limit=3)


async def acts(store: Store, *lines: tuple[str, str, str], tenant: str = "default") -> None:
    async with store.transaction() as tx:
        for act, target, who in lines:
            await tx.add_audit(tenant=tenant, act=act, target=target, who=who, why="why", at_us=tx.now_us)


async def read_all(store: Store, wanted: AuditFilter) -> list[str]:
    """The targets of all pages, newest first."""
    found: list[str] = []
    for _ in range(20):
        page = await store.audit(wanted)
        found += [row.target for row in page.rows]
        if page.next is None:
            return found
        wanted = replace(wanted, before=page.next)
    raise AssertionError("the pages do not end")


async def test_acts_are_read_newest_first_page_by_page(store: Store) -> None:
    await acts(store, *((f"retry {n}", f"s-{n}", "ada" if n % 2 else "bob") for n in range(7)))
    await acts(store, ("cancel", "theirs", "ada"), tenant="other")

    assert await read_all(store, MINE) == [f"s-{n}" for n in (6, 5, 4, 3, 2, 1, 0)]
    assert await read_all(store, replace(MINE, who="ada")) == ["s-5", "s-3", "s-1"]
    first = (await store.audit(MINE)).rows[0]
    assert (first.act, first.target, first.who, first.why) == ("retry 6", "s-6", "bob", "why") and first.at_us > 0


async def test_acts_are_found_by_how_they_begin(store: Store) -> None:
    await acts(store, ("retry charge", "a%b", "ada"), ("Retry", "a_b", "ada"), ("waive ship", "a", "ada"))

    assert await read_all(store, replace(MINE, act="retry")) == ["a%b"]
    assert await read_all(store, replace(MINE, target="a_")) == ["a_b"]
    assert await read_all(store, replace(MINE, target="a%")) == ["a%b"]
    assert await read_all(store, replace(MINE, act="waive", who="bob")) == []


async def test_a_page_looks_at_so_many_acts_and_leads_further(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await acts(store, ("rare", "old", "ada"), *(("common", f"c-{n}", "ada") for n in range(9)))
    monkeypatch.setattr(oversight, "AUDIT_LOOKED_AT", 4)

    page = await store.audit(replace(MINE, act="rare"))

    assert list(page.rows) == [] and page.next is not None
    assert await read_all(store, replace(MINE, act="rare")) == ["old"]


async def test_of_what_is_alike_those_that_wait_longest_come_with_their_number(store: Store) -> None:
    order, refund = await register(store), await register(store, "refund", 3)
    rows = [row_of(order, business_key=f"o-{n}") for n in range(4)] + [row_of(refund), row_of(order)]
    await start(store, *rows)
    for n, row in enumerate(rows[:5]):
        reason = AttentionRow(saga_id=row.id, step="charge", reason="no_answer", since_us=100 - n, note=f"n{n}")
        await apply(store, row.id, more={"attention_added": (reason,)})

    found = await store.alike_attention("default", of_each=2, limit=50)

    assert [(one.definition, one.alike, one.saga_id) for one in found] == [
        ("order", 4, rows[3].id),
        ("order", 4, rows[2].id),
        ("refund", 1, rows[4].id),
    ]
    one = found[0]
    assert (one.step, one.reason, one.since_us, one.note, one.definition_version) == ("charge", "no_answer", 97, "n3", 1)
    assert one.phase == "RUNNING"
    assert len(await store.alike_attention("default", of_each=2, limit=1)) == 1
    assert await store.alike_attention("other", of_each=2, limit=50) == []


async def test_open_sagas_are_counted_by_version(store: Store) -> None:
    first, second = await register(store, version=1), await register(store, version=2)
    rows = [row_of(first), row_of(second), row_of(second), row_of(second)]
    await start(store, *rows)
    await save(store, end(rows[3]))

    assert await store.open_by_version("default", "order") == {1: 1, 2: 2}
    assert await store.open_by_version("default", "refund") == {}
    assert await store.open_by_version("other", "order") == {}
