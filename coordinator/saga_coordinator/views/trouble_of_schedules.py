"""What is wrong with schedules: one that cannot start or has had no success, ticks that nobody
decides, a pause that somebody may have forgotten. Pure.

No trouble has a schedule for its subject: a participant or a definition may have the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final
from urllib.parse import quote

from saga_coordinator.schedules.words import LATE_US, Need, attention_words
from saga_coordinator.views.situation import Situation
from saga_coordinator.views.trouble import BAD, MINUTE_US, WARN, WATCH, Link, Trouble, WayOut, for_so_long
from saga_coordinator.views.words import listed
from saga_schemas.times import format_us

NEEDED: Final = "schedule_needs_person"
OVERDUE: Final = "schedule_overdue"
PAUSED: Final = "schedule_paused"
LATE: Final = "ticks_late"
WAIT: Final = "schedules_wait"
VERY_LATE_US: Final = 5 * MINUTE_US
_CODES: Final = {"no_success": OVERDUE, "paused": PAUSED}


def needed(now: Situation) -> Iterator[Trouble]:
    """A sentence for each cause, with all schedules that have it."""
    by_code = sorted(now.schedules.needs, key=lambda one: one.code)
    for _, found in groupby(by_code, key=lambda one: one.code):
        needs = sorted(found, key=lambda one: (one.since_us, one.name))
        yield _of_one(now, needs[0]) if len(needs) == 1 else _of_many(now, needs)


def _of_one(now: Situation, need: Need) -> Trouble:
    page = _page(need.name)
    return Trouble(
        code=_CODES.get(need.code, NEEDED),
        severity=_severity(need),
        subject=None,
        sentence=f"{need.sentence}, for {for_so_long(now, need.since_us)}",
        detail=f"{_ended(need.note)}{need.way_out}",
        since=format_us(need.since_us),
        links=(Link(text=f"Open {need.name}", page=page),),
        acts=(WayOut(text=f"{need.act}…", command=need.command, page=page),),
    )


def _of_many(now: Situation, needs: Sequence[Need]) -> Trouble:
    first, meaning = needs[0], attention_words(needs[0].code)
    count = f"{len(needs):,}{'+' if now.schedules.more else ''}"
    return Trouble(
        code=_CODES.get(first.code, NEEDED),
        severity=_severity(first),
        subject=None,
        sentence=f"{count} schedules {meaning.many}, the longest for {for_so_long(now, first.since_us)}",
        detail=f"{listed([need.name for need in needs])}. {meaning.way_out.format(name='NAME', definition='their definition')}",
        since=format_us(first.since_us),
        links=(Link(text=f"Open the {count}", page="attention#schedules"),),
    )


def late(now: Situation) -> Iterator[Trouble]:
    counts = now.schedules.counts
    if counts is None or counts.due_since_us is None or counts.now_us - counts.due_since_us < LATE_US:
        return
    late_us = counts.now_us - counts.due_since_us
    why = now.schedules.waits
    yield Trouble(
        code=LATE,
        severity=BAD if late_us >= VERY_LATE_US else WARN,
        subject=None,
        sentence=f"ticks of schedules are late: the oldest is due for {for_so_long(now, now.now_us - late_us)}",
        detail=(f"{why}. " if why else "See that an instance with the role timers runs, and whether the database is slow. ")
        + "None is lost: what is too late goes by its schedule's policy for missed ticks.",
        since=format_us(counts.due_since_us),
        links=(Link(text="Open the machine", page="machine"), Link(text="Open the schedules", page="schedules")),
    )


def waits(now: Situation) -> Iterator[Trouble]:
    if now.schedules.waits is not None and not any(late(now)):
        yield Trouble(
            code=WAIT,
            severity=WARN,
            subject=None,
            sentence="this instance can decide no tick of a schedule",
            detail=f"{now.schedules.waits}. It tries again by itself, and so do the others.",
            since=None,
            links=(Link(text="Open the machine", page="machine"),),
        )


def _severity(need: Need) -> str:
    return BAD if attention_words(need.code).bad else WATCH


def _page(name: str) -> str:
    return f"schedules/{quote(name, safe='')}"


def _ended(note: str) -> str:
    """A note as sentences before others; nothing where there is none."""
    note = note.strip()
    return f"{note}{'' if note.endswith(('.', '!', '?')) else '.'} " if note else ""
