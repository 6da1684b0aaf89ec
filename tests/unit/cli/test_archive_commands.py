"""`saga archive` reads an archive by itself: what it shows, writes, and says of damaged files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saga_coordinator.archive.container import read_container, write_container
from saga_coordinator.archive.directory import Directory
from saga_coordinator.archive.entry import Entry
from saga_coordinator.archive.keeping import keep_entries
from saga_coordinator.archive.names import day_of, file_name
from support.archived import DAY_US, NOON_US, archived, described

Saga = Callable[..., Any]


def view(key: str) -> str:
    """What `saga show -o json` said, as far as commands read it."""
    fields = ("reason", "deadline_at", "trace_url", "input", "input_note")
    lists = ("steps", "waiting", "attention", "exceptions", "notes")
    record = {"version": 1, "at": "2026-11-03T14:05:06.000123Z", "kind": "start", "actor": None, "facts": [], "note": None}
    return json.dumps(
        {"id": "x", "key": key, "definition": "order", "phase": "FORCED", "started_at": record["at"], "closed_at": record["at"]}
        | {"duration_ms": 5, "trace_id": "ab" * 16, "journal": [record]}
        | dict.fromkeys(fields)
        | {name: [] for name in lists}
    )


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Three sagas on two days, the address in SAGA_ARCHIVE."""
    root = tmp_path / "archive"
    monkeypatch.setenv("SAGA_ARCHIVE", root.as_uri())
    made = [described(archived(NOON_US + n, NOON_US + n // 2 * DAY_US, key=f"o-{n}"), view=view(f"o-{n}")) for n in range(3)]
    for entry in made:
        asyncio.run(keep_entries(Directory(root), day_of(entry.closed_at_us), [entry]))
    return made


def test_it_lists_the_latest_first(saga: Saga, kept: list[Entry]) -> None:
    assert saga("archive", "list", "-o", "ids").out.split()[0] == str(kept[2].id)
    listed = saga("archive", "list", "-o", "json").json
    assert sorted(item["key"] for item in listed) == ["o-0", "o-1", "o-2"]
    assert listed[0]["file"].startswith(f"{day_of(NOON_US + DAY_US)}/")
    assert listed[0]["attention"] == ["charge: stuck"]
    assert "o-2" in saga("archive", "list").out


def test_it_lists_what_is_asked_for(saga: Saga, kept: list[Entry]) -> None:
    first = str(kept[0].id)
    assert saga("archive", "list", "--key", "o-0", "-o", "ids").out.split() == [first]
    assert set(saga("archive", "list", "--day", day_of(NOON_US), "-o", "ids").out.split()) == {first, str(kept[1].id)}
    assert saga("archive", "list", "--definition", "other").err == "no saga matches\n"
    assert saga("archive", "list", "--day", "1999-01-01").err == "no saga matches\n"
    assert len(saga("archive", "list", "--limit", "1", "-o", "ids").out.split()) == 1


def test_it_shows_what_show_said(saga: Saga, kept: list[Entry]) -> None:
    assert saga("archive", "show", str(kept[1].id), "-o", "json").json == json.loads(kept[1].view)
    shown = saga("archive", "show", str(kept[1].id)).out
    assert shown.startswith("order o-1   FORCED")
    assert f"archived in {day_of(NOON_US)}/" in shown
    assert "start" in saga("archive", "show", str(kept[1].id), "--journal").out


def test_it_exports_lines(saga: Saga, kept: list[Entry], tmp_path: Path) -> None:
    done = saga("archive", "export", "-o", str(tmp_path / "all.jsonl"))
    assert (done.code, done.err) == (0, f"3 sagas written to {tmp_path / 'all.jsonl'}\n")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert sorted(line["key"] for line in lines) == ["o-0", "o-1", "o-2"]
    assert json.loads(saga("archive", "export", str(kept[0].id), "-o", "-").out)["key"] == "o-0"


def test_it_exports_a_container(saga: Saga, kept: list[Entry], tmp_path: Path) -> None:
    ids = [str(kept[2].id), str(kept[0].id)]
    assert saga("archive", "export", *ids, "-o", str(tmp_path / "two.avro")).code == 0
    assert [str(entry.id) for entry in read_container((tmp_path / "two.avro").read_bytes())] == ids


def test_an_export_that_fails_leaves_no_file(saga: Saga, kept: list[Entry], tmp_path: Path) -> None:
    unknown = "019b0000-0000-7000-8000-00000000ffff"
    for name in ("x.jsonl", "x.avro"):
        done = saga("archive", "export", str(kept[0].id), unknown, "-o", str(tmp_path / name))
        assert (done.code, done.err) == (4, f"saga: the archive has no saga {unknown}\n")
    assert [file for file in tmp_path.iterdir() if file.is_file()] == []


def test_a_damaged_file_is_told_and_the_rest_is_read(saga: Saga, kept: list[Entry], tmp_path: Path) -> None:
    name = file_name(NOON_US, b"abcd", [kept[0].id])
    (tmp_path / "archive" / day_of(NOON_US) / name).write_bytes(write_container([kept[0]])[:-3])

    done = saga("archive", "list", "-o", "ids")

    assert done.code == 1
    assert len(done.out.split()) == 3
    assert f"saga: {day_of(NOON_US)}/{name} is damaged: a block does not end where it should" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("archive", "show", "o-17"), 2, "'o-17' is no saga's id; `saga archive list --key KEY` looks for a business key"),
        (("archive", "list", "--day", "yesterday"), 2, "write YYYY-MM-DD"),
        (("archive", "list", "--archive", "gs://x"), 78, "SAGA_ARCHIVE: write file:///PATH or s3://BUCKET/PREFIX"),
        (("archive", "list", "--archive", "file:///no/such/folder"), 69, "cannot be read (No such file or directory)"),
        (("archive", "export", "-o", "/no/such/folder/x.jsonl"), 2, "No such file or directory"),
    ],
)
def test_what_is_wrong_is_one_line(saga: Saga, kept: list[Entry], arguments: tuple[str, ...], code: int, said: str) -> None:
    done = saga(*arguments)
    assert done.code == code
    assert said in done.err
    assert done.err.count("\n") == 1


def test_without_an_address_it_says_where_to_write_it(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGA_ARCHIVE", raising=False)
    done = saga("archive", "list")
    assert (done.code, done.err) == (78, "saga: SAGA_ARCHIVE is not set: give --archive file:///PATH or s3://BUCKET/PREFIX\n")


def test_an_export_of_what_is_no_file_of_ours_is_refused(saga: Saga, coordinator: Any, tmp_path: Path) -> None:
    saga_id = "019b0000-0000-7000-8000-000000000001"
    coordinator.answer("GET", f"/v1/sagas/{saga_id}/export", {"id": saga_id})
    done = saga("export", saga_id, "-o", str(tmp_path / "x.avro"))
    assert (done.code, "is not a saga coordinator" in done.err) == (69, True)
    assert list(tmp_path.iterdir()) == []


def test_an_archived_saga_is_not_found_and_says_where_it_is(saga: Saga, coordinator: Any) -> None:
    saga_id = "019b0000-0000-7000-8000-000000000001"
    coordinator.refuse("GET", f"/v1/sagas/{saga_id}", 410, "saga_archived", detail="It stands in file:///x.")
    done = saga("show", saga_id)
    assert (done.code, done.err) == (4, "saga: saga_archived: It stands in file:///x.\n")


def test_an_import_sends_the_file_and_says_what_came_of_it(saga: Saga, coordinator: Any, tmp_path: Path) -> None:
    (tmp_path / "x.avro").write_bytes(b'"the file"')
    coordinator.answer("POST", "/v1/imports", {"imported": ["a", "b"], "known": ["c"]}, 201)

    done = saga("import", str(tmp_path / "x.avro"), "--reason", "incident 4711")

    assert (done.code, done.out) == (0, "2 sagas imported, 1 were there before\n")
    (asked,) = coordinator.asked
    assert (asked.headers["content-type"], asked.body) == ("application/avro", "the file")
    assert asked.query["reason"] == "incident 4711"


def test_an_import_that_is_refused_is_one_line(saga: Saga, coordinator: Any, tmp_path: Path) -> None:
    (tmp_path / "x.avro").write_bytes(b'"the file"')
    coordinator.refuse(
        "POST", "/v1/imports", 409, "import_conflict", detail="saga a: it was imported before. Nothing was imported."
    )
    done = saga("import", str(tmp_path / "x.avro"))
    assert (done.code, done.err) == (5, "saga: import_conflict: saga a: it was imported before. Nothing was imported.\n")
    assert saga("import", str(tmp_path / "none.avro")).code == 2


def test_lists_mark_what_was_imported(saga: Saga, coordinator: Any) -> None:
    line = {
        "id": "019b0000-0000-7000-8000-000000000001",
        "key": "o-17",
        "definition": "order",
        "definition_version": 1,
        "phase": "FORCED",
        "attention": [],
        "started_at": "2026-11-03T14:05:06.000123Z",
        "closed_at": "2026-11-03T14:05:06.000123Z",
        "imported": True,
    }
    coordinator.answer("GET", "/v1/sagas", {"items": [line], "next": None})
    assert "FORCED (imported)" in saga("list").out
