"""Delayed starts from the command line: asked for, moved, shown and listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from saga_cli.show.listing import row
from saga_cli.show.saga import identity

ID = "0190a000-0000-7000-8000-000000000001"
STARTED = {"id": ID, "created": True, "request_id": "r"}
START = ("start", "order", "--input", "{}")


@pytest.mark.parametrize(
    ("given", "asked", "words"),
    [
        (("--at", "2027-01-01T09:30:00Z"), {"start_at": "2027-01-01T09:30:00Z"}, "it begins at 2027-01-01T09:30:00Z"),
        (("--in", "2h"), {"start_in": "2h"}, "it begins in 2h"),
    ],
    ids=["at", "in"],
)
def test_a_start_says_when(saga: Any, coordinator: Any, given: tuple[str, str], asked: dict[str, str], words: str) -> None:
    coordinator.answer("POST", "/v1/sagas", STARTED, 201)

    told = saga(*START, *given)

    assert (told.code, coordinator.asked[-1].body) == (0, {"definition": "order", "input": {}, **asked})
    assert told.out.strip() == f"accepted {ID}; {words}"


@pytest.mark.parametrize("command", [START, ("start-time", ID, "--reason", "r")], ids=["start", "start-time"])
def test_one_of_both_is_given(saga: Any, coordinator: Any, command: tuple[str, ...]) -> None:
    told = saga(*command, "--at", "2027-01-01T09:30:00Z", "--in", "2h")

    assert (told.code, coordinator.asked) == (2, [])
    assert "not both" in told.err


def test_a_move_needs_a_time(saga: Any, coordinator: Any) -> None:
    told = saga("start-time", ID, "--reason", "r")

    assert (told.code, coordinator.asked) == (2, [])
    assert "--at TIME or --in DURATION" in told.err


@pytest.mark.parametrize(
    ("phase", "words"), [("SCHEDULED", "begins in 30m"), ("RUNNING", "begins now")], ids=["later", "at once"]
)
def test_a_saga_is_moved(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch, phase: str, words: str) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    coordinator.answer("POST", f"/v1/sagas/{ID}/start-time", {"id": ID, "phase": phase}, 202)

    told = saga("start-time", ID, "--in", "30m", "--reason", "the customer comes later")

    assert coordinator.asked[-1].body == {"start_in": "30m", "reason": "the customer comes later", "actor": "ada"}
    assert (told.code, told.out.strip()) == (0, f"saga {ID} {words}")


def test_a_saga_that_has_begun_is_not_moved(saga: Any, coordinator: Any) -> None:
    coordinator.refuse("POST", f"/v1/sagas/{ID}/start-time", 409, "not_scheduled", detail="the saga is RUNNING")

    told = saga("start-time", ID, "--in", "30m", "--reason", "r")

    assert (told.code, told.out) == (5, "")
    assert "the saga is RUNNING" in told.err


def test_lists_and_views_say_when_it_begins() -> None:
    soon = (datetime.now(UTC) + timedelta(hours=3, minutes=1)).isoformat()
    line = {"id": ID, "definition": "order", "definition_version": 1, "phase": "SCHEDULED", "started_at": soon, "begins_at": soon}
    cells = [cell.plain for cell in row(line)]
    assert (cells[3], cells[4]) == ("begins in 3 h 00 min", "")
    saga = {"id": ID, "phase": "SCHEDULED", "started_at": soon, "start_at": soon, "duration_ms": 0}
    assert "begins in 3 h 00 min" in identity(saga).plain
    begun = saga | {"phase": "RUNNING", "begun_at": soon}
    assert ", began " in identity(begun).plain
