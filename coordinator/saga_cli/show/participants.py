"""`saga list participants`: one line a participant."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from saga_cli.show.formatting import ago, clock, duration, plain

COLUMNS = ("PARTICIPANT", "DEFINITIONS", "HORIZON", "HEARD", "BEHIND", "NOTE")


def row(item: dict[str, Any]) -> list[Text]:
    return [
        plain(item["name"]),
        plain(", ".join(item["definitions"])),
        plain(clock(item["horizon"]) or "–"),
        plain(f"{ago(item['heard_at'])} ago" if item["heard_at"] else "never"),
        plain("–" if item["behind_s"] is None else duration(item["behind_s"])),
        plain(item["note"] or ("" if item["asked"] else "no active definition names it: its answers are not read"), "bold red"),
    ]


def horizon(page: dict[str, Any]) -> str:
    """One line about what the participants are told."""
    if page["horizon"] is None:
        return "the horizon was not looked for yet"
    exceptions = f", but for {page['exceptions']} of them" if page["exceptions"] else ""
    told = f"announced {ago(page['announced_at'])} ago" if page["announced_at"] else "not announced yet"
    return f"horizon {clock(page['horizon'])}: sagas that started before may be forgotten{exceptions}; {told}"
