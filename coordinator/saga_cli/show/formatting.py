"""Formatting that all views share: times and durations for people, and a server's text made safe
for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

PHASE_STYLES = {
    "COMPLETED": "green",
    "COMPENSATED": "yellow",
    "FORCED": "magenta",
    "COMPENSATING": "yellow",
    "SETTLING": "yellow",
    "SCHEDULED": "dim",
    "RUNNING": "cyan",
    "COMMITTED": "cyan",
}


def plain(value: object, style: str = "") -> Text:
    """Return the value as text: no markup, no control characters."""
    text = "" if value is None else str(value)
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text), style=style)


def labels_text(labels: Mapping[str, Any]) -> str:
    """Return a saga's labels in one line."""
    return "  ".join(f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in labels.items())


def phase(name: str) -> Text:
    return plain(name, PHASE_STYLES.get(name, ""))


def at(text: str | None) -> datetime | None:
    """Parse a time of the API."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def clock(text: str | None) -> str:
    """Return a time in local time, without the date when it is today."""
    when = at(text)
    if when is None:
        return ""
    local = when.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == datetime.now().astimezone().date() else f"{local:%Y-%m-%d %H:%M:%S}"


def ago(text: str | None) -> str:
    """Return how long ago a time was."""
    when = at(text)
    return "" if when is None else duration((datetime.now(UTC) - when).total_seconds())


def between(start: str | None, end: str | None) -> str:
    """Return the time from start to end; without an end, until now."""
    began, ended = at(start), at(end)
    return "" if began is None else duration(((ended or datetime.now(UTC)) - began).total_seconds())


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def made_of(parts: Mapping[str, Any], prefix: str = "") -> str:
    """Return what an attempt's time was made of, as far as its participant tells: `queue 3 ms,
    handler 12 ms, wire 5 ms`.

    Args:
        parts: The attempt or its span's attributes: `queue_us`, `handler_us`, `wire_us`.
        prefix: Before each of these names.
    """
    known = [(name, parts.get(f"{prefix}{name}_us")) for name in ("queue", "handler", "wire")]
    return ", ".join(f"{name} {_short(us)}" for name, us in known if us is not None)


def _short(us: int) -> str:
    """Return a duration that may be far below a millisecond."""
    return f"{us} µs" if us < 1000 else duration(us / 1e6)


def until(text: str | None) -> str:
    """Return how far ahead a time is."""
    when = at(text)
    if when is None:
        return ""
    left = (when - datetime.now(UTC)).total_seconds()
    return f"in {duration(left)}" if left > 0 else "any moment"
