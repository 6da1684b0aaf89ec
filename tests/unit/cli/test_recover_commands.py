"""`saga recover`: what it says and asks, when it is refused, and how it tells how far it is."""

from __future__ import annotations

import io
import sqlite3
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from saga_coordinator.inbound.dead_letters import encode_headers
from saga_coordinator.store.sqlite import lock_file
from saga_schemas.headers import ReplyHeaders
from saga_schemas.outcomes import Kind, Outcome

OPEN = [UUID(int=number) for number in range(1, 6)]
LOST = UUID("0190a000-0000-7000-8000-000000000001")


@pytest.fixture
def database(saga: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A restored store: five open sagas, a reply of a lost one, a coordinator seen a minute ago."""
    path = tmp_path / "saga.db"
    monkeypatch.setenv("SAGA_DATABASE_URL", f"sqlite+aiosqlite:///{path}")
    assert saga("db", "upgrade").code == 0
    fill(path)
    return path


def fill(path: Path) -> None:
    with sqlite3.connect(path) as store:
        for saga_id in OPEN:
            row = (saga_id.bytes, "default", 1, "0" * 32, 0, 1, 1, 1, "RUNNING", 1, 1, 1, 0, 1, 0, b"{}")
            columns = "id, tenant, definition_id, trace_id, trace_flags, started_at, incarnation, engine_rev, phase, wake_at"
            more = "state_format, state_version, max_expiry, version, facts_print, state"
            store.execute(f"INSERT INTO saga ({columns}, {more}) VALUES ({', '.join('?' * len(row))})", row)
            store.execute("INSERT INTO wakeup VALUES (?, 1)", (saga_id.bytes,))
        orphan = (b"o" * 16, LOST.bytes, 1, "saga.reply.payment", 0, 7, encode_headers(reply().encode()), b"")
        store.execute("INSERT INTO orphan_reply VALUES (?, ?, ?, ?, ?, ?, ?, ?)", orphan)
        seen(store, now_us() - 90_000_000)


def now_us() -> int:
    return time.time_ns() // 1000


def seen(store: sqlite3.Connection, at_us: int) -> None:
    store.execute("INSERT OR REPLACE INTO control VALUES ('life', 'default', 'seen_at', ?, 'timers', 'alive')", (str(at_us),))


def reply() -> ReplyHeaders:
    return ReplyHeaders(
        message_id="m",
        source="/payment",
        record="saga.v1.Empty",
        time_us=1_700_000_000_000_000,
        saga_id=LOST,
        step="charge",
        kind=Kind.ACTION,
        run=1,
        attempt=1,
        incarnation=1,
        version=1,
        tenant="default",
        token="1." + "A" * 43,
        causation_id=f"{LOST}.1.1.0",
        outcome=Outcome.SUCCEEDED,
    )


def test_it_says_what_it_will_do_and_does_nothing_without_a_yes(
    saga: Any, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    told = saga("recover", "--reason", "disk")
    assert told.code == 130
    assert "5 open sagas will ask again every step that they ever asked, 500 sagas a second" in told.err
    assert "a coordinator was last at work 1 min" in told.err
    assert "Recover it now? [y/N]" in told.err
    assert saga("recover", "status", "-o", "json").json["incarnation"] == 1


def test_done_and_how_far_it_is(saga: Any, database: Path) -> None:
    done = saga("recover", "--reason", "disk", "--yes", "--sagas-per-s", "0.5", "-o", "json")
    assert done.code == 0, done.err
    assert (done.json["before"], done.json["open_sagas"], done.json["asked_within_s"]) == (1, 5, 10.0)
    told = saga("recover", "status")
    assert told.out.startswith(f"incarnation {done.json['incarnation']}: 5 of 5 sagas recover, 0 have been answered\n")
    assert "5 have not asked yet: their turn comes within" in told.out
    assert told.out.endswith("1 replies of lost sagas: saga recover orphans\n")
    with sqlite3.connect(database) as store:
        store.execute("UPDATE wakeup SET due_at = ?", (now_us() - 150_000_000,))
        for saga_id, waits_for in zip(OPEN, ["payment", "inventory,payment", "inventory"], strict=False):
            store.execute("UPDATE recovering SET waits_for = ? WHERE saga_id = ?", (waits_for, saga_id.bytes))
        store.execute("DELETE FROM recovering WHERE saga_id = ?", (OPEN[4].bytes,))
    told = saga("recover", "status")
    assert "4 of 5 sagas recover, 1 have been answered" in told.out
    assert "1 should have asked 2 min" in told.out
    assert "2 wait for payment, which is asked again by itself" in told.out
    assert saga("recover", "status", "-o", "json").json["unanswered"] == {"inventory": 2, "payment": 2}
    with sqlite3.connect(database) as store:
        store.execute("DELETE FROM recovering")
    assert "all 5 sagas have been answered" in saga("recover", "status").out


def test_a_coordinator_that_may_be_alive_refuses_it_unless_forced(saga: Any, database: Path) -> None:
    with sqlite3.connect(database) as store:
        seen(store, now_us())
    refused = saga("recover", "--reason", "disk", "--yes")
    assert refused.code == 5
    assert "a coordinator was at work" in refused.err
    assert "stop every coordinator first" in refused.err
    forced = saga("recover", "--reason", "disk", "--yes", "--force")
    assert forced.code == 0
    assert "it may undo what was done" in forced.err


def test_a_sqlite_file_that_is_served_is_refused(saga: Any, database: Path) -> None:
    lock_file(database)
    told = saga("recover", "--reason", "disk", "--yes", "--force")
    assert told.code == 78
    assert "in use by another process" in told.err


def test_lost_sagas_and_what_can_be_done(saga: Any, database: Path) -> None:
    told = saga("recover", "orphans")
    assert told.code == 0
    line = told.out.splitlines()[1]
    assert line.startswith(f"{LOST}  charge  payment      action SUCCEEDED  2023-11-14T22:13:20.000000Z  it took effect:")
    assert saga("recover", "orphans", "-o", "ids").out == f"{LOST}\n"
    (lost,) = saga("recover", "orphans", "-o", "json").json
    assert (lost["saga"], lost["steps"][0]["effect"]) == (str(LOST), "stands")


def listed(store: sqlite3.Connection, step: str, status: str = "open", settled_at: int | None = None, note: str = "") -> None:
    row = ("default", LOST.bytes, step, "payment", 1, "DONE", 0, 1, status, settled_at, b"v", 0, 0, note or None)
    columns = (
        "tenant, saga_id, step, participant, run, state, beside, found_at, status, settled_at, undo_value, asked_at, asks, note"
    )
    store.execute(f"INSERT INTO lost_effect ({columns}) VALUES ({', '.join('?' * len(row))})", row)


def test_effects_are_listed_with_their_ways_out_until_they_are_settled(saga: Any, database: Path) -> None:
    with sqlite3.connect(database) as store:
        listed(store, "hold")
        listed(store, "tell", "undoing", note="REJECTED")
        listed(store, "charge", "kept", 5)
    lines = saga("recover", "orphans").out.splitlines()[1:]
    assert [line.split("  ")[1] for line in lines] == ["hold", "tell"], "its reply is no news of an effect that is settled"
    assert lines[0].rstrip().endswith("adopt its saga, undo it, or keep it")
    assert "row DONE, undoing" in lines[1]
    assert lines[1].rstrip().endswith("its participant answered REJECTED, and is asked again; else undo it by hand, then keep it")
    assert saga("recover", "status").out.endswith(
        "1 effects of lost sagas are undoing: saga recover orphans\n1 replies of lost sagas: saga recover orphans\n"
    )
    (lost,) = saga("recover", "orphans", "-o", "json").json
    assert [(one["step"], one["status"]) for one in lost["effects"]] == [("hold", "open"), ("tell", "undoing")]


def test_status_says_which_participants_have_not_told_their_rows_and_what_moves_it(saga: Any, database: Path) -> None:
    assert saga("recover", "--reason", "disk", "--yes").code == 0
    assert "participants are asked for their rows once a coordinator runs" in saga("recover", "status").out
    with sqlite3.connect(database) as store:
        columns = "tenant, participant, incarnation, told, asked_at, asks, done_at, skipped"
        for row in (("payment", 500, None, None), ("fax", 3, 9, "shut down"), ("inventory", 7, 9, None)):
            store.execute(f"INSERT INTO sweep ({columns}) VALUES ('default', ?, 2, ?, 0, 0, ?, ?)", row)
    told = saga("recover", "status").out
    assert "payment has told 500 of its rows, and is asked again by itself" in told
    assert "saga recover skip-participant payment" in told
    assert "fax was skipped: shut down" in told
    assert "inventory" not in told
    assert saga("recover", "status", "-o", "json").json["participants"] == [
        {"participant": "fax", "rows": 3, "swept": True, "skipped": "shut down"},
        {"participant": "inventory", "rows": 7, "swept": True, "skipped": None},
        {"participant": "payment", "rows": 500, "swept": False, "skipped": None},
    ]


def test_a_restored_participant_is_asked_again_alone(saga: Any, database: Path) -> None:
    with sqlite3.connect(database) as store:
        for name in ("payment", "inventory"):
            columns = "tenant, participant, incarnation, told, asked_at, asks, done_at"
            store.execute(f"INSERT INTO sweep ({columns}) VALUES ('default', ?, 1, 3, 0, 0, 9)", (name,))
        listed(store, "charge", "undone", 5)
    told = saga("recover", "participant", "payment", "--reason", "its dump", "--yes")
    assert told.code == 0
    assert "payment is asked for its rows" in told.err
    with sqlite3.connect(database) as store:
        assert store.execute("SELECT participant FROM sweep").fetchall() == [("inventory",)]
        assert store.execute("SELECT step FROM lost_effect").fetchall() == [], "it may stand again"
        assert store.execute("SELECT act FROM audit").fetchall() == [("recover participant payment",)]
    assert "small letters" in saga("recover", "participant", "Payment!", "--reason", "x", "--yes").err


@pytest.mark.parametrize("words", [("recover", "--reason", "disk"), ("recover", "status"), ("recover", "orphans")], ids=str)
def test_no_database_is_one_clear_line(saga: Any, words: tuple[str, ...], tmp_path: Path) -> None:
    assert "SAGA_DATABASE_URL is not set" in saga(*words).err
    missing = saga(*words, "--database", f"sqlite+aiosqlite:///{tmp_path}/none.db")
    assert (missing.code, missing.err) == (5, f"saga: {tmp_path}/none.db does not exist\n")
    assert saga(*words, "--database", "mysql://x").code == 78
