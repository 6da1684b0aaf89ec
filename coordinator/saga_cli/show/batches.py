"""`saga batch` and `saga confirm`: batches, what one would do, and acts that wait for somebody."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from saga_cli.show.formatting import ago, plain

COLUMNS = ("MADE", "ACT", "STATUS", "DONE", "REFUSED", "FAILED", "OF", "QUERY", "ID")
CONFIRMATION_COLUMNS = ("ASKED", "ACT", "STATUS", "BY", "WHAT", "WHY", "ID")
_COLOURS = {"running": "cyan", "stopped": "yellow", "pending": "cyan", "refused": "yellow", "expired": "dim"}


def row(batch: dict[str, Any]) -> list[Text]:
    status = plain(batch["status"], _COLOURS.get(batch["status"], ""))
    counts = [plain(str(batch[name])) for name in ("done", "refused", "failed", "found")]
    return [
        plain(f"{ago(batch['created_at'])} ago"),
        plain(batch["act"]),
        status,
        *counts,
        plain(batch["query"]),
        plain(batch["id"]),
    ]


def made(batch: dict[str, Any]) -> str:
    return f"batch {batch['id']} comes to {batch['found']} sagas; `saga batch show {batch['id']}` says how far it is"


def whole(batch: dict[str, Any]) -> Group:
    """Draw the whole batch: what it does, how far it is, and what it could not do."""
    came_to = batch["done"] + batch["refused"] + batch["failed"]
    counts = f"{batch['done']} done, {batch['refused']} refused, {batch['failed']} failed"
    lines = [
        plain(f"{batch['act']} where {batch['query']}", "bold"),
        plain(f"id {batch['id']}   by {batch['actor']} at {batch['created_at']}: {batch['reason']}", "dim"),
        plain(f"{batch['status']}: came to {came_to} of {batch['found']} sagas, at most {batch['rate']} a second; {counts}"),
    ]
    if batch["stopped_by"] is not None:
        lines.append(plain(f"stopped by {batch['stopped_by']} at {batch['ended_at']}: {batch['stopped_why']}", "yellow"))
    for what in ("refusals", "failures"):
        lines += [plain(_reason(one)) for one in batch[what]]
    return Group(*lines)


def _reason(reason: dict[str, Any]) -> str:
    more = ", …" if reason["count"] > len(reason["first"]) else ""
    return f"  {reason['count']} {reason['code']}: {', '.join(reason['first'])}{more}"


def preview(found: dict[str, Any]) -> Group:
    """Draw what a batch would do."""
    count = f"more than {found['found']}" if found["more"] else str(found["found"])
    lines = [plain(f"{count} sagas match; {found['act']} would {found['means']}", "bold")]
    lines += [plain(_tried(saga)) for saga in found["sample"]]
    if found["found"] > len(found["sample"]):
        lines.append(plain("  …"))
    return Group(*lines)


def print_preview(found: dict[str, Any]) -> None:
    """On stderr, before a question."""
    Console(highlight=False, soft_wrap=True, emoji=False, file=sys.stderr).print(preview(found))


def _tried(saga: dict[str, Any]) -> str:
    named = f"  {saga['id']}  {saga['definition']}/{saga['key'] or ''}  {saga['phase']}"
    if saga["refused"] is not None:
        return f"{named}  refused: {saga['refused']}"
    after = "" if saga["phase"] == saga["phase_after"] else f" → {saga['phase_after']}"
    steps = ", ".join(f"{name} {before} → {after}" for name, (before, after) in saga["steps"].items())
    return f"{named}{after}  {steps or 'nothing changes'}"


def confirmation_row(item: dict[str, Any]) -> list[Text]:
    status = plain(item["status"], _COLOURS.get(item["status"], ""))
    asked = plain(f"{ago(item['asked_at'])} ago")
    return [
        asked,
        plain(item["act"]),
        status,
        plain(item["actor"]),
        plain(item["target"]),
        plain(item["reason"]),
        plain(item["id"]),
    ]


def confirmation_line(item: dict[str, Any]) -> str:
    """What became of it."""
    what = f"{item['act']} {item['target']}, asked for by {item['actor']}"
    return f"{item['status']}: {what}" + (f" (by {item['settled_by']})" if item["settled_by"] else "")
