"""The state diagram and the table of docs/ARCHITECTURE.md, drawn from the transition table."""

from __future__ import annotations

from collections.abc import Iterator

from saga_coordinator.engine.state import Status
from saga_coordinator.engine.table import ROWS, SAGA_ROWS


def arrows() -> Iterator[tuple[Status, Status, str, str]]:
    """Every (from, to, row, event) in which a step's state changes.

    A conflict (row 20) and a restore (22) may come from anywhere.
    """
    for row in ROWS:
        for state in sorted(row.states):
            for becomes in sorted(row.becomes - {state}):
                yield state, becomes, row.number, row.trigger
    for saga_row in SAGA_ROWS:
        for states, into in saga_row.arrows:
            for state in sorted(states):
                for becomes in sorted(into - {state}):
                    yield state, becomes, saga_row.number, ""


def mermaid() -> str:
    """A Mermaid state diagram: one arrow a pair of states, labelled with the rows that lead from
    one to the other.
    """
    labels: dict[tuple[Status, Status], list[str]] = {}
    for state, becomes, number, event in arrows():
        labels.setdefault((state, becomes), []).append(f"{number} {event}".rstrip())
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    lines += [f"    {a} --> {b}: {', '.join(dict.fromkeys(found))}" for (a, b), found in sorted(labels.items())]
    return "\n".join(lines) + "\n"


def markdown_table() -> str:
    """The rows as a Markdown table."""
    lines = ["| row | state | event | condition | becomes |", "|---|---|---|---|---|"]
    for row in ROWS:
        becomes = " ".join(sorted(row.becomes)) or "same"
        lines.append(f"| {row.number} | {' '.join(sorted(row.states))} | {row.trigger} | {row.condition} | {becomes} |")
    lines += [f"| {row.number} | | {row.text} | | |" for row in SAGA_ROWS]
    return "\n".join(lines) + "\n"
