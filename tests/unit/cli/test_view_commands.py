"""`saga view list|save|remove` and `saga list --view`."""

from __future__ import annotations

from typing import Any

VIEW = {
    "name": "stuck é",
    "query": "attention or open",
    "columns": ["key"],
    "saved_by": "ada",
    "saved_at": "2026-11-01T00:00:00Z",
}
PATH = "/v1/views/stuck%20%C3%A9"


def test_a_view_is_saved_by_whom_and_why(saga: Any, coordinator: Any) -> None:
    coordinator.answer("PUT", PATH, VIEW)
    told = saga("view", "save", "stuck é", "attention or open", "--column", "key", "--reason", "often")
    assert (told.code, "saga list --view 'stuck é'" in told.out) == (0, True)
    (asked,) = coordinator.asked
    assert asked.body.pop("actor")
    assert asked.body == {"query": "attention or open", "columns": ["key"], "reason": "often"}


def test_a_view_is_removed(saga: Any, coordinator: Any) -> None:
    coordinator.answer("DELETE", PATH, {"name": VIEW["name"]})
    assert saga("view", "remove", "stuck é", "--reason", "unused", "-o", "ids").out == "stuck é\n"
    assert coordinator.asked[0].query["reason"] == "unused"
    coordinator.refuse("DELETE", "/v1/views/nobody", 404, "view_unknown")
    assert saga("view", "remove", "nobody").code == 4


def test_views_are_listed(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/views", {"items": [VIEW, VIEW | {"name": "all", "query": ""}]})
    header, first, second = saga("view", "list").out.splitlines()
    assert header.split() == ["NAME", "QUERY", "BY", "SAVED"]
    assert first.startswith("stuck é")
    assert second.split()[:2] == ["all", "all"]
    assert saga("view", "list", "-o", "ids").out == "stuck é\nall\n"


def test_the_sagas_of_a_view_are_listed_and_narrowed(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/views", {"items": [VIEW, VIEW | {"name": "all", "query": ""}]})
    for words in (
        ["--view", "stuck é"],
        ["version = 2", "--view", "stuck é"],
        ["--view", "all"],
        ["version = 2", "--view", "all"],
    ):
        assert saga("list", *words).code == 0
    asked = [one.query.get("query") for one in coordinator.asked if one.path == "/v1/sagas"]
    assert asked == ["attention or open", "(attention or open) and (version = 2)", None, "version = 2"]
    assert saga("list", "--view", "nobody").code == 4
    assert saga("list", "participants", "--view", "all").code == 2
