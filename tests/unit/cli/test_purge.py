"""`saga purge`: what it sends, when it asks, and how it ends."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

PATH = "/v1/retention/purge"
BEFORE = "2026-03-02T10:12:08Z"
SAGA = {
    "id": "01a1fcaf-051a-7ed4-b4ae-0ea74d23bd28",
    "key": "o-17",
    "definition": "order",
    "definition_version": 1,
    "phase": "COMPLETED",
    "closed_at": "2026-02-27T08:00:01Z",
}


def answer(**more: Any) -> dict[str, Any]:
    nothing = {"before": BEFORE, "found": 0, "sample": [], "removed": 0, "rows": 0, "held": {}, "more": False}
    return nothing | {"waiting": 0, "waiting_until": None} | more


def found(coordinator: Any, count: int = 1204) -> None:
    coordinator.answer("POST", PATH, answer(found=count, sample=[SAGA]))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_dry_run_says_how_many_and_shows_some_and_asks_for_no_more(saga: Any, coordinator: Any) -> None:
    found(coordinator)
    told = saga("purge", "--definition", "order@1", "--before", "90d", "--dry-run")
    assert told.code == 0
    assert "1204 finished sagas of order@1 ended before 2026-03-02T10:12:08Z" in told.out
    assert "o-17  COMPLETED" in told.out
    (asked,) = coordinator.asked
    assert asked.body["dry_run"] is True
    assert (asked.body["definition"], asked.body["version"], asked.body["before"]) == ("order", 1, "90d")


def test_it_goes_on_until_nothing_is_left_and_tells_the_sum(saga: Any, coordinator: Any) -> None:
    found(coordinator)
    for more in (
        {"removed": 100, "rows": 900, "more": True},
        {"removed": 50, "rows": 450, "more": True},
        {"held": {"untraced": 3}},
    ):
        coordinator.answer("POST", PATH, answer(**more))
    told = saga("purge", "--definition", "order", "--before", "90d", "--reason", "the trial is over", "--yes")
    assert told.code == 0, told.err
    assert told.out.splitlines() == [
        f"removed 150 finished sagas of order that ended before {BEFORE}, 1350 rows",
        "left for now: 3 untraced",
    ]
    bodies = [asked.body for asked in coordinator.asked]
    assert [body.get("dry_run") for body in bodies] == [True, None, None, None]
    assert {body["before"] for body in bodies[1:]} == {BEFORE}, "the time is the same in each"
    assert {body["reason"] for body in bodies} == {"the trial is over"}
    assert all(body["actor"] for body in bodies)


def test_without_yes_and_without_a_terminal_nothing_is_removed(
    saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(coordinator)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    told = saga("purge", "--definition", "order", "--before", "90d")
    assert (told.code, told.err) == (2, "saga: nothing was removed: add --yes, or run it on a terminal\n")
    assert len(coordinator.asked) == 1


@pytest.mark.parametrize(("said", "code", "requests"), [("n\n", 5, 1), ("\n", 5, 1), ("y\n", 0, 2)])
def test_on_a_terminal_it_asks(
    saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch, said: str, code: int, requests: int
) -> None:
    found(coordinator)
    coordinator.answer("POST", PATH, answer(removed=1204, rows=9000))
    monkeypatch.setattr(sys, "stdin", Terminal(said))
    told = saga("purge", "--definition", "order", "--before", "90d")
    assert told.code == code, told.err
    assert "1204 finished sagas of order" in told.err
    assert len(coordinator.asked) == requests


def test_nothing_to_remove_is_no_question(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", PATH, answer())
    told = saga("purge", "--definition", "order", "--before", "90d")
    assert (told.code, told.out) == (0, f"0 finished sagas of order ended before {BEFORE}\n")


def test_programs_get_the_answer(saga: Any, coordinator: Any) -> None:
    found(coordinator)
    told = saga("purge", "--definition", "order", "--before", "90d", "--dry-run", "-o", "json")
    assert told.json["found"] == 1204
    found(coordinator)
    assert saga("purge", "--definition", "order", "--before", "90d", "--dry-run", "-o", "ids").out == f"{SAGA['id']}\n"


@pytest.mark.parametrize(
    ("status", "problem", "code"),
    [(422, "request_invalid", 2), (404, "definition_unknown", 4), (503, "archive_unavailable", 69)],
)
def test_a_refusal_is_one_line(saga: Any, coordinator: Any, status: int, problem: str, code: int) -> None:
    coordinator.refuse("POST", PATH, status, problem, detail="no")
    told = saga("purge", "--definition", "order", "--before", "90d", "--yes")
    assert told.code == code
    assert told.err.startswith(f"saga: {problem}: no")
    assert told.out == ""
