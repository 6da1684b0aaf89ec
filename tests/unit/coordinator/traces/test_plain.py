"""Spans as plain JSON: from JSON and back they are the same spans, in types and order too, so that
their export is the same bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.traces.plain import PlainOpenSpan, PlainSpan
from support.spans import SAGA, TRACED, folded, spans

SCRIPTS = [
    "reserve:SUCCEEDED wait:2 charge:SUCCEEDED ship:SUCCEEDED",
    "reserve:FAILED wait:1 reserve:SUCCEEDED charge:SUCCEEDED ship:REJECTED wait:0.000001 charge:UNDONE reserve:UNDONE",
    "wait:5 wait:26 wait:40 wait:40 reserve:UNDONE",
    "reserve:SUCCEEDED charge:SUCCEEDED ship:REJECTED charge:FAILED wait:1 charge:FAILED waive!:charge reserve:UNDONE",
    "cancel " + " ".join(["wait:60"] * 50) + " reserve:UNDONE",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_span_comes_back_from_json_as_it_was(script: str) -> None:
    for span in spans(script, saga=replace(TRACED, parent_span="12" * 8, tracestate="vendor=1", key="o-17")):
        back = PlainSpan.model_validate_json(PlainSpan.of(span).model_dump_json()).span()
        assert back == span
        assert repr(back) == repr(span), "1 is not True, and the order of attributes is kept"


def test_a_truth_stays_a_truth_and_a_number_a_number() -> None:
    span = replace(spans("")[0], attributes={"yes": True, "one": 1, "text": "1"})
    assert repr(PlainSpan.model_validate_json(PlainSpan.of(span).model_dump_json()).span().attributes) == repr(span.attributes)


def test_times_are_told_to_the_microsecond() -> None:
    (started,) = spans("")
    plain = PlainSpan.of(replace(started, start_us=1_793_714_706_000_123, end_us=1_793_714_706_000_124))
    assert (plain.start, plain.end) == ("2026-11-03T14:05:06.000123Z", "2026-11-03T14:05:06.000124Z")


def test_an_open_span_says_all_but_an_end() -> None:
    projection, _ = folded("reserve:SUCCEEDED")
    root, charge = (PlainOpenSpan.begun(each) for each in projection.open())
    assert (root.name, charge.name, charge.parent_id) == ("order", "charge", root.span_id)
    assert charge.attributes["saga.id"] == str(SAGA)
    assert "end" not in charge.model_dump()
