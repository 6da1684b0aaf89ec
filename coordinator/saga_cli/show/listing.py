"""`saga list`: one line a saga."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from saga_cli.show.formatting import ago, between, labels_text, phase, plain, until

COLUMNS = ("KEY", "DEFINITION", "PHASE", "STARTED", "TOOK", "ATTENTION", "ID")


def columns(items: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return the columns: labels only where a saga has some."""
    return (*COLUMNS, "LABELS") if any(item.get("labels") for item in items) else COLUMNS


def rows(items: Sequence[dict[str, Any]]) -> Iterator[list[Text]]:
    labelled = "LABELS" in columns(items)
    for item in items:
        yield [*row(item), *([plain(labels_text(item.get("labels") or {}))] if labelled else [])]


def row(item: dict[str, Any]) -> list[Text]:
    return [
        plain(item.get("key") or "–"),
        plain(f"{item['definition']} {item['definition_version']}"),
        phase(item["phase"]).append(" (imported)" if item.get("imported") else ""),
        plain(_started(item)),
        plain("" if item.get("begins_at") else between(item.get("started_at"), item.get("closed_at"))),
        plain(", ".join(item.get("attention") or ()), "bold red"),
        plain(item["id"], "dim"),
    ]


def _started(item: dict[str, Any]) -> str:
    """Return how long ago it started; of one that has not begun, when it does."""
    return f"begins {until(item['begins_at'])}" if item.get("begins_at") else f"{ago(item.get('started_at'))} ago"
