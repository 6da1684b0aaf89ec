"""`saga list attention`: what needs a person, with the way out."""

from __future__ import annotations

from typing import Any

import pytest

PATH = "/v1/attention"
SINCE = "2026-03-01T10:00:00.000000Z"
CAUSE = {
    "reason": "no_answer",
    "participant": "payment",
    "count": 12,
    "since": SINCE,
    "sentence": "12 sagas wait for payment, which does not answer",
    "way_out": "Is it running?",
    "sagas": [
        {"id": "0198c1a2", "key": "o-17", "definition": "order", "version": 1, "step": "charge", "note": None, "since": SINCE}
    ],
}
NEED = {
    "schedule": "settlement",
    "reason": "input_invalid",
    "since": SINCE,
    "sentence": "the schedule settlement cannot start settle-day: its input does not fit",
    "note": "no field day\x1b[2J",
    "way_out": "Update its input.",
    "command": "saga schedule update FILE --reason WHY",
    "runbook": "docs/operations.md#x",
}
FOUND = {"sagas": 12, "schedules": 1, "more_schedules": False, "causes": [CAUSE], "schedules_in_need": [NEED]}
NOTHING = {"sagas": 0, "schedules": 0, "more_schedules": False, "causes": [], "schedules_in_need": []}


def test_sagas_and_schedules_stand_with_their_ways_out(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, FOUND)
    told = saga("list", "attention")
    assert told.code == 0, told.err
    assert "12 sagas wait for payment, which does not answer, for " in told.out
    assert "  way out: Is it running?" in told.out
    assert "o-17  order  charge" in told.out
    assert "  and 11 more: `saga list --attention`" in told.out
    assert "the schedule settlement cannot start settle-day: its input does not fit, for " in told.out
    assert "no field day\N{REPLACEMENT CHARACTER}[2J" in told.out
    assert "saga schedule update FILE --reason WHY" in told.out


def test_where_there_is_nothing_it_says_so(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, NOTHING)
    assert saga("list", "attention").out == "nothing needs a person\n"


def test_more_schedules_than_are_listed_are_told(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, FOUND | {"more_schedules": True})
    assert saga("list", "attention").out.endswith("these schedules wait longest; there are more\n")


def test_programs_get_what_the_coordinator_says(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, FOUND)
    assert saga("list", "attention", "-o", "json").json == FOUND


@pytest.mark.parametrize("more", [["-o", "ids"], ["--definition", "order"], ["--count"]], ids=["ids", "filter", "count"])
def test_with_filters_and_for_pipes_it_is_the_query_of_that_name(saga: Any, coordinator: Any, more: list[str]) -> None:
    coordinator.answer("GET", "/v1/sagas", {"items": [], "next": None})
    coordinator.answer("GET", "/v1/sagas/count", {"count": 0, "more": False})
    told = saga("list", "attention", *more)
    assert told.code == 0, told.err
    (asked,) = coordinator.asked
    assert asked.query["query"] == "attention"
