"""Files that are safe to open: no cell is a formula, nothing in JSON is markup."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from starlette.responses import Response

from saga_coordinator.console.downloads import csv_file, json_file, safe_cell


async def pages(*found: Sequence[dict[str, Any]]) -> AsyncIterator[Sequence[dict[str, Any]]]:
    for page in found:
        yield page


async def content(response: Response) -> bytes:
    assert hasattr(response, "body_iterator")
    return b"".join([part async for part in response.body_iterator])


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＋1", "－1", "＠x", "\tx"]
)
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert safe_cell(text).startswith("'")


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), ("", ""), (17, "17"), (-17, "-17"), (True, "True"), ("o-17", "o-17"), ("a=b", "a=b"), ("a\u202eb\x00", "a�b�")],
)
def test_what_is_harmless_stays_as_it_is(value: object, cell: str) -> None:
    assert safe_cell(value) == cell


async def test_a_csv_file_has_every_line_and_quotes_what_it_must() -> None:
    hostile = 'a"b,c\r\n=d'
    response = csv_file("sagas", ("key", "n"), pages([{"key": hostile, "n": 1}], [{"key": "=x"}]))

    rows = list(csv.reader(io.StringIO((await content(response)).decode(), newline="")))

    assert rows == [["key", "n"], ['a"b,c�\n=d', "1"], ["'=x", ""]]
    assert response.headers["content-disposition"] == 'attachment; filename="sagas.csv"'


async def test_a_json_file_is_one_object_without_markup() -> None:
    response = json_file("sagas", {"query": "<b>&"}, pages([{"key": "</script>"}], [], [{"key": "b"}]), lambda: True)

    text = await content(response)

    assert not set(b"<>&") & set(text)
    assert json.loads(text) == {"query": "<b>&", "items": [{"key": "</script>"}, {"key": "b"}], "more": True}
    empty = json_file("sagas", {}, pages(), lambda: False)
    assert json.loads(await content(empty)) == {"items": [], "more": False}
