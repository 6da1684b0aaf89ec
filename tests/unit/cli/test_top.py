"""`saga top`: one frame for pipes, and a terminal that is drawn again and again."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from saga_cli.client import Client
from saga_cli.commands.top import TopWindow, follow
from saga_cli.show.top import trend
from saga_coordinator.views.overview import Overview, overview
from support.situations import Counting, situation

PATH = "/v1/overview"


def told(**changes: Any) -> dict[str, Any]:
    counted = Counting().started(120).ended("COMPLETED", 90, took_ms=40).ended("COMPENSATED", 10, took_ms=900)
    counted.answered("SUCCEEDED", count=200).took("handler", 12, 200)
    made = overview(situation(counted, **changes))
    plain: dict[str, Any] = TypeAdapter(Overview).dump_python(made, mode="json")
    return plain


def test_a_frame_has_everything_at_a_glance(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, told())
    shown = saga("top", "--once")
    assert (shown.code, shown.err) == (0, "")
    assert coordinator.asked[-1].query == {"window": "1h"}
    lines = [line.split() for line in shown.out.splitlines()]
    by_name = {words[0]: words for words in lines if words}
    assert {"open", "attention", "started", "ended", "took", "DEFINITION", "order", "PARTICIPANT", "payment", "outbox"} <= set(
        by_name
    )
    assert "10.0 %" in " ".join(by_name["order"])
    assert by_name["took"][1:3] == ["p50", by_name["took"][2]]
    assert "100.0" in by_name["payment"]


def test_what_is_wrong_stands_first_with_a_command(saga: Any, coordinator: Any) -> None:
    trouble = {"code": "x", "severity": "bad", "subject": "payment", "sentence": "payment\x1b[2J is away.", "detail": "", "since": None,
               "links": [], "acts": [{"text": "Pause", "command": "saga pause --participant payment", "page": "p"}]}  # fmt: skip
    waiting = {"saga_id": "s-1", "key": None, "definition": "order", "phase": "RUNNING", "step": "charge", "reason": "no_answer",
               "since": "2026-03-01T10:00:00.000000Z"}  # fmt: skip
    shown = told() | {
        "troubles": [trouble] * 6,
        "well": False,
        "attention": {"count": 1, "by_reason": {"no_answer": 1}, "longest": [waiting]},
    }
    coordinator.answer("GET", PATH, shown)
    out = saga("top", "--window", "1d", "--once").out
    _, first, act, *_ = out.splitlines()
    assert first == "✗  payment\N{REPLACEMENT CHARACTER}[2J is away."
    assert act.strip() == "saga pause --participant payment"
    assert "and 2 more" in out
    assert "saga diagnose s-1" in out
    assert coordinator.asked[-1].query == {"window": "1d"}


def test_programs_get_what_the_coordinator_says(saga: Any, coordinator: Any) -> None:
    answer = told()
    coordinator.answer("GET", PATH, answer)
    assert saga("top", "-o", "json").json == answer
    assert saga("top", "-o", "ids").code == 2


def test_an_empty_system_has_a_frame_too(saga: Any, coordinator: Any) -> None:
    empty: dict[str, Any] = TypeAdapter(Overview).dump_python(overview(replace(situation(), lines=())), mode="json")
    coordinator.answer("GET", PATH, empty)
    shown = saga("top")
    assert shown.code == 0
    assert "open               0" in shown.out


def test_the_terminal_is_drawn_until_ctrl_c_and_keeps_what_it_has(coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator.answer("GET", PATH, told())
    coordinator.refuse("GET", PATH, 503, "store_unavailable")
    coordinator.answer("GET", PATH, told())
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    screen = io.StringIO()
    with Client(coordinator.url) as client:
        follow(client, TopWindow.HOUR, 2.0, Console(file=screen, force_terminal=True, width=200, height=50))
    assert slept == [2.0, 2.0, 2.0]
    drawn = screen.getvalue()
    assert drawn.count("saga top") == 3
    assert "not newer: store_unavailable" in drawn


def test_a_trend_is_as_high_as_its_highest() -> None:
    assert trend([0, 1, 2, 4]) == "▁▃▅█"
    assert trend([0.0, 0.0]) == "▁▁"
    assert trend([]) == ""
    assert len(trend([1.0] * 500)) == 24
