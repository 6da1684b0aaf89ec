"""Lists and counts by the query language."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from saga_coordinator.query import parse
from saga_coordinator.query.parsing import MAX_CHARS
from saga_coordinator.store.port import ListFilter, QueryTooSlow
from unit.coordinator.api.conftest import ScriptedCoordinator

PATHS = ("/v1/sagas", "/v1/sagas/count")


async def test_a_list_is_asked_for_by_a_query(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    answer = await http.get("/v1/sagas", params={"query": "open and version > 1", "key": "k", "limit": "7"})
    assert answer.status_code == 200
    assert coordinator.store.wanted == [ListFilter(tenant="default", query=parse("open and version > 1"), key="k", limit=7)]


@pytest.mark.parametrize("blank", ["", "  "])
async def test_a_blank_query_asks_for_all(http: httpx.AsyncClient, coordinator: ScriptedCoordinator, blank: str) -> None:
    for path in PATHS:
        assert (await http.get(path, params={"query": blank})).status_code == 200
    assert coordinator.store.wanted == [ListFilter(tenant="default"), None]


async def test_a_count_narrows_the_query_by_the_other_filters(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    coordinator.store.count = 12
    asked = {"query": "open", "definition": "order", "phase": "RUNNING", "attention": "true", "key": 'a"b'}
    answer = await http.get("/v1/sagas/count", params=asked)
    assert answer.json() == {"count": 12, "more": False}
    same = parse("(open) and definition = order and phase = RUNNING and attention and key = 'a\"b'")
    assert [query.condition for query in coordinator.store.wanted] == [same.condition]


async def test_a_count_that_ended_says_that_there_are_more(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    for there, said in ((10_000, {"count": 10_000, "more": False}), (10_001, {"count": 10_000, "more": True})):
        coordinator.store.count = there
        assert (await http.get("/v1/sagas/count")).json() == said


@pytest.mark.parametrize("path", PATHS)
async def test_a_query_that_is_none_is_refused_with_its_place(http: httpx.AsyncClient, path: str) -> None:
    said: dict[str, Any] = (await http.get(path, params={"query": "open and phse = 'very private'"})).json()
    assert (said["status"], said["code"], said["position"]) == (422, "query_invalid", 9)
    assert said["detail"] == "there is no such field"
    assert said["hint"].startswith("did you mean phase?")
    assert "private" not in str(said)


@pytest.mark.parametrize("path", PATHS)
async def test_a_query_that_is_too_long_is_refused(http: httpx.AsyncClient, path: str) -> None:
    said = (await http.get(path, params={"query": "x" * (MAX_CHARS + 1)})).json()
    assert (said["code"], said["field"]) == ("request_invalid", "query")


@pytest.mark.parametrize("path", PATHS)
async def test_a_query_that_takes_too_long_is_told_from_a_database_that_is_away(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, path: str
) -> None:
    coordinator.store.raises = QueryTooSlow("5 s")
    said = (await http.get(path, params={"query": "open"})).json()
    assert (said["status"], said["code"]) == (422, "query_too_slow")
