"""The demo's drawing of one order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from saga_cli.demo.drawing import CELLS, order_lines
from saga_cli.show.timeline import bars

BEGIN = datetime(2026, 11, 21, 6, tzinfo=UTC)


def attempt(direction: str, outcome: str, start_ms: int, end_ms: int) -> dict[str, Any]:
    asked, answered = (BEGIN + timedelta(milliseconds=ms) for ms in (start_ms, end_ms))
    return {
        "direction": direction,
        "outcome": outcome,
        "asked_at": asked.isoformat(),
        "answered_at": answered.isoformat(),
        "duration_ms": end_ms - start_ms,
    }


def test_an_undone_order_is_drawn_as_in_the_tour() -> None:
    saga = {
        "key": "o-17-k3f",
        "phase": "COMPENSATED",
        "reason": "ship: REJECTED no_carrier",
        "steps": [
            {
                "name": "reserve",
                "status": "undone",
                "attempts": [attempt("action", "SUCCEEDED", 0, 12), attempt("compensation", "UNDONE", 52, 61)],
            },
            {
                "name": "charge",
                "status": "undone",
                "attempts": [attempt("action", "SUCCEEDED", 13, 28), attempt("compensation", "UNDONE", 43, 51)],
            },
            {"name": "ship", "status": "no_effect", "attempts": [attempt("action", "REJECTED", 29, 36)]},
        ],
    }

    assert [line.plain.rstrip() for line in order_lines(saga)] == [
        "order o-17-k3f   COMPENSATED   ship: REJECTED no_carrier",
        "├─ reserve  SUCCEEDED  12 ms     undone  9 ms    ▇▇▁▁▁▁▁▁▁▇▇",
        "├─ charge   SUCCEEDED  15 ms     undone  8 ms    ▁▁▇▇▇▁▁▁▇▁▁",
        "└─ ship     REJECTED    7 ms                     ▁▁▁▁▁▇▁▁▁▁▁",
    ]


@pytest.mark.parametrize(
    ("busy", "length", "drawn"),
    [
        ([], 0.0, "▁▁▁▁▁▁▁▁▁▁▁"),
        ([(0.0, 1.0)], 1.0, "▇▇▇▇▇▇▇▇▇▇▇"),
        ([(0.0, 0.001)], 1.0, "▇▁▁▁▁▁▁▁▁▁▁"),
        ([(0.999, 1.0)], 1.0, "▁▁▁▁▁▁▁▁▁▁▇"),
        ([(0.0, 0.1), (0.9, 1.0)], 1.0, "▇▁▁▁▁▁▁▁▁▁▇"),
    ],
)
def test_anything_that_took_time_shows(busy: list[tuple[float, float]], length: float, drawn: str) -> None:
    assert bars(busy, length, CELLS) == drawn


def test_a_step_that_was_never_asked_shows_its_state() -> None:
    saga = {"key": "o-1", "phase": "RUNNING", "reason": None, "steps": [{"name": "ship", "status": "idle", "attempts": []}]}

    assert "idle" in [line.plain for line in order_lines(saga)][1]
