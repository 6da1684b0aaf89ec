"""`saga list instances`: one line an instance."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from saga_cli.show.formatting import ago, plain

COLUMNS = ("INSTANCE", "ROLES", "RUNS FOR", "SEEN", "LEVEL", "NOTE")
ALL = frozenset({"api", "replies", "starts", "timers", "sweeper", "projector", "watchdog"})


def row(item: dict[str, Any]) -> list[Text]:
    return [
        plain(item["name"]),
        plain(_roles(item["roles"])),
        plain(ago(item["since"]) or "–"),
        plain(f"{ago(item['seen_at'])} ago"),
        plain(item["feature_level"]),
        plain("; ".join([*item["problems"], *([item["note"]] if item["note"] else [])]), "bold red"),
    ]


def _roles(roles: list[str] | None) -> str:
    if roles is None:
        return "not known"
    return "all" if set(roles) >= ALL else ", ".join(roles)
