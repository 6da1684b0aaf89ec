"""The tables of docs/wire.md that people implement from, held against the code and its own data."""

from __future__ import annotations

import re
from typing import Final

import pytest

from saga_schemas import limits
from saga_schemas.outcomes import Kind, Outcome, RowState
from support.paths import ROOT
from support.till.cells import TABLE, Cell, name_of

PAGE: Final = (ROOT / "docs" / "wire.md").read_text()
BARRIER: Final = {
    number: [cell.strip() for cell in cells.strip(" |").split(" | ")]
    for number, cells in re.findall(r"^\| (B\d+) \| (.*)$", PAGE, re.MULTILINE)
}
HANDLED: Final = {"run it": "run it", "undo it": "undo it"}


def row_for(cell: Cell) -> list[str]:
    """The row of the page that speaks of this cell: its words, and a cell for each kind."""
    found = [row for number, row in BARRIER.items() if number != "B1" and speaks_of(row[0], cell)]
    assert len(found) == 1, (name_of(cell), found)
    return found[0]


def speaks_of(words: str, cell: Cell) -> bool:
    if cell.row is None:
        return words.startswith("absent") and ("expired" in words) == (cell.when == "expired")
    relations = {"≥": "=>", "≤": "<=", "<": "<", "=": "=", ">": ">"}[re.findall("[≥≤<=>]", words)[0]] if "r " in words else ""
    return cell.row.value in re.findall(r"\w+", words) and cell.when in relations


@pytest.mark.parametrize("cell", TABLE, ids=name_of)
def test_the_barriers_table_says_what_its_data_say(cell: Cell) -> None:
    said = row_for(cell)[1 + list(Kind).index(cell.kind)]
    if cell.says in HANDLED:
        assert said.startswith(cell.says)
        return
    answers = [word for word in re.findall(r"`([A-Z_]+)`", said) if word in set(Outcome)]
    if cell.row in (RowState.FENCED, RowState.UNDONE):
        assert cell.says in answers
    else:
        assert answers[0] == cell.says
    was = cell.row.value if cell.row else None
    if cell.becomes is not None and cell.becomes.value != was:
        assert f"becomes {cell.becomes.value}" in said
    elif cell.run == "command" and cell.when == ">":
        assert "takes over run r" in said


def test_the_rows_of_the_barrier_are_numbered_in_order() -> None:
    assert list(BARRIER) == [f"B{number}" for number in range(1, 13)]


@pytest.mark.parametrize("kind", ["action", "compensation", "RESOLVE"])
def test_each_outcome_says_what_it_leads_to(kind: str) -> None:
    table = PAGE.partition(f"**To a{'n' if kind == 'action' else ''} {kind}:**")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+) \|$", table, re.MULTILINE)
    wanted = {
        "action": set(Outcome) - {Outcome.UNDONE, Outcome.NOTHING_TO_UNDO},
        "compensation": set(Outcome) - {Outcome.FENCED},
        "RESOLVE": set(Outcome) - {Outcome.UNDONE, Outcome.NOTHING_TO_UNDO},
    }[kind]
    assert {outcome for outcome, _ in rows} == wanted
    assert {cells.count(" | ") for _, cells in rows} == {3 if kind == "action" else 2}


def test_the_bounds_of_the_page_are_those_of_the_code() -> None:
    sizes = PAGE.partition("### Sizes")[2].partition("\n## ")[0]
    for what, bound in (
        ("record key", f"{limits.KEY_BYTES // 1024} KiB"),
        ("value, with its framing", f"{limits.PAYLOAD_BYTES // 1024} KiB"),
        ("number of headers", f"{limits.HEADER_COUNT}"),
        ("all headers together", f"{limits.HEADERS_BYTES // 1024} KiB"),
        ("one header of the table above", f"{limits.HEADER_VALUE_BYTES // 1024} KiB"),
        ("`code` of a Failure", f"1 to {limits.FAILURE_CODE_CHARS} characters"),
        ("`message` of a Failure, `note` of a Progress", f"{limits.FAILURE_MESSAGE_CHARS:,} characters"),
        ("`retry_after_ms` of a Failure", f"0 to {limits.RETRY_AFTER_MS:,}"),
    ):
        assert re.search(rf"^\| {re.escape(what)}.*?\| {re.escape(bound)}\b", sizes, re.MULTILINE), what
    assert limits.NOTE_CHARS == limits.FAILURE_MESSAGE_CHARS
    assert limits.KEY_BYTES + limits.PAYLOAD_BYTES + limits.HEADERS_BYTES == 289 * 1024
