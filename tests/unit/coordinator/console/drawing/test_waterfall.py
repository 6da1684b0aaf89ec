"""The timeline of a saga's attempts, and its axis."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_coordinator.console.drawing.time_axis import time_axis
from saga_coordinator.console.drawing.waterfall import Bar, Line, draw_waterfall
from saga_coordinator.console.formatting import STATUSES
from support.drawn import SVG, boxes, outside, parsed, texts

S = 1_000_000
MS = 1_000
NOW = 1_790_000_000 * S


def line(name: str, *bars: Bar, note: str = "", **more: int) -> Line:
    return Line(name=name, look=STATUSES["done"], href="#attempts", bars=bars, note=note, **more)  # type: ignore[arg-type]


def bar(from_ms: int, to_ms: int | None, tone: str = "done", **parts: int) -> Bar:
    to_us = None if to_ms is None else NOW + to_ms * MS
    return Bar(from_us=NOW + from_ms * MS, to_us=to_us, tone=tone, words=f"{from_ms}", **parts)


def drawn(*lines: Line, to_ms: int, is_open: bool = False) -> str:
    return draw_waterfall(lines, from_us=NOW, to_us=NOW + to_ms * MS, is_open=is_open)


moments = st.integers(0, 10**12)
bars = st.builds(
    lambda begin, long, tone, queue, handler: Bar(
        from_us=NOW + begin,
        to_us=None if long is None else NOW + begin + long,
        tone=tone,
        words="x",
        queue_us=queue,
        handler_us=handler,
    ),
    moments,
    st.none() | moments,
    st.sampled_from(["done", "hot", "fwd"]),
    st.none() | st.integers(-(10**6), 10**9),
    st.none() | st.integers(-(10**6), 10**9),
)
lines = st.builds(
    lambda name, made, note, omitted, waits: line(name, *made, note=note, omitted=omitted, waits_from_us=waits),
    st.text(max_size=80),
    st.lists(bars, max_size=6).map(lambda made: sorted(made, key=lambda one: one.from_us)),
    st.text(max_size=40),
    st.integers(0, 1_000),
    st.none() | moments.map(lambda us: NOW + us),
)


@given(st.lists(lines, max_size=6), st.integers(0, 10**13), st.booleans())
@settings(max_examples=80)
def test_any_timeline_is_well_formed_and_within_its_frame(made: list[Line], long_us: int, is_open: bool) -> None:
    markup = draw_waterfall(made, from_us=NOW, to_us=NOW + long_us, is_open=is_open)

    assert outside(parsed(markup)) == []


@given(st.lists(moments, min_size=1, max_size=30), st.data())
def test_time_never_runs_back_on_the_axis(times: list[int], data: st.DataObject) -> None:
    span = st.tuples(moments, moments).map(lambda two: (min(two), max(two)))

    axis = time_axis(
        times, 100.0, 900.0, busy=data.draw(st.lists(span, max_size=5)), left_out=data.draw(st.lists(span, max_size=2))
    )

    places = [axis.x(us) for us in sorted(times)]
    assert all(earlier <= later for earlier, later in pairwise(places))
    assert places[0] == pytest.approx(100) and axis.pieces[-1].right == pytest.approx(900)
    assert sum(piece.is_break for piece in axis.pieces) <= 5
    assert len(list(axis.ticks(100.0))) < 20


def test_a_bar_has_the_parts_that_are_known() -> None:
    root = parsed(drawn(line("charge", bar(0, 100, queue_us=20 * MS, handler_us=50 * MS)), to_ms=100))

    looks = [(box.look, round(box.width)) for box in [*boxes(root, "way"), *boxes(root, "done")] if box.height == 13]
    assert looks == [("way", 142), ("way", 212), ("done", 354)]


def test_a_long_wait_is_cut_and_says_how_long_it_is() -> None:
    attempts = [bar(0, 300), bar(500, 900, "hot")]

    root = parsed(drawn(line("charge", *attempts, waits_from_us=NOW + 900 * MS), to_ms=720_000, is_open=True))

    assert len(boxes(root, "gap")) == 1
    assert {"11 min 59 s", "now"} <= set(texts(root))
    assert boxes(root, "hot")[0].width > 250, "what happened keeps its room"


def test_a_busy_time_is_not_cut_because_it_is_long() -> None:
    root = parsed(drawn(line("quick", bar(0, 40)), line("slow", bar(40, 3_000)), to_ms=3_000))

    assert boxes(root, "gap") == []


def test_names_and_notes_are_text() -> None:
    hostile = "<script>alert(1)</script>"

    markup = drawn(line(hostile, Bar(from_us=NOW, to_us=NOW + MS, tone="done", words=hostile), note=hostile), to_ms=1)

    assert "<script" not in markup
    assert [each.text for each in parsed(markup).iter(f"{SVG}title")][-1] == hostile


def test_nothing_asked_is_said() -> None:
    assert "Nobody was asked anything yet." in texts(parsed(drawn(to_ms=0)))
