"""`saga trace show`: a saga's spans as a waterfall, ordered by start.

Each bar shows when its span was under way.

order                      COMPENSATED  69 ms  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
     phase COMPENSATING +36 ms
├─ reserve                 SUCCEEDED    12 ms  ▇▇▇▇▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
├─ ship                    REJECTED      7 ms  ▁▁▁▁▁▁▁▁▁▁▁▁▇▇▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁
│    no_carrier
└─ undo reserve            UNDONE        9 ms  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▇▇▇▇▁▁▁
     undoes reserve
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from rich.text import Text

from saga_cli.show.formatting import PHASE_STYLES, at, duration, made_of, plain
from saga_cli.show.saga import head, identity
from saga_cli.show.timeline import BUSY, IDLE, bars
from saga_coordinator.traces.spans import FIRST_ATTEMPTS, root_span_id

Json = dict[str, Any]

WIDEST: Final = 120
_LABEL: Final = 28
_FEWEST_CELLS: Final = 10
_OPEN_BUSY: Final = "░"
_OUTCOME_STYLES: Final = {"SUCCEEDED": "green", "UNDONE": "yellow", "NOTHING_TO_UNDO": "yellow", "open": "cyan", **PHASE_STYLES}
_LINKED: Final = {"compensation": "undoes", "resolve": "asks about"}
_EVENT_ATTRIBUTES: Final = ("saga.phase", "saga.attention", "saga.step")
"""Attributes of an event that its text includes."""
_SAID_BY_PARTS: Final = ("saga.taken", "saga.handled")
"""Events that tell what the parts of the attempt tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One span as it is drawn; times in seconds since the drawing's beginning."""

    label: str
    outcome: str
    error: bool
    begin_s: float
    end_s: float
    open: bool
    notes: tuple[str, ...]


def trace_lines(saga: Json, trace: Json, width: int) -> Iterator[Text]:
    """Yield the drawing's lines.

    Args:
        saga: The saga's view, as the API gives it.
        trace: The saga's trace, as the API gives it.
        width: Width to keep to; a long name or note may exceed it.
    """
    yield head(saga)
    yield identity(saga)
    lines = lines_of(saga, trace)
    if lines:
        yield from _drawn(lines, min(width, WIDEST))
    else:
        yield plain("no span: this release cannot read the saga's journal", "yellow")
    yield plain(f"trace {trace['trace_id']}   {'' if trace['sampled'] else 'not '}sampled", "dim")
    if trace["trace_url"]:
        yield plain(trace["trace_url"], "dim")
    if not trace["sampled"]:
        yield plain(f"send it to a collector: saga trace export {saga['id']}", "dim")


def lines_of(saga: Json, trace: Json) -> list[Line]:
    """Return the root's line, then the other spans' lines by start."""
    root = root_span_id(UUID(saga["id"]))
    spans = sorted([*trace["spans"], *trace["open"]], key=lambda one: (one["span_id"] != root, _time(one["start"])))
    if not spans:
        return []
    begin = min(_time(one["start"]) for one in spans)
    now_s = max((_time(saga["started_at"]) - begin).total_seconds() + saga["duration_ms"] / 1000, *_ends(spans, begin))
    labels = _labels(spans)
    return [_line(one, saga["phase"] if one["span_id"] == root else "open", labels, begin, now_s) for one in spans]


def _drawn(lines: Sequence[Line], width: int) -> Iterator[Text]:
    length_s = max(line.end_s for line in lines)
    label = min(max(len(line.label) for line in lines), _LABEL) + len("├─ ")
    outcome = max(len(line.outcome) for line in lines)
    took = max(len(_took(line)) for line in lines)
    cells = max(_FEWEST_CELLS, width - label - outcome - took - 6)
    for place, line in enumerate(lines):
        guide = "" if place == 0 else "└─ " if place == len(lines) - 1 else "├─ "
        style = "red" if line.error else _OUTCOME_STYLES.get(line.outcome, "")
        bar = plain(bars([(line.begin_s, line.end_s)], length_s, cells, _OPEN_BUSY if line.open else BUSY), style or "cyan")
        bar.highlight_regex(f"{IDLE}+", "dim")
        yield Text.assemble(
            guide,
            plain(f"{_cut(line.label):<{label - len(guide)}}  ", "bold" if place == 0 else ""),
            plain(f"{line.outcome:<{outcome}}  ", style),
            plain(f"{_took(line):>{took}}  "),
            bar,
        )
        below = "     " if place == len(lines) - 1 else "│    "
        for notes in _packed(line.notes, width - len(below)):
            yield Text.assemble(below, plain(notes, "red" if line.error else "dim"))


def _line(one: Json, while_open: str, labels: Mapping[str, str], begin: datetime, now_s: float) -> Line:
    is_open = "end" not in one
    start_s = (_time(one["start"]) - begin).total_seconds()
    return Line(
        label=labels[one["span_id"]],
        outcome=while_open if is_open else _outcome(one),
        error=one.get("error") is not None,
        begin_s=start_s,
        end_s=max(now_s, start_s) if is_open else (_time(one["end"]) - begin).total_seconds(),
        open=is_open,
        notes=tuple(_notes(one, labels, begin)),
    )


def _outcome(one: Json) -> str:
    """Return an attempt's answer, or the phase the root ended in."""
    outcome = str(one["attributes"].get("saga.outcome") or one["attributes"].get("saga.phase", ""))
    return (one["error"] or "–") if outcome == "none" else outcome


def _labels(spans: Iterable[Json]) -> dict[str, str]:
    """Return each span's label by its id. Attempts of one name are numbered when there are
    several."""
    spans = list(spans)
    counted = Counter(one["name"] for one in spans)
    return {one["span_id"]: one["name"] + _number(one["attributes"], counted[one["name"]] > 1) for one in spans}


def _number(about: Json, several: bool) -> str:
    attempt, run = about.get("saga.attempt", 1), about.get("saga.run", 1)
    first = min(attempt, FIRST_ATTEMPTS + 1)
    number = f" #{first}" + (f"–{attempt}" if attempt > first else "") if several or attempt > 1 else ""
    return (f" run {run}" if run > 1 else "") + number


def _notes(one: Json, labels: Mapping[str, str], begin: datetime) -> Iterator[str]:
    """Yield the notes of a span: its code, what it undoes, and its events. Equal events are
    counted."""
    about = one["attributes"]
    if about.get("saga.code"):
        yield str(about["saga.code"])
    if parts := made_of(about, "saga."):
        yield parts
    for link in one["links"]:
        if link in labels:
            yield f"{_LINKED.get(about.get('saga.kind', ''), 'belongs to')} {labels[link]}"
    if "saga.answered_by_attempt" in about:
        yield f"answered by #{about['saga.answered_by_attempt']}"
    happened: dict[str, list[str]] = {}
    for event in one["events"]:
        if (text := _event_text(event, about)) is not None:
            happened.setdefault(text, []).append(f"+{duration((_time(event['at']) - begin).total_seconds())}")
    for text, times in happened.items():
        yield f"{text} {times[0]}" if len(times) == 1 else f"{text} {len(times)}×, last {times[-1]}"
    if "saga.events.dropped" in about:
        yield f"{about['saga.events.dropped']} more events"


def _event_text(event: Json, about: Json) -> str | None:
    """Return an event's text; None for one that is told otherwise: a retry has a bar of its own."""
    if event["name"] in _SAID_BY_PARTS:
        return None
    attributes = event["attributes"]
    if event["name"] == "saga.asked_again" and attributes.get("saga.attempt", 0) <= FIRST_ATTEMPTS + 1:
        return None
    what = event["name"].removeprefix("saga.").replace("_", " ")
    more = [str(attributes[name]) for name in _EVENT_ATTRIBUTES if name in attributes and attributes[name] != about.get(name)]
    return " ".join([what, *more])


def _packed(notes: Iterable[str], width: int) -> Iterator[str]:
    """Join the notes to lines, as many in each as fit."""
    line = ""
    for note in notes:
        longer = f"{line} · {note}" if line else note
        if line and len(longer) > width:
            yield line
            longer = note
        line = longer
    if line:
        yield line


def _took(line: Line) -> str:
    return duration(line.end_s - line.begin_s)


def _ends(spans: Iterable[Json], begin: datetime) -> list[float]:
    return [(_time(one.get("end") or one["start"]) - begin).total_seconds() for one in spans]


def _cut(label: str) -> str:
    return label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"


def _time(text: str) -> datetime:
    when = at(text)
    assert when is not None
    return when
