"""`saga dlq`: a message that could not be read, as a line and whole."""

from __future__ import annotations

import base64
from typing import Any

from rich.console import Group
from rich.text import Text

from saga_cli.show.formatting import ago, plain

COLUMNS = ("AT", "TOPIC", "REASON", "DETAIL", "ID")
_SHOWN_BYTES = 512
_WIDTH = 32


def row(letter: dict[str, Any]) -> list[Text]:
    place = f"{letter['topic']}[{letter['partition']}]@{letter['offset']}"
    reason = plain(letter["reason"], "red")
    return [plain(f"{ago(letter['at'])} ago"), plain(place), reason, plain(letter["detail"]), plain(letter["id"], "dim")]


def whole(letter: dict[str, Any]) -> Group:
    """Draw the whole letter: its reason, its origin, its content."""
    copied = "a copy is in the dead-letter topic" if letter["relayed"] else "not yet copied to the dead-letter topic"
    lines = [
        plain(f"{letter['reason']}: {letter['detail']}", "bold red"),
        plain(f"id {letter['id']}   read by {letter['consumer']} at {letter['at']}; {copied}", "dim"),
        plain(f"from {letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"),
        *_redriven(letter.get("redriven")),
        *(plain(f"  {header['name']}: {header['value']}") for header in letter["headers"]),
        *_bytes("key", letter["key"]),
        *_bytes("value", letter["value"]),
    ]
    return Group(*lines)


def _redriven(redriven: dict[str, Any] | None) -> list[Text]:
    """Return what is known of its having been sent again."""
    if redriven is None:
        return []
    by = f"by {redriven['actor']}: {redriven['reason']}"
    if redriven["sent_at"] is not None:
        return [plain(f"sent again at {redriven['sent_at']} {by}")]
    if redriven["note"] is not None:
        return [plain(f"not sent again at {redriven['asked_at']} ({redriven['note']}) {by}", "yellow")]
    return [plain(f"may have been sent again at {redriven['asked_at']} {by}", "yellow")]


def _bytes(what: str, encoded: str | None) -> list[Text]:
    """Return a hex dump of the beginning; `-o json` prints all of it."""
    if encoded is None:
        return [plain(f"{what}: null")]
    content = base64.b64decode(encoded)
    lines = [plain(f"{what}: {len(content)} bytes")]
    for start in range(0, min(len(content), _SHOWN_BYTES), _WIDTH):
        piece = content[start : start + _WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        lines.append(plain(f"  {start:04x}  {piece.hex(' '):<{_WIDTH * 3}} {text}", "dim"))
    if len(content) > _SHOWN_BYTES:
        lines.append(plain("  …  (all of it with -o json)", "dim"))
    return lines
