"""`saga watch`: it tells what happens until the saga ends, and waits for a coordinator that
restarts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saga_cli.commands import watch

ID = "0198c1a2-7b3e-7d2a-9f00-5c1e2d3f4a5b"
PATH = f"/v1/sagas/{ID}"
WAIT = {"step": "charge", "name": "reply", "since": None, "until": None, "mover": "the reply of payment"}
OPEN: dict[str, Any] = {
    "id": ID,
    "key": "o-17",
    "definition": "order",
    "phase": "RUNNING",
    "reason": None,
    "version": 1,
    "started_at": "2026-03-01T10:00:00.000000Z",
    "closed_at": None,
    "deadline_at": None,
    "duration_ms": 1,
    "steps": [{"name": "charge", "participant": "payment"}],
    "waiting": [WAIT],
}
DONE = OPEN | {"phase": "COMPLETED", "version": 2, "closed_at": "2026-03-01T10:00:09.000000Z", "waiting": []}
FACT = {"fact": "reply", "step": "charge", "kind": "action", "outcome": "SUCCEEDED"}
RECORD = {"version": 2, "at": "2026-03-01T10:00:09.000000Z", "kind": "reply", "actor": None, "facts": [FACT], "note": None}


def page(*records: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(records), "next": None}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_RETRY_S", 0.001)


def test_it_tells_what_happens_until_the_end(saga: Any, coordinator: Any) -> None:
    for answer in (OPEN, OPEN, DONE):
        coordinator.answer("GET", PATH, answer)
    for answer in (page(), page(), page(RECORD)):
        coordinator.answer("GET", f"{PATH}/journal", answer)
    told = saga("watch", ID)
    assert (told.code, told.err) == (0, "")
    head, identity, waits, happened, end = told.out.splitlines()
    assert head.startswith("order o-17   RUNNING")
    assert identity.startswith(f"id {ID}")
    assert waits.split("waits")[1].strip() == "charge reply: the reply of payment", "told once, as long as it stays so"
    assert happened.split()[0] == "2"
    assert happened.endswith("payment answered SUCCEEDED to charge (payment)")
    assert end.split() == ["ended", "COMPLETED"]
    asked = [one.query for one in coordinator.asked if one.path.endswith("/journal") and "after" in one.query]
    assert [one["after"] for one in asked] == ["1", "1", "1"]


def test_all_begins_with_the_first_record(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, DONE)
    coordinator.answer("GET", f"{PATH}/journal", page(RECORD))
    assert "payment answered SUCCEEDED to charge" in saga("watch", ID, "--all").out
    assert {one.query.get("after") for one in coordinator.asked if one.path.endswith("/journal")} <= {"0", None}


def test_programs_get_an_object_a_line_and_the_exit_code_says_how_it_ended(saga: Any, coordinator: Any) -> None:
    back = DONE | {"phase": "COMPENSATED", "reason": "charge: REJECTED"}
    for answer in (OPEN, back):
        coordinator.answer("GET", PATH, answer)
    for answer in (page(), page(RECORD)):
        coordinator.answer("GET", f"{PATH}/journal", answer)
    told = saga("watch", ID, "-o", "json")
    assert told.code == 3
    events = [json.loads(line) for line in told.out.splitlines()]
    assert [one["event"] for one in events] == ["saga", "waiting", "record", "end"]
    assert events[1]["waiting"] == [WAIT]
    assert (events[2]["version"], events[2]["words"]) == (2, ["payment answered SUCCEEDED to charge (payment)"])
    assert (events[3]["phase"], events[3]["reason"]) == ("COMPENSATED", "charge: REJECTED")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("output", ["table", "json"])
def test_a_coordinator_that_is_away_is_waited_for(saga: Any, coordinator: Any, output: str) -> None:
    coordinator.answer("GET", PATH, OPEN)
    for _ in range(3):
        coordinator.refuse("GET", PATH, 503, "store_unavailable")
    coordinator.answer("GET", PATH, DONE)
    coordinator.answer("GET", f"{PATH}/journal", page())
    told = saga("watch", ID, "-o", output)
    assert told.code == 0
    if output == "json":
        assert [json.loads(line)["event"] for line in told.out.splitlines()] == ["saga", "waiting", "away", "back", "end"]
    else:
        away, back = told.err.splitlines()
        assert "store_unavailable" in away and away.endswith("; it is asked again")
        assert back == "saga: the coordinator answers again"


@pytest.mark.usefixtures("quick")
def test_one_that_stays_away_ends_it(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "AWAY_S", 0.0)
    coordinator.answer("GET", PATH, OPEN)
    coordinator.refuse("GET", PATH, 503, "store_unavailable")
    coordinator.answer("GET", f"{PATH}/journal", page())
    assert saga("watch", ID).code == 69


def test_the_wait_may_have_an_end(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, OPEN)
    coordinator.answer("GET", f"{PATH}/journal", page())
    told = saga("watch", ID, "--wait", "0")
    assert told.code == 75
    assert told.err == f"saga: {ID} goes on after 0 s\n"
    assert saga("watch", ID, "-o", "ids").code == 2


def test_texts_of_others_are_shown_as_text(saga: Any, coordinator: Any) -> None:
    hostile = RECORD | {"facts": [FACT | {"code": "\x1b[31m[bold]x"}]}
    coordinator.answer("GET", PATH, DONE)
    coordinator.answer("GET", f"{PATH}/journal", page(hostile))
    out = saga("watch", ID, "--all").out
    assert "\x1b" not in out
    assert "[bold]x" in out
