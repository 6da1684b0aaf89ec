"""`/v1/views` over a store of SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from saga_coordinator.store.open import open_store
from support.fresh_stores import prepare
from unit.coordinator.api.conftest import ScriptedCoordinator

VIEW = {"query": "open and label.x = 1", "columns": ["key", "label.x"], "actor": "ada"}


@pytest.fixture(autouse=True)
async def stored(coordinator: ScriptedCoordinator, sqlite_url: str) -> AsyncIterator[None]:
    store = open_store(sqlite_url)
    await prepare(sqlite_url)
    await store.start()
    coordinator.store = store
    yield
    await store.stop()


async def test_a_view_is_kept_until_it_is_removed(http: httpx.AsyncClient) -> None:
    put = await http.put("/v1/views/stuck%20orders%20%C3%A9", json=VIEW)
    assert put.status_code == 200
    shown = put.json()
    assert shown | {"saved_at": ""} == {
        "name": "stuck orders é",
        "query": VIEW["query"],
        "columns": VIEW["columns"],
        "saved_by": "ada",
        "saved_at": "",
    }
    assert (await http.put("/v1/views/all", json={})).json()["query"] == ""
    items = (await http.get("/v1/views")).json()["items"]
    assert [one["name"] for one in items] == ["all", "stuck orders é"]
    assert items[1] == shown
    gone = await http.delete("/v1/views/stuck%20orders%20%C3%A9", params={"actor": "bob", "reason": "done"})
    assert (gone.status_code, gone.json()) == (200, {"name": "stuck orders é"})
    assert [one["name"] for one in (await http.get("/v1/views")).json()["items"]] == ["all"]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/views/a", {"query": "phse = RUNNING"}, "query_invalid"),
        ("/v1/views/a", {"columns": ["nowhere"]}, "request_invalid"),
        ("/v1/views/a", {"query": 5}, "request_invalid"),
        ("/v1/views/a", {"more": 5}, "request_invalid"),
        ("/v1/views/%20a", {}, "request_invalid"),
        (f"/v1/views/{'a' * 65}", {}, "request_invalid"),
        ("/v1/views/a%00b", {}, "request_invalid"),
        ("/v1/views/a%2Fb", {}, "not_found"),
    ],
)
async def test_what_is_no_view_is_refused(http: httpx.AsyncClient, path: str, body: object, code: str) -> None:
    assert (await http.put(path, json=body)).json()["code"] == code
    assert (await http.get("/v1/views")).json()["items"] == []


async def test_what_is_not_there_is_not_removed(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/v1/views/nobody")).json()["code"] == "view_unknown"
