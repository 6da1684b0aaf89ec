"""Lists as files that are safe to open: CSV whose cells no spreadsheet takes for formulas, and JSON
that no browser takes for a page. They are streamed, a page of the list at a time, up to a bound.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import orjson
from starlette.responses import Response, StreamingResponse

from saga_coordinator.console.rendering import visible

MOST_LINES: Final = 10_000
PAGE_LINES: Final = 500
_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet take a cell for a formula, with the wide forms that some know."""
_NOT_IN_PAGES: Final = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))

Line = Mapping[str, Any]
Pages = AsyncIterator[Sequence[Line]]


def safe_cell(value: object) -> str:
    """A cell of a CSV file: text, whatever it begins with."""
    if value is None:
        return ""
    text = str(value)
    first = text.lstrip()[:1]
    risky = text[:1] in _FORMULA or first in _FORMULA if text else False
    return ("'" if risky and not _is_number(value) else "") + visible(text)


def csv_file(name: str, columns: Sequence[str], pages: Pages) -> Response:
    """The lines as a CSV file (RFC 4180, UTF-8) with a header."""

    async def content() -> AsyncIterator[bytes]:
        yield _csv([columns])
        async for page in pages:
            yield _csv([[safe_cell(line.get(column)) for column in columns] for line in page])

    return StreamingResponse(content(), media_type="text/csv; charset=utf-8", headers=_headers(f"{name}.csv"))


def json_file(name: str, said: Mapping[str, Any], pages: Pages, is_cut: Callable[[], bool]) -> Response:
    """The lines as one JSON object: what was asked, `items`, and whether there are more.

    Args:
        name: The file's, without its ending.
        said: What stands before the lines.
        pages: The lines.
        is_cut: Asked at the end: whether there are more lines than the file has.
    """

    async def content() -> AsyncIterator[bytes]:
        yield _json(said)[:-1] + (b"," if said else b"") + b'"items":['
        first = True
        async for page in pages:
            lines = b",\n".join(_json(line) for line in page)
            if lines:
                yield lines if first else b",\n" + lines
                first = False
        yield b'],"more":' + (b"true" if is_cut() else b"false") + b"}\n"

    return StreamingResponse(content(), media_type="application/json", headers=_headers(f"{name}.json"))


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def _json(value: Mapping[str, Any]) -> bytes:
    text = orjson.dumps(value)
    for char, written in _NOT_IN_PAGES:
        text = text.replace(char, written)
    return text


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _headers(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}
