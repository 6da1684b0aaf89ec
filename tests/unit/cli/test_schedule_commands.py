"""`saga schedule …` with a coordinator: what the commands ask, and what they print of the
answers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

ID = "0190a000-0000-7000-8000-000000000001"
AT = "2026-06-02T10:12:08Z"
REASON = ("--reason", "the bank is down")
FILE = """\
schedule: settlement
definition: order
calendar: {zone: Europe/Berlin, cron: "30 2 * * *"}
input: {order_id: "${schedule.tick}"}
"""
NEXT = {
    "tick": "2027-03-28T01:00:00Z",
    "due_at": "2027-03-28T01:00:00Z",
    "local": "2027-03-28T02:30:00",
    "odd": "02:30 does not exist on this day: it runs at 03:00",
    "words": "in 15 h, Sunday 02:30, the hour is skipped: runs 03:00",
}
TICK = {
    "kind": "tick",
    "tick": "2027-03-27T01:30:00Z",
    "source": "calendar",
    "outcome": "fired",
    "reason": None,
    "sentence": None,
    "saga_id": ID,
    "phase": "COMPLETED",
    "version": 2,
    "overlap": None,
    "decided_at": AT,
    "fired_at": AT,
    "late_ms": 250,
    "ended_at": AT,
}
RANGE = {
    "kind": "range",
    "first": "2027-03-20T01:30:00Z",
    "last": "2027-03-26T01:30:00Z",
    "count": 7,
    "outcome": "missed",
    "reason": "paused",
    "sentence": "the schedule was paused",
    "saga_id": None,
    "decided_at": AT,
}
LINE = {
    "name": "settlement",
    "status": "active",
    "version": 2,
    "definition": "settle-day",
    "definition_version": 3,
    "zone": "Europe/Berlin",
    "calendar": ["30 2 * * *"],
    "next": NEXT,
    "previous": "2027-03-27T01:30:00Z",
    "counts": {"fired": 41, "queued": 1, "skipped": 2, "missed": 7, "failed": 0},
    "running": 1,
    "waiting": 0,
    "paused": None,
    "needs": [],
    "note": "Settles \x1b[31mthe day.",
    "changed_at": AT,
}
NEED = {
    "code": "definition_inactive",
    "since": AT,
    "sentence": "the schedule settlement cannot start: no version of settle-day is active",
    "note": "",
    "way_out": "Activate a version of settle-day.",
    "command": "saga def activate settle-day VERSION",
}
SCHEDULE = LINE | {
    "id": ID,
    "health": {"failures": 2, "pause_after_failures": 3, "succeeded_at": AT, "success_due_at": AT, "overdue": True},
    "coming": [NEXT],
    "open": [TICK | {"phase": None, "ended_at": None}],
    "queued": [TICK | {"outcome": "queued", "reason": "overlap", "sentence": "a saga of the schedule was still open"}],
    "runs_left": 59,
    "document": {"schedule": "settlement"},
    "file": FILE,
    "tzdata": "2026a",
    "created_at": AT,
    "ticks_from": None,
}
SAVED = {"name": "settlement", "version": 2, "changed": True, "schedule": SCHEDULE, "findings": []}
BACKFILL = {
    "id": ID,
    "status": "running",
    "first_at": AT,
    "last_at": AT,
    "done_until": AT,
    "overlap": "queue_one",
    "per_minute": 10,
    "found": 7,
    "fired": 2,
    "known": 1,
    "skipped": 1,
    "failed": 0,
    "actor": "ada",
    "reason": "the bank was down",
    "created_at": AT,
    "ended_at": None,
    "stopped_by": None,
    "stopped_why": None,
}
COUNT = {"found": 7, "first_at": AT, "last_at": AT}
DAYS = {
    "name": "german-holidays",
    "version": 2,
    "dates": ["2027-12-25"],
    "ranges": [["2027-12-24", "2027-12-31"]],
    "note": "Holidays.",
    "actor": "ada",
    "reason": "of 2027",
    "at": AT,
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "settlement.schedule.yaml"
    path.write_text(FILE)
    return str(path)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sits at the terminal."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


# --- create and update ----------------------------------------------------------------------------


def test_a_file_is_created_with_who_and_why(saga: Any, coordinator: Any, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    coordinator.answer("POST", "/v1/schedules", SAVED, 201)
    told = saga("schedule", "create", file, *REASON)
    assert told.code == 0, told.err
    said = {"document": FILE, "file": file, "actor": "ada", "yes": False, "reason": "the bank is down"}
    assert coordinator.asked[-1].body == said
    assert "settlement is at version 2; its next tick is 2027-03-28T01:00:00Z, in 15 h, Sunday 02:30" in told.out
    assert saga("schedule", "create", file, "-o", "ids").out == "settlement\n"
    assert saga("schedule", "create", file, "-o", "json").json == SAVED


def test_an_update_goes_to_the_name_that_the_file_says(saga: Any, coordinator: Any, file: str) -> None:
    coordinator.answer("PUT", "/v1/schedules/settlement", {**SAVED, "changed": False})
    told = saga("schedule", "update", file, "--version", "2")
    assert told.code == 0, told.err
    assert coordinator.asked[-1].body["version"] == 2 and "reason" not in coordinator.asked[-1].body
    assert "says this already: version 2 stays" in told.out


def test_warnings_ask_for_a_yes(saga: Any, coordinator: Any, file: str) -> None:
    finding = {"code": "S308", "severity": "warning", "file": file, "line": 3, "column": 5, "message": "it ticks every second"}
    coordinator.refuse("POST", "/v1/schedules", 409, "schedule_warned", detail="say `yes` (`--yes`)", findings=[finding])
    told = saga("schedule", "create", file)
    assert (told.code, told.out) == (5, "")
    assert f"{file}:3:5  warning  S308  it ticks every second" in told.err and "--yes" in told.err
    coordinator.answers.clear()
    coordinator.answer("POST", "/v1/schedules", SAVED | {"findings": [finding]}, 201)
    told = saga("schedule", "create", file, "--yes")
    assert told.code == 0 and coordinator.asked[-1].body["yes"] is True
    assert "it ticks every second" in told.err and "it ticks every second" not in told.out


def test_errors_of_a_file_end_as_lint_does(saga: Any, coordinator: Any, file: str) -> None:
    finding = {"code": "S307", "severity": "error", "file": file, "line": 3, "column": 5, "message": "no time zone"}
    coordinator.refuse("POST", "/v1/schedules", 422, "schedule_invalid", findings=[finding])
    told = saga("schedule", "create", file)
    assert told.code == 1 and f"{file}:3:5  error  S307  no time zone" in told.err


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"definition: order\n", 1), (b"- a\n", 1), (b"[", 1), (b"schedule: 4\n", 1), (b"\xff\xfe\x00", 2)],
    ids=["no name", "a list", "no yaml", "a number", "no text"],
)
def test_a_file_without_a_name_updates_nothing(saga: Any, coordinator: Any, tmp_path: Path, content: bytes, code: int) -> None:
    path = tmp_path / "s.schedule.yaml"
    path.write_bytes(content)
    told = saga("schedule", "update", str(path))
    assert (told.code, told.out, coordinator.asked) == (code, "", [])
    assert str(path) in told.err


@pytest.mark.parametrize("command", ["create", "update"])
def test_a_file_that_is_not_there_is_named(saga: Any, coordinator: Any, command: str) -> None:
    told = saga("schedule", command, "gone.yaml")
    assert (told.code, coordinator.asked) == (2, [])
    assert "gone.yaml: No such file" in told.err


# --- list and show --------------------------------------------------------------------------------


def test_schedules_are_listed_with_their_next_tick_in_words(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    coordinator.answer("GET", "/v1/schedules", {"items": [LINE | {"needs": [NEED]}], "next": None})
    told = saga("schedule", "list")
    for word in ("settlement", "in 15 h, Sunday 02:30", "30 2 * * *", "settle-day@3", "41", "definition_inactive"):
        assert word in told.out
    assert saga("schedule", "list", "-o", "ids").out == "settlement\n"
    saga("schedule", "list", "--status", "paused", "--attention")
    assert (coordinator.asked[-1].query["status"], coordinator.asked[-1].query["attention"]) == ("paused", "true")
    assert saga("schedule", "list", "--status", "lost").code == 2


def test_no_schedules_say_how_one_is_made(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/schedules", {"items": [], "next": None})
    told = saga("schedule", "list")
    assert (told.code, told.out) == (0, "") and "saga schedule create FILE" in told.err


def test_one_is_shown_with_what_needs_a_person_and_the_way_out(saga: Any, coordinator: Any) -> None:
    paused = {"at": AT, "actor": "bob", "reason": "holidays"}
    coordinator.answer("GET", "/v1/schedules/settlement", SCHEDULE | {"needs": [NEED], "paused": paused})
    told = saga("schedule", "show", "settlement")
    for word in (
        "starts settle-day@3 by 30 2 * * * in Europe/Berlin (tzdata 2026a)",
        "41 fired, 1 queued, 2 skipped, 7 missed, 0 failed, 59 runs left",
        "by bob: holidays",
        "2 sagas in a row failed; 3 pause it",
        f"last success: {AT}; the next is due by {AT}",
        "no version of settle-day is active",
        "$ saga def activate settle-day VERSION",
        f"runs: 2027-03-27T01:30:00Z as saga {ID}",
        "waits: 2027-03-27T01:30:00Z, a saga of the schedule was still open",
        "2027-03-28T01:00:00Z  in 15 h, Sunday 02:30, the hour is skipped: runs 03:00",
    ):
        assert word in told.out, word
    assert "\x1b" not in told.out, "a note cannot paint the terminal"
    assert saga("schedule", "show", "settlement", "-o", "json").json["name"] == "settlement"
    assert saga("schedule", "show", "settlement", "--file").out == FILE


def test_a_schedule_of_which_nothing_comes_says_so(saga: Any, coordinator: Any) -> None:
    health = {"failures": 0, "pause_after_failures": None, "succeeded_at": None, "success_due_at": None, "overdue": False}
    ended = SCHEDULE | {"status": "ended", "next": None, "coming": [], "open": [], "queued": [], "health": health, "note": ""}
    coordinator.answer("GET", "/v1/schedules/settlement", ended | {"previous": None, "runs_left": None})
    told = saga("schedule", "show", "settlement")
    assert "no tick comes" in told.out and "the last that fired: none" in told.out and "success" not in told.out


def test_versions_are_listed_and_compared(saga: Any, coordinator: Any) -> None:
    new = {"version": 2, "at": AT, "actor": "bob", "reason": "an hour later", "file": FILE.replace("30 2", "30 3")}
    old = {"version": 1, "at": AT, "actor": "ada", "reason": "nightly", "file": FILE}
    coordinator.answer("GET", "/v1/schedules/settlement/versions", {"items": [new, old], "next": None})
    coordinator.answer("GET", "/v1/schedules/settlement/versions/1", old)
    coordinator.answer("GET", "/v1/schedules/settlement/versions/2", new)
    told = saga("schedule", "versions", "settlement")
    assert "an hour later" in told.out and "bob" in told.out
    assert saga("schedule", "versions", "settlement", "-o", "ids").out == "2\n1\n"
    changed = saga("schedule", "versions", "settlement", "--diff", "2").out
    assert changed.startswith("--- version 1\n+++ version 2\n")
    assert (
        '-calendar: {zone: Europe/Berlin, cron: "30 2 * * *"}\n+calendar: {zone: Europe/Berlin, cron: "30 3 * * *"}\n' in changed
    )
    assert "+schedule: settlement\n" in saga("schedule", "versions", "settlement", "--diff", "1").out


# --- acts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "word"), [("pause", "is paused"), ("resume", "goes on")])
def test_an_act_has_a_reason(saga: Any, coordinator: Any, command: str, word: str) -> None:
    coordinator.answer("POST", f"/v1/schedules/settlement/{command}", SCHEDULE)
    assert saga("schedule", command, "settlement").code == 2
    assert coordinator.asked == []
    told = saga("schedule", command, "settlement", *REASON)
    assert told.code == 0 and word in told.out
    assert coordinator.asked[-1].body["reason"] == "the bank is down"
    assert saga("schedule", command, "settlement", *REASON, "-o", "ids").out == "settlement\n"


def test_nothing_is_deleted_without_a_yes(saga: Any, coordinator: Any, nobody: None) -> None:
    coordinator.answer("DELETE", "/v1/schedules/settlement", SCHEDULE)
    told = saga("schedule", "delete", "settlement", *REASON)
    assert (told.code, coordinator.asked) == (2, []) and "add --yes" in told.err
    told = saga("schedule", "delete", "settlement", *REASON, "--yes")
    assert told.code == 0 and "is deleted" in told.out
    assert coordinator.asked[-1].query["reason"] == "the bank is down"


@pytest.mark.parametrize(
    ("tick", "code", "says"),
    [
        (TICK, 0, f"tick 2027-03-27T01:30:00Z started saga {ID}"),
        (TICK | {"outcome": "queued", "sentence": "one is open"}, 0, f"waits: one is open (saga {ID})"),
        (TICK | {"outcome": "skipped", "sentence": "one is open"}, 5, f"was skipped: one is open (saga {ID})"),
        (TICK | {"outcome": "failed", "sentence": "day: expected date", "saga_id": None}, 5, "failed: day: expected date"),
    ],
    ids=["fired", "queued", "skipped", "failed"],
)
def test_a_trigger_says_what_became_of_it(saga: Any, coordinator: Any, tick: dict[str, Any], code: int, says: str) -> None:
    coordinator.answer("POST", "/v1/schedules/settlement/trigger", tick)
    told = saga("schedule", "trigger", "settlement", *REASON, "--overlap", "allow:3")
    assert told.code == code and says in told.out
    assert coordinator.asked[-1].body["overlap"] == "allow:3"


def test_ticks_and_ranges_are_listed_with_why(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/schedules/settlement/ticks", {"items": [TICK, RANGE], "next": None})
    told = saga("schedule", "ticks", "settlement")
    for word in (ID, "COMPLETED", "250 ms", "7 from 2027-03-20T01:30:00Z to 2027-03-26T01:30:00Z", "the schedule was paused"):
        assert word in told.out, word
    listed = saga("schedule", "ticks", "settlement", "-o", "ids").out
    assert listed == "2027-03-27T01:30:00Z\n2027-03-20T01:30:00Z/2027-03-26T01:30:00Z\n"


# --- backfills ------------------------------------------------------------------------------------

SPAN = ("--from", "2027-03-01", "--until", "2027-03-07")


def test_a_dry_run_only_counts(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", "/v1/schedules/settlement/backfills", COUNT)
    told = saga("schedule", "backfill", "settlement", *SPAN, "--dry-run")
    assert told.code == 0 and "7 ticks of settlement" in told.out
    assert [asked.body["dry_run"] for asked in coordinator.asked] == [True]


def test_a_backfill_is_made_after_a_yes(saga: Any, coordinator: Any, nobody: None) -> None:
    path = "/v1/schedules/settlement/backfills"
    coordinator.answer("POST", path, COUNT)
    assert saga("schedule", "backfill", "settlement", *SPAN).code == 2
    assert coordinator.asked == []
    told = saga("schedule", "backfill", "settlement", *SPAN, *REASON)
    assert told.code == 2 and "7 ticks of settlement" in told.err and "add --yes" in told.err
    assert [asked.body["dry_run"] for asked in coordinator.asked] == [True]
    coordinator.answer("POST", path, BACKFILL, 201)
    coordinator.answers["POST", path] = [(200, COUNT), (201, BACKFILL)]
    told = saga("schedule", "backfill", "settlement", *SPAN, *REASON, "--yes", "--rate", "10", "--overlap", "skip")
    assert told.code == 0 and f"backfill {ID} comes to 7 ticks" in told.out
    body = coordinator.asked[-1].body
    assert (body["from"], body["until"], body["per_minute"], body["overlap"]) == ("2027-03-01", "2027-03-07", 10, "skip")


def test_backfills_are_listed_and_stopped(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/schedules/settlement/backfills", {"items": [BACKFILL], "next": None})
    coordinator.answer("POST", f"/v1/backfills/{ID}/stop", BACKFILL | {"status": "stopped"})
    assert "running" in saga("schedule", "backfills", "settlement").out
    assert saga("schedule", "backfills", "settlement", "-o", "ids").out == f"{ID}\n"
    told = saga("schedule", "stop-backfill", ID, *REASON)
    assert told.code == 0 and "is stopped after 4 of 7 ticks, 2 of them fired" in told.out


def test_what_is_refused_is_one_line(saga: Any, coordinator: Any) -> None:
    coordinator.refuse("POST", "/v1/schedules/settlement/backfills", 409, "backfill_refused", detail="more than 10000 ticks")
    told = saga("schedule", "backfill", "settlement", *SPAN, "--dry-run")
    assert (told.code, told.out, told.err) == (5, "", "saga: backfill_refused: more than 10000 ticks\n")
    coordinator.refuse("GET", "/v1/schedules/nobody", 404, "schedule_unknown", detail="there is no schedule nobody")
    told = saga("schedule", "show", "nobody")
    assert (told.code, told.err) == (4, "saga: schedule_unknown: there is no schedule nobody\n")


# --- calendars of days ----------------------------------------------------------------------------


def test_days_are_put_listed_shown_and_deleted(saga: Any, coordinator: Any, tmp_path: Path, nobody: None) -> None:
    path = tmp_path / "holidays.days.yaml"
    path.write_text("calendar: german-holidays\ndates: [2027-12-25]\nranges: [{first: 2027-12-24, last: 2027-12-31}]\n")
    at = "/v1/day-calendars/german-holidays"
    for method in ("PUT", "GET"):
        coordinator.answer(method, at, DAYS)
    coordinator.answer("DELETE", at, {"name": "german-holidays"})
    coordinator.answer("GET", "/v1/day-calendars", {"items": [DAYS]})
    told = saga("schedule", "calendar", "put", str(path), *REASON)
    assert told.code == 0 and "version 2: 1 day and 1 range" in told.out
    sent = {"calendar": "german-holidays", "dates": ["2027-12-25"], "ranges": [{"first": "2027-12-24", "last": "2027-12-31"}]}
    assert coordinator.asked[-1].body["document"] == sent
    assert "german-holidays" in saga("schedule", "calendar", "list").out
    assert "2027-12-24 to 2027-12-31" in saga("schedule", "calendar", "show", "german-holidays").out
    assert saga("schedule", "calendar", "delete", "german-holidays", *REASON).code == 2
    told = saga("schedule", "calendar", "delete", "german-holidays", *REASON, "--yes")
    assert told.code == 0 and "is deleted" in told.out


def test_days_with_errors_are_not_sent(saga: Any, coordinator: Any, tmp_path: Path) -> None:
    path = tmp_path / "holidays.days.yaml"
    path.write_text("calendar: german-holidays\ndates: [2027-13-25]\n")
    told = saga("schedule", "calendar", "put", str(path))
    assert (told.code, coordinator.asked) == (1, []) and f"{path}:2" in told.err


# --- a saga of a schedule -------------------------------------------------------------------------


def test_a_saga_says_which_schedule_started_it() -> None:
    from rich.console import Console

    from saga_cli.show.saga import _of_the_whole

    saga: dict[str, Any] = {name: [] for name in ("steps", "waiting", "attention", "exceptions", "notes")}
    saga["schedule"] = {"name": "settlement", "tick": "2027-03-28T01:00:00Z"}
    console = Console(width=200, file=io.StringIO())
    console.print(*_of_the_whole(saga))
    written: Any = console.file
    assert "started by the schedule settlement for 2027-03-28T01:00:00Z" in written.getvalue()
