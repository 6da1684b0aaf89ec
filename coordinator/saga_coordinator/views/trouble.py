"""One thing that is wrong, in words, and what all rules say alike. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from saga_coordinator.views.situation import Situation
from saga_coordinator.views.words import duration, many

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
BAD, WARN, WATCH = "bad", "warn", "watch"
"""Sagas stand still; somebody should look today; something is not as usual."""
SEVERITIES: Final = (BAD, WARN, WATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A page of the console, relative to its root."""

    text: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """An act that may help."""

    text: str
    command: str
    """In a terminal; what stands in capitals is for the person to write."""
    page: str
    """Where it can be done in the console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong."""

    code: str
    """Which rule says so."""
    severity: str
    """`bad`, `warn` or `watch`."""
    subject: str | None
    """The participant or definition that it is about."""
    sentence: str
    detail: str
    since: str | None
    links: tuple[Link, ...] = ()
    acts: tuple[WayOut, ...] = ()


def for_so_long(now: Situation, since_us: int) -> str:
    return duration(max(now.now_us - since_us, 0))


def since_then(now: Situation, since_us: int | None) -> str:
    return " for more than an hour" if since_us is None else f", for {for_so_long(now, since_us)}"


def who_waits(now: Situation, participant: str) -> str:
    count = now.waits.sagas(participant)
    if not count:
        return "No saga waits for it."
    about = "" if now.waits.exact else "About "
    return f"{about}{many(count, 'saga')} {'waits' if count == 1 else 'wait'} for it."


def participant_page(now: Situation, name: str) -> Link:
    count = now.waits.sagas(name)
    page = f"participants/{quote(name, safe='')}"
    return Link(text=f"See the {count:,}", page=f"{page}#waiting") if count > 1 else Link(text=f"Open {name}", page=page)


def pausing(name: str) -> WayOut:
    command = f"saga pause --participant {name} --reason WHY"
    return WayOut(text=f"Pause {name}…", command=command, page=f"participants/{quote(name, safe='')}#pause")


def most(counts: Mapping[str, int]) -> tuple[str, int]:
    return max(sorted(counts.items()), key=lambda one: one[1], default=("", 0))
