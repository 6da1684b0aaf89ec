"""`saga batch`, `saga confirm` and `saga dlq redrive`: what they ask, and what they print of the
answers."""

from __future__ import annotations

import io
from typing import Any

import pytest

from saga_cli.commands.batches import ACTS as COMMANDS
from saga_coordinator.batches.acts import ACTS

ID = "0190a000-0000-7000-8000-000000000001"
OTHER = "0190a000-0000-7000-8000-000000000002"
AT = "2026-06-02T10:12:08Z"
QUERY = "phase = RUNNING"
PREVIEW = {
    "act": "cancel",
    "means": "go back: undo what was done",
    "query": QUERY,
    "found": 200,
    "more": False,
    "sample": [
        {
            "id": ID,
            "key": "o-\x1b[31m17",
            "definition": "order",
            "definition_version": 1,
            "phase": "RUNNING",
            "phase_after": "COMPENSATING",
            "refused": None,
            "detail": None,
            "steps": {"reserve": ["done", "undo_due"]},
        },
        {
            "id": OTHER,
            "key": None,
            "definition": "order",
            "definition_version": 1,
            "phase": "COMMITTED",
            "phase_after": "COMMITTED",
            "refused": "past_pivot",
            "detail": "-",
            "steps": {},
        },
    ],
}
BATCH = {
    "id": ID,
    "act": "cancel",
    "query": QUERY,
    "reason": "wrong prices",
    "actor": "ada",
    "rate": 5,
    "status": "stopped",
    "found": 200,
    "done": 3,
    "refused": 7,
    "failed": 0,
    "refusals": [{"code": "past_pivot", "count": 7, "first": [OTHER]}],
    "failures": [],
    "created_at": AT,
    "moved_at": AT,
    "ended_at": AT,
    "stopped_by": "bob",
    "stopped_why": "enough",
}
CONFIRMATION = {
    "id": ID,
    "act": "waive",
    "target": "step charge of o-17",
    "reason": "refunded",
    "actor": "ada",
    "asked_at": AT,
    "expires_at": AT,
    "status": "confirmed",
    "settled_at": AT,
    "settled_by": "bob",
    "settled_why": "seen",
}


def test_every_act_that_a_coordinator_has_is_a_command() -> None:
    assert COMMANDS.keys() == ACTS.keys()


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", "/v1/batches", PREVIEW)
    told = saga("batch", "cancel", QUERY, "--dry-run")
    assert told.code == 0, told.err
    assert [asked.body["dry_run"] for asked in coordinator.asked] == [True]
    assert "200 sagas match; cancel would go back" in told.out
    assert "RUNNING → COMPENSATING  reserve done → undo_due" in told.out
    assert "refused: past_pivot" in told.out
    assert "\x1b" not in told.out, "a key cannot paint the terminal"


def test_a_batch_is_made_with_who_why_and_how_fast(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    coordinator.answer("POST", "/v1/batches", {**PREVIEW, **BATCH})
    told = saga("batch", "cancel", QUERY, "--reason", "wrong prices", "--rate", "5", "--yes")
    assert told.code == 0, told.err
    assert coordinator.asked[-1].body == {
        "act": "cancel",
        "query": QUERY,
        "rate": 5,
        "reason": "wrong prices",
        "actor": "ada",
    }
    assert f"saga batch show {ID}" in told.out


def test_nothing_is_done_without_a_reason_or_somebody_to_ask(
    saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator.answer("POST", "/v1/batches", PREVIEW)
    assert saga("batch", "cancel", QUERY).code == 2
    assert coordinator.asked == []
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    told = saga("batch", "cancel", QUERY, "--reason", "r")
    assert (told.code, [asked.body["dry_run"] for asked in coordinator.asked]) == (2, [True])
    assert "add --yes" in told.err


def test_batches_are_listed_and_shown_with_why_sagas_refused(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/batches", {"items": [BATCH], "next": None})
    coordinator.answer("GET", f"/v1/batches/{ID}", BATCH)
    assert saga("batch", "list", "-o", "ids").out == f"{ID}\n"
    listed = saga("batch", "list")
    assert "stopped" in listed.out and QUERY in listed.out
    shown = saga("batch", "show", ID)
    assert "came to 10 of 200 sagas" in shown.out
    assert f"7 past_pivot: {OTHER}, …" in shown.out
    assert "stopped by bob" in shown.out


def test_a_batch_is_stopped(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", f"/v1/batches/{ID}/stop", BATCH)
    assert saga("batch", "stop", ID, "--reason", "enough").code == 0
    assert coordinator.asked[-1].body["reason"] == "enough"


# --- two people -----------------------------------------------------------------------------------


def test_an_act_that_waits_for_a_second_person_is_not_taken_for_done(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", f"/v1/sagas/{ID}/steps/charge/waive", {"confirmation": CONFIRMATION}, 202)
    told = saga("step", "waive", ID, "charge", "--evidence", "receipt 4711")
    assert (told.code, told.out) == (5, "")
    assert f"not done yet: it needs a second person. Until {AT} somebody else may run `saga confirm yes {ID}" in told.err


def test_what_waits_is_listed(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/confirmations", {"items": [CONFIRMATION], "next": None})
    told = saga("confirm", "list")
    assert "step charge of o-17" in told.out and "refunded" in told.out
    assert coordinator.asked[-1].query["pending"] == "true"
    saga("confirm", "list", "--all")
    assert coordinator.asked[-1].query["pending"] == "false"


@pytest.mark.parametrize(("word", "path"), [("yes", "confirm"), ("no", "refuse")])
def test_somebody_says_yes_or_no(saga: Any, coordinator: Any, word: str, path: str) -> None:
    coordinator.answer("POST", f"/v1/confirmations/{ID}/{path}", CONFIRMATION)
    told = saga("confirm", word, ID, "--reason", "seen")
    assert (told.code, told.out) == (0, "confirmed: waive step charge of o-17, asked for by ada (by bob)\n")
    assert coordinator.asked[-1].body["reason"] == "seen"


def test_whoever_asked_is_told_that_somebody_else_confirms(saga: Any, coordinator: Any) -> None:
    coordinator.refuse("POST", f"/v1/confirmations/{ID}/confirm", 409, "same_actor", detail="somebody else does")
    told = saga("confirm", "yes", ID, "--reason", "seen")
    assert (told.code, told.out) == (5, "")
    assert "somebody else does" in told.err


# --- letters --------------------------------------------------------------------------------------


def test_letters_are_sent_again_one_after_the_other(saga: Any, coordinator: Any) -> None:
    for id in (ID, OTHER):
        coordinator.answer("POST", f"/v1/dead-letters/{id}/redrive", {"times": 1, "sent_at": AT})
    told = saga("dlq", "redrive", ID, OTHER, "--reason", "mended")
    assert told.out == f"{ID} was sent again at {AT}\n{OTHER} was sent again at {AT}\n"
    assert [asked.body["again"] for asked in coordinator.asked] == [False, False]
    saga("dlq", "redrive", ID, "--again", "--reason", "mended")
    assert coordinator.asked[-1].body["again"] is True


@pytest.mark.parametrize(
    ("redriven", "says"),
    [
        ({"sent_at": AT, "note": None}, f"sent again at {AT} by ada: mended"),
        ({"sent_at": None, "note": "too large"}, f"not sent again at {AT} (too large)"),
        ({"sent_at": None, "note": None}, f"may have been sent again at {AT}"),
    ],
)
def test_a_letter_says_whether_it_was_sent_again(saga: Any, coordinator: Any, redriven: dict[str, Any], says: str) -> None:
    letter = {
        "id": ID,
        "consumer": "starts",
        "topic": "saga.start",
        "partition": 0,
        "offset": 1,
        "at": AT,
        "reason": "definition_unknown",
        "detail": "",
        "relayed": True,
        "key": None,
        "value": None,
        "headers": [],
        "redriven": {"times": 1, "asked_at": AT, "actor": "ada", "reason": "mended", **redriven},
    }
    coordinator.answer("GET", f"/v1/dead-letters/{ID}", letter)
    assert says in saga("dlq", "show", ID).out
