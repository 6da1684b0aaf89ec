"""The state diagram of docs/ARCHITECTURE.md, drawn from the table."""

from __future__ import annotations

from saga_coordinator.engine.table import ROWS, SAGA_ROWS


def mermaid() -> str:
    """A Mermaid state diagram: one arrow a pair of states, labelled with the rows that lead from one to the other."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in ROWS:
        for state in sorted(row.states):
            for becomes in row.becomes:
                if becomes is not state:
                    label = f"{row.number} {row.trigger}"
                    arrows.setdefault((state, becomes), []).append(label)
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    lines += [f"    {a} --> {b}: {'; '.join(dict.fromkeys(labels))}" for (a, b), labels in sorted(arrows.items())]
    return "\n".join(lines) + "\n"


def markdown_table() -> str:
    """The rows as a Markdown table."""
    lines = ["| row | state | event | condition | becomes |", "|---|---|---|---|---|"]
    for row in ROWS:
        states = " ".join(sorted(row.states))
        lines.append(f"| {row.number} | {states} | {row.trigger} | {row.condition} | {' '.join(row.becomes)} |")
    lines += [f"| {number} | | {text} | | |" for number, text in SAGA_ROWS]
    return "\n".join(lines) + "\n"
