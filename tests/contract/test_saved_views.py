"""Saved views on both databases: checked, bounded, audited with the change."""

from __future__ import annotations

import pytest

from contract.store_rows import by_hand
from saga_coordinator.query import QueryRefused
from saga_coordinator.store.port import Store
from saga_coordinator.store.saved_view_port import VIEWS_MOST, SavedView
from saga_coordinator.views.saved import ViewRefused, remove_view, save_view

MINE = "default"


async def save(
    store: Store, name: str = "mine", query: str = "open", columns: tuple[str, ...] = (), who: str = "ada"
) -> SavedView:
    return await save_view(store, MINE, name=name, query=query, columns=columns, who=who, why="asked often")


async def names(store: Store) -> list[str]:
    return [view.name for view in await store.saved_views(MINE)]


async def test_a_view_is_saved_over_itself_and_removed_and_both_are_audited(store: Store, store_url: str) -> None:
    await save(store, "b")
    second = await save(store, "a é", " attention and label.x = 1 ", ("key", "label.x"), "bob")
    again = await save(store, "b", "")
    assert await store.saved_views(MINE) == [second, again]
    assert (second.query, second.columns, again.query, again.who) == ("attention and label.x = 1", ("key", "label.x"), "", "ada")
    await remove_view(store, MINE, name="b", who="bob", why="done")
    assert await names(store) == ["a é"]
    assert await store.saved_views("another") == []
    audited = [tuple(row) for row in await by_hand(store_url, "SELECT act, target, who, why FROM audit ORDER BY id")]
    assert audited == [
        ("save view", "b", "ada", "asked often"),
        ("save view", "a é", "bob", "asked often"),
        ("save view", "b", "ada", "asked often"),
        ("remove view", "b", "bob", "done"),
    ]


async def test_what_is_no_view_is_refused_and_leaves_nothing(store: Store, store_url: str) -> None:
    for name in ("", " x", "x" * 65, "a/b", "a\nb", "\x00"):
        with pytest.raises(ViewRefused, match="name: expected"):
            await save(store, name)
    for columns in (("nowhere",), ("label.",), ("label.a b",), ("key",) * 21):
        with pytest.raises(ViewRefused, match="columns: expected"):
            await save(store, columns=columns)
    with pytest.raises(QueryRefused):
        await save(store, query="phse = RUNNING")
    with pytest.raises(ViewRefused) as refused:
        await remove_view(store, MINE, name="nobody", who="ada", why="w")
    assert refused.value.code == "view_unknown"
    assert await names(store) == []
    assert await by_hand(store_url, "SELECT count(*) FROM audit") == [(0,)]


async def test_there_are_only_so_many(store: Store, store_url: str) -> None:
    await by_hand(
        store_url,
        *(
            f"INSERT INTO saved_view (tenant, name, query, shown, who, saved_at) VALUES ('default', 'n-{n:03}', '', '[]', 'a', 0)"
            for n in range(VIEWS_MOST)
        ),
    )
    with pytest.raises(ViewRefused) as refused:
        await save(store, "one more")
    assert refused.value.code == "views_full"
    await save(store, "n-000", "open")
    assert len(await store.saved_views(MINE)) == VIEWS_MOST
    assert "one more" not in await names(store)
