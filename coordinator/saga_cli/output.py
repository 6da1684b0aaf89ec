"""What commands print on stdout: rich tables for people, JSON for programs, one id a line for pipes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from saga_cli.commands.groups import Format

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def console() -> Console:
    """Where people read; plain when it is not a terminal."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False)


def print_json(data: object) -> None:
    """Indented JSON, as it came."""
    print(json.dumps(data, indent=2, ensure_ascii=False), flush=True)


def print_object(data: object, output: Format, *, line: str | RenderableType, ids: Sequence[object]) -> None:
    """One thing: a line (or something rich) for people."""
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
    """Several things; `empty` is said when there are none."""
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
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
