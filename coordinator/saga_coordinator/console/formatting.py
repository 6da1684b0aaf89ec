"""Times, durations and numbers as the console writes them. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup, escape

from saga_schemas.record_class import record

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))
_NONE: Final = "–"


@record
class Look:
    """How a state is shown: a shape and a colour, never a colour alone."""

    shape: str
    """The id of a symbol in `parts.html`."""
    tone: str
    """One of the few colours with a meaning: fwd, done, back, wait, hot, soft."""
    words: str
    """What it means, for a tooltip."""


PHASES: Final[Mapping[str, Look]] = {
    "SCHEDULED": Look(shape="wait", tone="soft", words="waits for its start time: nothing was asked yet"),
    "RUNNING": Look(shape="run", tone="fwd", words="goes forward, and may still go back"),
    "SETTLING": Look(shape="settle", tone="wait", words="wants to go back, and asks first whether its pivot was done"),
    "COMMITTED": Look(shape="commit", tone="fwd", words="past its point of no return: only forward"),
    "COMPENSATING": Look(shape="back", tone="back", words="undoes what was done"),
    "COMPLETED": Look(shape="done", tone="done", words="all was done"),
    "COMPENSATED": Look(shape="undone", tone="back", words="all that was done is undone"),
    "FORCED": Look(shape="forced", tone="wait", words="ended with exceptions that a person answers for"),
}

STATUSES: Final[Mapping[str, Look]] = {
    "idle": Look(shape="idle", tone="soft", words="not reached"),
    "ready": Look(shape="run", tone="fwd", words="may be asked now"),
    "asked": Look(shape="run", tone="fwd", words="asked; its answer is awaited"),
    "accepted": Look(shape="run", tone="fwd", words="the participant works on it"),
    "backoff": Look(shape="wait", tone="wait", words="failed; asked again soon"),
    "done": Look(shape="done", tone="done", words="done"),
    "no_effect": Look(shape="none", tone="soft", words="no effect"),
    "undo_due": Look(shape="back", tone="back", words="to be undone, once what depends on it is"),
    "undo_asked": Look(shape="back", tone="back", words="asked to undo; its answer is awaited"),
    "undo_backoff": Look(shape="wait", tone="wait", words="the undo failed; asked again soon"),
    "resolving": Look(shape="settle", tone="wait", words="asked what became of it"),
    "undone": Look(shape="undone", tone="back", words="undone"),
    "kept": Look(shape="done", tone="soft", words="stays: it has no compensation"),
    "stuck_forward": Look(shape="alert", tone="hot", words="stuck on the way forward: a person is needed"),
    "stuck_back": Look(shape="alert", tone="hot", words="stuck on the way back: a person is needed"),
    "waived": Look(shape="forced", tone="wait", words="waived by a person"),
    "conflict": Look(shape="alert", tone="hot", words="two answers contradict each other"),
}


OUTCOME_TONES: Final[Mapping[str, str]] = {
    "SUCCEEDED": "done",
    "UNDONE": "back",
    "NOTHING_TO_UNDO": "back",
    "REJECTED": "hot",
    "FAILED": "hot",
    "UNSUPPORTED": "hot",
    "EXPIRED": "wait",
    "FENCED": "wait",
    "IN_PROGRESS": "fwd",
}
"""The colour of what a participant answers."""


def moment_us(value: str | int) -> int:
    """Microseconds since 1970 of a time as views have it: such a number, or RFC 3339."""
    if isinstance(value, int):
        return value
    return int(datetime.fromisoformat(value).timestamp() * 1_000_000)


def absolute(value: str | int) -> str:
    """`2026-11-29 14:02:11.118 UTC`."""
    moment = datetime.fromtimestamp(moment_us(value) / 1e6, tz=UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC"


def clock(value: str | int) -> str:
    """`14:02:11.118`, in UTC."""
    return absolute(value)[11:23]


def ago(value: str | int | None, now_us: int | None = None) -> str | Markup:
    """A `<time>` that says how long ago, or in how long; the absolute time is its tooltip."""
    if value is None:
        return _NONE
    us = moment_us(value)
    words = relative(us, time.time_ns() // 1000 if now_us is None else now_us)
    iso = datetime.fromtimestamp(us / 1e6, tz=UTC).isoformat(timespec="milliseconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, absolute(us), words)


def relative(us: int, now_us: int) -> str:
    """`12 min ago`, `in 3 h`, `now`."""
    distance_ms = abs(now_us - us) // 1000
    if distance_ms < 1_000:
        return "now"
    unit, size = next((unit, size) for unit, size in _UNITS if distance_ms >= size)
    words = f"{distance_ms // size} {unit}"
    return f"{words} ago" if us < now_us else f"in {words}"


def duration(ms: float | None) -> str:
    """`184 ms`, `1.2 s`, `4 min 31 s`, `3 h 12 min`, `2 d 4 h`."""
    if ms is None:
        return _NONE
    if ms < 1_000:
        return f"{ms:.0f} ms" if ms >= 1 or ms == 0 else f"{ms:.1f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    place = next(number for number, (_, size) in enumerate(_UNITS) if ms >= size)
    (unit, size), (smaller, smaller_size) = _UNITS[place], _UNITS[place + 1]
    rest = int(ms % size // smaller_size)
    return f"{int(ms // size)} {unit} {rest} {smaller}" if rest else f"{int(ms // size)} {unit}"


def number(value: float | None) -> str:
    """`1,284`."""
    return _NONE if value is None else f"{value:,.0f}"


def rate(per_s: float | None) -> str:
    """`42.1 /s`, `0.02 /s`."""
    if per_s is None:
        return _NONE
    digits = 0 if per_s >= 100 or per_s == 0 else 1 if per_s >= 1 else 2
    return f"{per_s:,.{digits}f} /s"


def share(part: float | None) -> str:
    """A part of one as `96.2 %`."""
    if part is None:
        return _NONE
    percent = part * 100
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"


def text_or_none(value: object) -> str | Markup:
    """The text, or the dash that stands for nothing."""
    return _NONE if value is None or value == "" else escape(value)
