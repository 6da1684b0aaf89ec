"""The columns of a list, and the place of a query's fault."""

from __future__ import annotations

import pytest

from saga_coordinator.console.saga_columns import COLUMNS, DEFAULT, QUICK, as_parameter, chosen, trouble
from saga_coordinator.query import QueryRefused, parse, quoted


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        ([], list(DEFAULT)),
        (["nothing", "<b>"], list(DEFAULT)),
        (["trace,id"], ["id", "trace"]),
        (["id", "phase"], ["phase", "id"]),
        ([",".join(COLUMNS)] * 3, list(COLUMNS)),
        (["label.total,id", "label.<b>", "label."], ["id", "label.total"]),
    ],
)
def test_columns_stand_in_one_order(asked: list[str], columns: list[str]) -> None:
    assert chosen(asked) == columns
    assert chosen([as_parameter(columns)]) == columns


def test_the_caret_stands_below_the_fault() -> None:
    with pytest.raises(QueryRefused) as refused:
        parse("definition = order and fase = RUNNING")
    shown = trouble(refused.value)

    assert shown.excerpt[len(shown.caret) - 1 :].startswith("fase")
    assert shown.message and "phase" in shown.hint


def test_of_a_long_query_the_place_of_the_fault_is_shown() -> None:
    refused = QueryRefused("no", "x" * 500 + "\n!" + "y" * 500, 501)

    shown = trouble(refused)

    assert len(shown.excerpt) <= 122 and "\n" not in shown.excerpt
    assert shown.excerpt[len(shown.caret) - 1] == "!"
    assert trouble(QueryRefused("no", "phase =", 7)).caret == " " * 7 + "^"


def test_the_queries_that_the_pages_make_can_be_read() -> None:
    for one in QUICK:
        assert not one.query or parse(one.query)
    hostile = quoted('a"b\\')
    assert parse(f"reason = {hostile} and definition in ({quoted('order')})")
