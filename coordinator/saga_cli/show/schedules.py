"""`saga schedule`: schedules, their ticks, versions and backfills, and calendars of days."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Final

from rich.console import Group
from rich.text import Text

from saga_cli.show.formatting import ago, duration, plain

Json = dict[str, Any]

COLUMNS: Final = ("NAME", "STATUS", "NEXT", "CALENDAR", "DEFINITION", "FIRED", "SKIPPED", "MISSED", "FAILED", "OPEN", "NEEDS")
TICK_COLUMNS: Final = ("TICK", "OUTCOME", "WHY", "SAGA", "ENDED", "LATE", "BY")
VERSION_COLUMNS: Final = ("VERSION", "MADE", "BY", "WHY")
BACKFILL_COLUMNS: Final = ("MADE", "STATUS", "FROM", "UNTIL", "DONE", "OF", "FIRED", "KNOWN", "SKIPPED", "FAILED", "ID")
DAYS_COLUMNS: Final = ("NAME", "VERSION", "DAYS", "PUT", "BY", "NOTE")
_STATUS: Final = {"active": "green", "paused": "yellow", "deleted": "dim", "ended": "dim"}
_OUTCOME: Final = {"fired": "green", "queued": "cyan", "skipped": "yellow", "missed": "yellow", "failed": "bold red"}
_RUNNING: Final = {"running": "cyan", "stopped": "yellow"}


# --- schedules ------------------------------------------------------------------------------------


def row(schedule: Json) -> list[Text]:
    counts = [plain(str(schedule["counts"][name])) for name in ("fired", "skipped", "missed", "failed")]
    return [
        plain(schedule["name"]),
        plain(schedule["status"], _STATUS.get(schedule["status"], "")),
        plain(schedule["next"]["words"] if schedule["next"] else ""),
        plain(", ".join(schedule["calendar"])),
        plain(_definition(schedule)),
        *counts,
        plain(str(schedule["running"])),
        plain(", ".join(one["code"] for one in schedule["needs"]), "bold red"),
    ]


def whole(schedule: Json) -> Group:
    """Draw the whole schedule: how it stands, who must do what, what runs, and what comes."""
    return Group(*_head(schedule), *_needs(schedule), *_open(schedule), *_coming(schedule))


def saved_line(saved: Json) -> str:
    """What became of a file that was sent."""
    if not saved["changed"]:
        return f"schedule {saved['name']} says this already: version {saved['version']} stays"
    upcoming = saved["schedule"]["next"]
    when = f"its next tick is {upcoming['tick']}, {upcoming['words']}" if upcoming else "no tick comes"
    return plain(f"schedule {saved['name']} is at version {saved['version']}; {when}").plain


def _head(schedule: Json) -> Iterator[Text]:
    calendar = f"{', '.join(schedule['calendar'])} in {schedule['zone']} (tzdata {schedule['tzdata']})"
    yield plain(f"{schedule['name']}  {schedule['status']}  version {schedule['version']}", "bold")
    yield plain(f"starts {_definition(schedule)} by {calendar}")
    if schedule["note"]:
        yield plain(schedule["note"], "dim")
    counts = schedule["counts"]
    said = [f"{counts[name]} {name}" for name in ("fired", "queued", "skipped", "missed", "failed")]
    left = "" if schedule["runs_left"] is None else f", {schedule['runs_left']} runs left"
    yield plain(f"ticks: {', '.join(said)}{left}; the last that fired: {schedule['previous'] or 'none'}")
    if paused := schedule["paused"]:
        yield plain(f"paused {ago(paused['at'])} ago by {paused['actor']}: {paused['reason']}", "yellow")
    health = schedule["health"]
    if health["pause_after_failures"] is not None and health["failures"]:
        yield plain(f"{health['failures']} sagas in a row failed; {health['pause_after_failures']} pause it", "yellow")
    if health["succeeded_at"] is not None or health["success_due_at"] is not None:
        due = f"; the next is due by {health['success_due_at']}" if health["success_due_at"] else ""
        yield plain(f"last success: {health['succeeded_at'] or 'none'}{due}", "bold red" if health["overdue"] else "")


def _needs(schedule: Json) -> Iterator[Text]:
    for need in schedule["needs"]:
        note = f" ({need['note']})" if need["note"] else ""
        yield plain(f"{need['sentence']}, for {ago(need['since'])}{note}", "bold red")
        yield plain(f"  {need['way_out']}", "red")
        yield plain(f"  $ {need['command']}", "red")


def _open(schedule: Json) -> Iterator[Text]:
    for tick in schedule["open"]:
        yield plain(f"runs: {tick['tick']} as saga {tick['saga_id']}", "cyan")
    for tick in schedule["queued"]:
        yield plain(f"waits: {tick['tick']}, {tick['sentence']}", "cyan")


def _coming(schedule: Json) -> Iterator[Text]:
    if not schedule["coming"]:
        yield plain("no tick comes", "dim")
    for tick in schedule["coming"]:
        yield plain(f"  {tick['tick']}  {tick['words']}")


def _definition(schedule: Json) -> str:
    version = schedule["definition_version"]
    return str(schedule["definition"]) if version is None else f"{schedule['definition']}@{version}"


# --- versions -------------------------------------------------------------------------------------


def version_row(version: Json) -> list[Text]:
    return [
        plain(str(version["version"])),
        plain(f"{ago(version['at'])} ago"),
        plain(version["actor"]),
        plain(version["reason"]),
    ]


def changed(before: Json | None, after: Json) -> str:
    """Two versions of a document as a unified diff; without one before, all is new."""
    old = [] if before is None else before["file"].splitlines(keepends=True)
    names = (f"version {before['version']}" if before else "nothing", f"version {after['version']}")
    return "".join(difflib.unified_diff(old, after["file"].splitlines(keepends=True), *names))


# --- ticks ----------------------------------------------------------------------------------------


def tick_id(tick: Json) -> str:
    return str(tick["tick"] if tick["kind"] == "tick" else f"{tick['first']}/{tick['last']}")


def tick_row(tick: Json) -> list[Text]:
    outcome = plain(tick["outcome"], _OUTCOME.get(tick["outcome"], ""))
    if tick["kind"] == "range":
        name = f"{tick['count']} from {tick['first']} to {tick['last']}"
        return [plain(name), outcome, plain(tick["sentence"]), plain(tick["saga_id"]), *(plain("") for _ in range(3))]
    late = "" if tick["late_ms"] is None else duration(tick["late_ms"] / 1000)
    return [
        plain(tick["tick"]),
        outcome,
        plain(tick["sentence"]),
        plain(tick["saga_id"]),
        plain(tick["phase"]),
        plain(late),
        plain(tick["source"]),
    ]


def tick_line(tick: Json) -> str:
    """What became of a tick by hand."""
    if tick["outcome"] == "fired":
        return f"tick {tick['tick']} started saga {tick['saga_id']}"
    way = f" (saga {tick['saga_id']})" if tick["saga_id"] else ""
    word = "waits" if tick["outcome"] == "queued" else f"was {tick['outcome']}" if tick["outcome"] != "failed" else "failed"
    return plain(f"tick {tick['tick']} {word}: {tick['sentence']}{way}").plain


# --- backfills ------------------------------------------------------------------------------------


def counted(name: str, found: Json) -> str:
    return f"{_ticks(found['found'])} of {name} from {found['first_at']} to {found['last_at']}; those that fired do not run again"


def backfill_made(name: str, made: Json) -> str:
    return f"backfill {made['id']} comes to {_ticks(made['found'])}; `saga schedule backfills {name}` says how far it is"


def backfill_stopped(found: Json) -> str:
    done = found["fired"] + found["known"] + found["skipped"] + found["failed"]
    return f"backfill {found['id']} is stopped after {done} of {_ticks(found['found'])}, {found['fired']} of them fired"


def backfill_row(backfill: Json) -> list[Text]:
    counts = [backfill[name] for name in ("fired", "known", "skipped", "failed")]
    return [
        plain(f"{ago(backfill['created_at'])} ago"),
        plain(backfill["status"], _RUNNING.get(backfill["status"], "")),
        plain(backfill["first_at"]),
        plain(backfill["last_at"]),
        plain(str(sum(counts))),
        plain(str(backfill["found"])),
        *(plain(str(count)) for count in counts),
        plain(backfill["id"]),
    ]


def _ticks(count: int) -> str:
    return f"{count} tick{'s' * (count != 1)}"


# --- calendars of days ----------------------------------------------------------------------------


def days_row(calendar: Json) -> list[Text]:
    return [
        plain(calendar["name"]),
        plain(str(calendar["version"])),
        plain(_days(calendar)),
        plain(f"{ago(calendar['at'])} ago"),
        plain(calendar["actor"]),
        plain(calendar["note"]),
    ]


def days_line(calendar: Json) -> str:
    return f"calendar {calendar['name']} is at version {calendar['version']}: {_days(calendar)}"


def days_whole(calendar: Json) -> Group:
    """Draw a calendar of days: each day, and each range of days."""
    lines = [plain(f"{calendar['name']}  version {calendar['version']}", "bold")]
    if calendar["note"]:
        lines.append(plain(calendar["note"], "dim"))
    lines.append(plain(f"put {ago(calendar['at'])} ago by {calendar['actor']}: {calendar['reason']}", "dim"))
    lines += [plain(f"  {day}") for day in calendar["dates"]]
    lines += [plain(f"  {first} to {last}") for first, last in calendar["ranges"]]
    return Group(*lines)


def _days(calendar: Json) -> str:
    dates, ranges = len(calendar["dates"]), len(calendar["ranges"])
    said = f"{dates} day{'s' * (dates != 1)}"
    return f"{said} and {ranges} range{'s' * (ranges != 1)}" if ranges else said
