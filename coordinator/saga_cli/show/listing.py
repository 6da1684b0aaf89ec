"""`saga list`: one line a saga."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from saga_cli.show.formatting import ago, between, phase, plain

COLUMNS = ("KEY", "DEFINITION", "PHASE", "STARTED", "TOOK", "ATTENTION", "ID")


def row(item: dict[str, Any]) -> list[Text]:
    return [
        plain(item.get("key") or "–"),
        plain(f"{item['definition']} {item['definition_version']}"),
        phase(item["phase"]).append(" (imported)" if item.get("imported") else ""),
        plain(f"{ago(item.get('started_at'))} ago"),
        plain(between(item.get("started_at"), item.get("closed_at"))),
        plain(", ".join(item.get("attention") or ()), "bold red"),
        plain(item["id"], "dim"),
    ]
