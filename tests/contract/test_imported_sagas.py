"""Imported sagas in a store of either kind: apart from its own, whole files or none."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest

from contract.store_rows import by_hand, register, row_of, start
from saga_coordinator.archive.container import read_container, write_container
from saga_coordinator.archive.entry import Entry
from saga_coordinator.archive.importing import Imported, ImportRefused, entry_of, import_entries
from saga_coordinator.store.auditing_port import Table
from saga_coordinator.store.port import ListFilter, Store
from support.archived import NOON_US, archived, described

MINE = ListFilter(tenant="default")


async def taken(store: Store, *entries: Entry, tenant: str = "default") -> Imported:
    read = read_container(write_container(entries))
    return await import_entries(store, read, tenant=tenant, who="ada", why="incident 4711")


async def ids_of(store: Store, wanted: ListFilter) -> list[UUID]:
    return [one.id for one in (await store.list_sagas(wanted))[0]]


async def test_what_is_imported_is_kept_whole(store: Store) -> None:
    entry = described(archived())

    done = await taken(store, entry)

    assert done == Imported(taken=(entry.id,), known=())
    (stored,) = (await store.imported("default", [entry.id])).values()
    row = replace(entry.saga.row, definition_id=0)
    assert entry_of(stored) == replace(entry, saga=replace(entry.saga, row=row))
    assert (stored.who, stored.cluster_id) == ("ada", entry.cluster_id)
    assert stored.line.imported
    assert await store.saga(entry.id) is None, "no loop ever meets it"
    assert await store.imported("another", [entry.id]) == {}


async def test_an_import_is_audited(store: Store, store_url: str) -> None:
    entry = described(archived())
    await taken(store, entry)

    rows = await by_hand(store_url, "SELECT act, target, who, why FROM audit")

    assert [tuple(row) for row in rows] == [("import", f"1 sagas, first {entry.id}", "ada", "incident 4711")]


async def test_again_it_changes_nothing(store: Store) -> None:
    entry, later = described(archived()), described(archived())
    await taken(store, entry)

    again = replace(entry, archived_at_us=entry.archived_at_us + 5, view="{}")
    assert await taken(store, again, later) == Imported(taken=(later.id,), known=(entry.id,))

    assert entry_of((await store.imported("default", [entry.id]))[entry.id]).view == entry.view


async def test_one_that_is_here_with_other_content_refuses_the_file(store: Store) -> None:
    saga = archived()
    await taken(store, described(saga))
    other = replace(saga, journal=saga.journal[:1])
    fresh = described(archived())

    with pytest.raises(ImportRefused, match="it was imported before with other content") as refused:
        await taken(store, fresh, described(other))

    assert refused.value.saga_id == saga.row.id
    assert await store.imported("default", [fresh.id]) == {}


async def test_a_saga_of_this_store_is_known_or_refused(store: Store) -> None:
    definition = await register(store)
    own = row_of(definition)
    await start(store, own)
    other = archived(id=own.id)

    with pytest.raises(ImportRefused, match="a saga of this store has its id"):
        await taken(store, described(other))

    same = archived(id=own.id)
    stored = await store.saga(own.id)
    assert stored is not None
    row = replace(same.row, version=stored.version, facts_print=stored.facts_print, phase="FORCED")
    with pytest.raises(ImportRefused, match="a saga of this store has its id"):
        await taken(store, described(replace(same, row=row)))


async def test_a_file_that_contradicts_itself_is_refused(store: Store) -> None:
    saga = archived()
    twice = described(saga), described(replace(saga, journal=()))

    with pytest.raises(ImportRefused, match="the file has it twice"):
        await taken(store, *twice)
    assert (await taken(store, twice[0], twice[0])).taken == (saga.row.id,)


async def test_a_saga_that_goes_on_is_refused(store: Store) -> None:
    saga = archived()

    with pytest.raises(ImportRefused, match="it is not finished"):
        await taken(store, described(replace(saga, row=replace(saga.row, phase="RUNNING"))))


async def test_lists_have_both_kinds_newest_first(store: Store) -> None:
    definition = await register(store)
    own = [row_of(definition) for _ in range(3)]
    await start(store, *own)
    imported = [described(archived(NOON_US + n, key=f"i-{n}")) for n in (3, 1, 2)]
    await taken(store, *imported)

    everything = sorted([*(row.id for row in own), *(entry.id for entry in imported)], reverse=True)
    assert await ids_of(store, MINE) == everything
    assert await ids_of(store, replace(MINE, phase="RUNNING")) == sorted((row.id for row in own), reverse=True)
    assert await ids_of(store, replace(MINE, phase="FORCED")) == sorted((entry.id for entry in imported), reverse=True)
    assert await ids_of(store, replace(MINE, key="i-2")) == [imported[2].id]
    assert await ids_of(store, replace(MINE, definition="other")) == []
    assert await ids_of(store, replace(MINE, attention=True)) == []
    assert await ids_of(store, ListFilter(tenant="other")) == []


async def test_pages_run_through_both_kinds(store: Store) -> None:
    definition = await register(store)
    own = [row_of(definition) for _ in range(4)]
    await start(store, *own)
    imported = [described(archived(row.started_at_us)) for row in own for _ in range(2)]
    await taken(store, *imported)
    seen: list[UUID] = []
    cursor: str | None = None

    for _ in range(20):
        page, cursor = await store.list_sagas(replace(MINE, limit=3, cursor=cursor))
        seen += [line.id for line in page]
        if cursor is None:
            break

    assert seen == sorted([*(row.id for row in own), *(entry.id for entry in imported)], reverse=True)


async def test_a_label_of_it_is_no_label_of_a_lost_saga(store: Store) -> None:
    """`saga doctor` looks for those."""
    entry = described(archived())
    view = json.dumps(json.loads(entry.view) | {"labels": {"customer": "ada"}})
    await taken(store, replace(entry, view=view))

    (label,) = await store.pointers(Table.LABELS, limit=5)

    assert (label.saga_id, label.saga, label.kept) == (entry.id, False, True)
    assert await store.pointers(Table.LABELS, limit=5, saga_id=entry.id) == [label]
