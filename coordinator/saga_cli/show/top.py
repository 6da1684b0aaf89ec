"""`saga top`: one frame, from what `GET /v1/overview` says. What is wrong stands first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from saga_cli.show.formatting import ago, clock, duration, plain

Json = Mapping[str, Any]
_MARKS: Final = {"bad": ("✗", "bold red"), "warn": ("▲", "yellow"), "watch": ("○", "cyan")}
_BARS: Final = "▁▂▃▄▅▆▇█"
_TREND: Final = 24
"""Periods that a trend shows: the latest."""
_FIXED_LINES: Final = 18
"""Of a frame, beside the lines of its tables."""
_LEAST_ROWS: Final = 3
_MOST_ROWS: Final = 30
_TROUBLES: Final = 4
_ATTENTION: Final = 3
_NONE: Final = "–"


def frame(overview: Json, *, height: int | None, away: str | None = None) -> RenderableType:
    """The whole.

    Args:
        overview: As the API answers.
        height: Lines of the terminal; None: no matter.
        away: Why the overview is an old one.
    """
    rows = _MOST_ROWS if height is None else max(_LEAST_ROWS, (height - _FIXED_LINES) // 2)
    parts: list[RenderableType] = [*_head(overview, away), *_troubles(overview), Text(), *_figures(overview), Text()]
    parts.append(_definitions(overview["definitions"][:rows]))
    parts += [Text(), _participants(overview["participants"][:rows])]
    if overview["attention"]["count"]:
        parts += [Text(), *_attention(overview["attention"])]
    parts += [Text(), _machine(overview["machine"])]
    return Group(*parts)


def _head(overview: Json, away: str | None) -> Iterator[Text]:
    at = f"saga top   {clock(overview['at'])}   last {overview['window']}"
    yield plain(at, "dim") if away is None else plain(f"{at}   not newer: {away}", "bold red")
    if not overview["troubles"]:
        yield plain(f"✓  {overview['sentence']}", "green")


def _troubles(overview: Json) -> Iterator[Text]:
    for one in overview["troubles"][:_TROUBLES]:
        mark, style = _MARKS.get(one["severity"], ("○", "cyan"))
        yield plain(f"{mark}  {one['sentence']}", style)
        if one["acts"]:
            yield plain(f"     {one['acts'][0]['command']}", "dim")
    left = len(overview["troubles"]) - _TROUBLES
    if left > 0:
        yield plain(f"   and {left} more", "dim")


def _figures(overview: Json) -> Iterator[Text]:
    phases = "  ".join(f"{name} {count:,}" for name, count in overview["open"]["by_phase"].items())
    yield plain(f"open       {overview['open']['sagas']:>9,}   {phases}".rstrip())
    reasons = "  ".join(f"{reason} {count:,}" for reason, count in overview["attention"]["by_reason"].items())
    count = overview["attention"]["count"]
    yield plain(f"attention  {count:>9,}   {reasons}".rstrip(), "bold red" if count else "")
    rates, over_time = overview["rates"], overview["over_time"]
    yield plain(f"started    {_rate(over_time['started_per_s']):>9}   {trend(rates['started'])}")
    ends = [sum(each) for each in zip(rates["completed"], rates["compensated"], rates["forced"], strict=True)]
    yield plain(f"ended      {_rate(sum(ends) / max(1, len(ends))):>9}   {trend(ends)}")
    shares = "   ".join(f"{name} {_share(over_time[name])}" for name in ("completed", "compensated", "forced"))
    took = f"p50 {_ms(over_time['p50_ms'])}   p95 {_ms(over_time['p95_ms'])}"
    yield plain(f"took       {took}   {shares}   usual p95 {_ms(overview['usual']['p95_ms'])}")


def _definitions(lines: Sequence[Json]) -> Table:
    table = _table("DEFINITION", "VERSION", "OPEN", "STARTED", "ENDED", "P50", "P95", "COMPENSATED", "TREND", "WAITS FOR")
    for one in lines:
        over_time = one["over_time"]
        table.add_row(
            plain(one["name"]),
            plain(_NONE if one["version"] is None else one["version"]),
            plain(f"{one['open']:,}"),
            plain(_rate(over_time["started_per_s"])),
            plain(f"{over_time['ended']:,}"),
            plain(_ms(over_time["p50_ms"])),
            plain(_ms(over_time["p95_ms"])),
            plain(_share(over_time["compensated"])),
            plain(trend(one["started_per_s"]), "cyan"),
            plain(", ".join(one["waits_for"]), "bold red"),
        )
    return table


def _participants(lines: Sequence[Json]) -> Table:
    table = _table("PARTICIPANT", "COMMANDS", "SUCCEEDED", "HANDLER P95", "UNREAD", "WAITING", "HEARD", "TREND", "TROUBLE")
    for one in lines:
        handler = next((part["p95_ms"] for part in one["latency"] if part["part"] == "handler"), None)
        table.add_row(
            plain(one["name"]),
            plain(_rate(one["commands_per_s"])),
            plain(_share(one["succeeded"])),
            plain(_ms(handler)),
            plain(_NONE if one["unread"] is None else f"{one['unread']:,}"),
            plain(f"{one['waiting']:,}"),
            plain(f"{ago(one['heard_at'])} ago" if one["heard_at"] else _NONE),
            plain(trend(one["per_s"]), "cyan"),
            plain(", ".join(one["troubles"]), "bold red"),
        )
    return table


def _attention(attention: Json) -> Iterator[Text]:
    for one in attention["longest"][:_ATTENTION]:
        step = f" {one['step']}" if one["step"] else ""
        name = f"{one['definition']} {one['key'] or one['saga_id']}"
        yield plain(f"✗  {name}{step}: {one['reason']} for {ago(one['since'])}   saga diagnose {one['saga_id']}", "red")


def _machine(machine: Json) -> Text:
    unread = sum(machine["unread"].values())
    said = [
        f"outbox {machine['outbox']:,}{_aged(machine['outbox_oldest_s'])}",
        f"replies unread {unread:,}",
        f"timers {'on time' if machine['timers_overdue_s'] < 1 else 'late by ' + duration(machine['timers_overdue_s'])}",
        f"commit p95 {_ms(machine['commit_p95_ms'])}",
        f"dead letters today {machine['dead_letters_today']:,}",
        f"instances {', '.join(one['name'] for one in machine['instances']) or _NONE}",
    ]
    if machine["kafka_away"]:
        said.insert(0, f"Kafka does not answer: {machine['kafka_away']}")
    return plain("   ".join(said), "bold red" if machine["kafka_away"] else "dim")


def _table(*columns: str) -> Table:
    """Names stand left, figures right."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    left = {columns[0], "TREND", "TROUBLE", "WAITS FOR"}
    for column in columns:
        table.add_column(column, no_wrap=True, justify="left" if column in left else "right")
    return table


def trend(values: Sequence[float]) -> str:
    """The latest values as bars, the highest of them as the highest bar."""
    shown = values[-_TREND:]
    highest = max(shown, default=0.0)
    if highest <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(len(_BARS) - 1, round(max(0.0, value) / highest * (len(_BARS) - 1)))] for value in shown)


def _rate(per_s: float) -> str:
    return f"{per_s:,.1f}/s" if per_s < 100 else f"{per_s:,.0f}/s"


def _share(share: float | None) -> str:
    return _NONE if share is None else f"{share * 100:.1f} %"


def _ms(ms: float | None) -> str:
    return _NONE if ms is None else duration(ms / 1000)


def _aged(seconds: float) -> str:
    return f" (oldest {duration(seconds)})" if seconds >= 1 else ""
