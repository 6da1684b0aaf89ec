"""The demo's drawing of one order: a line for each step, with its duration, its undo, and a bar
that shows when.

order o-17-k3f   COMPENSATED   ship: REJECTED no_carrier
├─ reserve  SUCCEEDED  12 ms     undone  9 ms    ▇▇▁▁▁▁▁▁▁▇▇
└─ ship     REJECTED    7 ms                     ▁▁▁▁▇▇▁▁▁▁▁
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

from saga_cli.show.formatting import at, duration, phase, plain
from saga_cli.show.timeline import Interval, bars

CELLS = 11
_STYLES = {"SUCCEEDED": "green", "REJECTED": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step as a line."""

    name: str
    outcome: str
    took: str
    undone: str
    undo_took: str
    busy: tuple[Interval, ...]
    """When its commands were under way, in seconds since the saga's first command."""


def order_lines(saga: dict[str, Any]) -> Iterator[Text]:
    """Yield the lines of a saga's view, as the API gives it, without indent."""
    yield Text.assemble(plain(f"order {saga['key']}   "), phase(saga["phase"]), plain(f"   {saga['reason'] or ''}"))
    lines = steps_of(saga)
    length_s = max((end for line in lines for _, end in line.busy), default=0.0)
    width = {name: max((len(getattr(line, name)) for line in lines), default=0) for name in ("name", "outcome", "took", "undone")}
    undo_width = max((len(line.undo_took) for line in lines), default=0)
    for place, line in enumerate(lines):
        yield Text.assemble(
            "└─ " if place == len(lines) - 1 else "├─ ",
            plain(f"{line.name:<{width['name']}}  "),
            plain(f"{line.outcome:<{width['outcome']}}  ", _STYLES.get(line.outcome, "")),
            plain(f"{line.took:>{width['took']}}     "),
            plain(f"{line.undone:<{width['undone']}}  ", "yellow"),
            plain(f"{line.undo_took:>{undo_width}}    "),
            plain(bars(line.busy, length_s, CELLS), "cyan"),
        )


def steps_of(saga: dict[str, Any]) -> list[Line]:
    """Return each step's line."""
    asked = [when for step in saga["steps"] for one in step["attempts"] if (when := at(one["asked_at"]))]
    begin = min(asked, default=None)
    return [_line(step, begin) for step in saga["steps"]]


def _line(step: dict[str, Any], begin: datetime | None) -> Line:
    action = _answered(step, "action")
    undo = _answered(step, "compensation")
    return Line(
        name=step["name"],
        outcome=action["outcome"] if action else step["status"],
        took=_took(action),
        undone=step["status"] if undo else "",
        undo_took=_took(undo),
        busy=tuple(_interval(one, begin) for one in step["attempts"] if begin is not None and one["duration_ms"] is not None),
    )


def _answered(step: dict[str, Any], direction: str) -> dict[str, Any] | None:
    """Return the last answered command of a direction."""
    found = [one for one in step["attempts"] if one["direction"] == direction and one["outcome"] is not None]
    return found[-1] if found else None


def _took(attempt: dict[str, Any] | None) -> str:
    return "" if attempt is None else duration(attempt["duration_ms"] / 1000)


def _interval(attempt: dict[str, Any], begin: datetime) -> Interval:
    asked, answered = at(attempt["asked_at"]), at(attempt["answered_at"])
    assert asked is not None and answered is not None, "it was answered"
    return (asked - begin).total_seconds(), (answered - begin).total_seconds()
