"""`schedule lint|next|json-schema` of files: no coordinator needed."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from support.paths import ROOT

EXAMPLE = ROOT / "examples" / "settlement"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, to be changed."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "settlement"))


def spoil(path: Path, old: str, new: str) -> str:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return str(path)


def test_the_example_has_no_findings(saga: Any) -> None:
    told = saga("schedule", "lint", str(EXAMPLE / "settlement.schedule.yaml"), str(EXAMPLE / "german-holidays.days.yaml"))

    assert (told.code, told.out) == (0, "0 errors in 2 files\n")


def test_findings_have_place_and_code_and_end_1(saga: Any, folder: Path) -> None:
    file = spoil(folder / "settlement.schedule.yaml", "currency: EUR", "currenci: EUR")

    told = saga("schedule", "lint", file)

    assert told.code == 1
    first, second, total = told.out.splitlines()
    assert re.match(rf"{re.escape(file)}:\d+:3  error  S209  settlement.SettleDay.currency gets no value", first)
    assert "S208" in second
    assert total == "2 errors in 1 file (exit 1)"


def test_all_findings_of_all_files_are_told_as_json_too(saga: Any, folder: Path) -> None:
    one = spoil(folder / "settlement.schedule.yaml", "jitter: 5m", "jitter: soon")
    other = spoil(folder / "german-holidays.days.yaml", "2027-05-01", "2027-05-32")

    told = saga("schedule", "lint", one, other, "-o", "json")

    assert told.code == 1
    assert {(finding["file"], finding["code"]) for finding in told.json} == {(one, "S009"), (other, "S327")}


def test_without_the_definition_lint_warns_and_ends_0(saga: Any, folder: Path) -> None:
    (folder / "settle-day.saga.yaml").unlink()

    told = saga("schedule", "lint", str(folder / "settlement.schedule.yaml"))

    assert told.code == 0
    assert "  warning  S311  settle-day is not at hand" in told.out
    assert told.out.endswith("1 warning in 1 file\n")


def test_where_definitions_are_named_it_must_be_among_them(saga: Any, folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "definitions"
    elsewhere.mkdir()
    shutil.move(folder / "german-holidays.days.yaml", elsewhere)
    file = str(folder / "settlement.schedule.yaml")

    missing = saga("schedule", "lint", file, "--definitions", str(elsewhere), "-o", "ids")
    shutil.move(folder / "settle-day.saga.yaml", elsewhere)
    there = saga("schedule", "lint", file, "--definitions", str(elsewhere), "--schemas", str(folder / "schemas"))

    assert (missing.code, missing.out) == (1, "S310\n")
    assert (there.code, there.out) == (0, "0 errors in 1 file\n")


def test_a_definition_with_errors_is_told(saga: Any, folder: Path) -> None:
    spoil(folder / "settle-day.saga.yaml", "participant: ledger", "participant: Ledger")

    told = saga("schedule", "lint", str(folder / "settlement.schedule.yaml"))

    assert told.code == 1
    assert "settle-day.saga.yaml has findings:" in told.err
    assert "S010" in told.err


def test_a_newer_version_of_the_definition_goes_before_an_older(saga: Any, folder: Path) -> None:
    text = (folder / "settle-day.saga.yaml").read_text()
    newer = text.replace("version: 1", "version: 2").replace("key: ${input.settlement_id}", "key: ${input.currency}")
    (folder / "a-newer.saga.yaml").write_text(newer)

    told = saga("schedule", "lint", str(folder / "settlement.schedule.yaml"))
    pinned = saga("schedule", "lint", spoil(folder / "settlement.schedule.yaml", "settle-day  ", "settle-day@1  "))

    assert told.code == 0  # the key reads what is the same, but the input has parts that are not
    assert pinned.code == 0


def test_a_schedule_of_a_module_is_taken_as_a_file_is(saga: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shop_schedules.py").write_text(
        "from saga_coordinator.schedules import Schedule\n"
        "nightly = Schedule('nightly', definition='settle-day', cron='0 1 * * *',\n"
        "    input={'settlement_id': '${schedule.tick}', 'closed_at': '${schedule.scheduled_for}', 'currency': 3})\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "shop_schedules", raising=False)

    told = saga("schedule", "lint", "shop_schedules:nightly")

    assert told.code == 1
    assert told.out.startswith("nightly  error  S212  settlement.SettleDay.currency is a string")


def test_next_shows_the_hour_that_is_skipped(saga: Any) -> None:
    file = str(EXAMPLE / "settlement.schedule.yaml")
    told = saga("schedule", "next", "--file", file, "--count", "3", "--from", "2027-03-24", "-o", "json")

    assert [item["tick"] for item in told.json["items"]] == [
        "2027-03-24T01:30:00Z",
        "2027-03-25T01:30:00Z",
        "2027-03-27T01:30:00Z",  # the 26th is a holiday
    ]
    assert told.json["zone"] == "Europe/Berlin"
    assert told.json["tzdata"]
    assert all(item["odd"] is None for item in told.json["items"])


def test_next_shows_what_is_odd_beside_the_tick(saga: Any, folder: Path) -> None:
    file = spoil(folder / "settlement.schedule.yaml", "TUE-SAT", "*")

    told = saga("schedule", "next", "--file", file, "--count", "2", "--from", "2027-03-27T12:00:00Z")
    twice = saga("schedule", "next", "--file", file, "--count", "1", "--from", "2027-10-31", "-o", "json")

    head, skipped, after = told.out.splitlines()
    assert head.split() == ["TICK", "WALL", "CLOCK"]
    assert skipped.split()[:3] == ["2027-03-28T01:00:00Z", "2027-03-28", "03:00:00+02:00"]
    assert "the hour is skipped: runs 03:00" in skipped
    assert after.split()[:3] == ["2027-03-30T00:30:00Z", "2027-03-30", "02:30:00+02:00"]  # the 29th is a holiday
    assert "zone Europe/Berlin, tzdata 20" in told.err
    assert twice.json["items"][0]["tick"] == "2027-10-31T00:30:00Z"
    assert twice.json["items"][0]["odd"]


def test_next_of_ids_is_for_pipes(saga: Any) -> None:
    file = str(EXAMPLE / "settlement.schedule.yaml")

    told = saga("schedule", "next", "--file", file, "--count", "1", "--from", "2027-03-23", "-o", "ids")

    assert told.out == "2027-03-23T01:30:00Z\n"


def test_next_of_a_file_with_errors_tells_them(saga: Any, folder: Path) -> None:
    told = saga("schedule", "next", "--file", spoil(folder / "settlement.schedule.yaml", "Europe/Berlin", "Europe/Berln"))

    assert told.code == 1
    assert "S320" in told.err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("settlement", "--file", "x.schedule.yaml"),
        ("--file", "/nowhere/x.schedule.yaml"),
        ("--file", str(EXAMPLE / "settlement.schedule.yaml"), "--from", "soon"),
        ("--file", str(EXAMPLE / "settlement.schedule.yaml"), "--from", "2027-02-30"),
        ("--file", str(EXAMPLE / "settlement.schedule.yaml"), "--count", "0"),
    ],
    ids=["nothing", "both", "no-file", "no-time", "no-day", "no-count"],
)
def test_next_that_is_asked_wrongly_ends_2(saga: Any, words: tuple[str, ...]) -> None:
    assert saga("schedule", "next", *words).code == 2


@pytest.mark.parametrize(("words", "required"), [((), "schedule"), (("--days",), "calendar")], ids=["schedule", "days"])
def test_the_json_schemas_are_json(saga: Any, words: tuple[str, ...], required: str) -> None:
    assert saga("schedule", "json-schema", *words).json["required"][0] == required


@pytest.mark.parametrize(
    ("zone", "wall"),
    [("Europe/Berlin", "2027-03-28 03:00:00+02:00"), ("Mars/Olympus", "2027-03-28T02:30:00")],
    ids=["known", "newer"],
)
def test_next_of_a_stored_schedule_asks_the_coordinator(saga: Any, coordinator: Any, zone: str, wall: str) -> None:
    item = {
        "tick": "2027-03-28T01:00:00Z",
        "due_at": "2027-03-28T01:00:00.000000Z",
        "local": "2027-03-28T02:30:00",
        "odd": "02:30 does not exist",
        "words": "in 3 h, Sunday 02:30, the hour is skipped: runs 03:00",
    }
    coordinator.answer("GET", "/v1/schedules/settlement/next", {"items": [item], "zone": zone, "tzdata": "2027a"})

    told = saga("schedule", "next", "settlement", "--count", "1", "--from", "2027-03-27")

    assert coordinator.asked[-1].query == {"count": "1", "from": "2027-03-27"}
    assert f"2027-03-28T01:00:00Z  {wall}  in 3 h, Sunday" in told.out
    assert f"zone {zone}, tzdata 2027a" in told.err
