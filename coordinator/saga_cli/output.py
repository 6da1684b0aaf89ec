"""What commands print on stdout: rich tables for people, JSON for programs, one id a line for
pipes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


_UNLIMITED_WIDTH = 1_000
_LEAST_WIDTHS = {"ID": 36, "KEY": 12, "WAY OUT": 24}
"""An id or a key is typed into the next command, so it is never cut. A way out goes on below."""


class Format(StrEnum):
    """What `-o` prints: a table for people, JSON for programs, or one id a line for pipes."""

    TABLE = "table"
    JSON = "json"
    IDS = "ids"


def console() -> Console:
    """Return the console for people.

    It breaks no lines; without a terminal it cuts nothing to a width either.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _UNLIMITED_WIDTH
    return Console(highlight=False, soft_wrap=True, emoji=False, width=width)


def print_json(data: object) -> None:
    """Print indented JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False), flush=True)


def print_object(data: object, output: Format, *, line: str | RenderableType, ids: Sequence[object]) -> None:
    """Print one object; `line` is its form for people."""
    if output is Format.JSON:
        print_json(data)
    elif output is Format.IDS:
        print_ids(ids)
    elif isinstance(line, str):
        print(line, flush=True)
    else:
        console().print(line)


def print_ids(ids: Iterable[object]) -> None:
    for one in ids:
        print(one, flush=True)


def print_table(
    data: object,
    output: Format,
    *,
    columns: Sequence[str],
    rows: Iterable[Sequence[RenderableType]],
    ids: Sequence[object],
    empty: str,
) -> None:
    """Print several objects; `empty` goes to stderr when there are none."""
    if output is Format.JSON:
        print_json(data)
        return
    if output is Format.IDS:
        print_ids(ids)
        return
    if not ids:
        print(empty, file=sys.stderr)
        return
    console().print(_table(columns, rows))


def _table(columns: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column != "WAY OUT", min_width=_LEAST_WIDTHS.get(column))
    for row in rows:
        table.add_row(*row)
    return table
