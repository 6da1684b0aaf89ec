"""`saga audit`: one act as a line."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from saga_cli.show.formatting import ago, plain

COLUMNS = ("AT", "WHO", "ACT", "TARGET", "WHY")


def row(act: dict[str, Any]) -> list[Text]:
    return [
        plain(f"{ago(act['at'])} ago"),
        plain(act["who"]),
        plain(act["act"], "bold"),
        plain(act["target"]),
        plain(act["why"], "dim"),
    ]
