"""Line charts and sparklines: what is drawn, said and written of the same numbers."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from saga_coordinator.console.drawing.chart import Chart, Mark, Series, chart, described, legend, spark, table
from saga_coordinator.console.drawing.scale import ticks
from saga_coordinator.console.formatting import rate

AT = tuple(f"2026-11-29T14:0{minute}:00.000000Z" for minute in range(5))


def drawn(*values: float | None, marks: tuple[Mark, ...] = (), name: str = "started") -> Chart:
    series = Series(name=name, tone="fwd", values=values)
    return Chart(name="rates", title="Sagas a second", at=AT[: len(values)], series=[series], words=rate, marks=marks)


def svgs(markup: Markup) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(f"<div>{markup}</div>"))


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (47, [0, 20, 40, 60]),
        (0.02, [0, 0.01, 0.02]),
        (3, [0, 1, 2, 3]),
        (1000, [0, 500, 1000]),
        (0, [0, 1]),
        (float("inf"), [0, 1]),
    ],
)
def test_an_axis_has_round_numbers_up_to_the_most(most: float, expected: list[float]) -> None:
    assert ticks(most) == expected


def test_it_is_drawn_wide_and_narrow_and_each_says_what_it_is() -> None:
    wide, narrow = svgs(chart(drawn(1.0, 2.0, 42.0)))
    assert (wide.get("class"), narrow.get("class")) == ("drawing chart wide", "drawing chart narrow")
    for one in (wide, narrow):
        texts = {element.get("id"): element.text for element in one.iter() if element.get("id")}
        named = [texts[id] for id in str(one.get("aria-labelledby")).split()]
        assert named == ["Sagas a second", "started 42.0 /s now, at most 42.0 /s"]


def test_the_line_ends_at_the_top_where_the_most_is_and_breaks_where_nothing_is_known() -> None:
    def path(shown: Chart) -> str:
        return str(re.findall(r'class="line-fwd" d="([^"]+)"', chart(shown))[0])

    assert path(drawn(0.0, 3.0)) == "M0 186L890 26"
    assert path(drawn(1.0, None, 2.0, 2.0)).count("M") == 2
    assert path(drawn(None, 2.0, None)).endswith("h2"), "a lone point shows"


def test_the_same_numbers_stand_in_a_table_newest_first() -> None:
    (head, *rows) = svgs(table(drawn(1.0, None, 42.0)))[0].iter("tr")
    assert [cell.text for cell in head] == ["from (UTC)", "started"]
    assert [[cell.text for cell in row] for row in rows] == [["14:02", "42.0 /s"], ["14:01", "–"], ["14:00", "1.0 /s"]]


def test_each_period_says_its_numbers_where_the_pointer_rests() -> None:
    titles = [element.text for element in svgs(chart(drawn(1.0, 42.0)))[0].iter("title")][1:]
    assert titles == ["14:00: started 1.0 /s", "14:01: started 42.0 /s"]


def test_a_mark_is_drawn_and_told() -> None:
    shown = drawn(1.0, 2.0, 3.0, marks=(Mark(place=1, words="payment begins to fail"),))
    assert chart(shown).count(">payment begins to fail</text>") == 2
    assert described(shown).endswith("; mark: payment begins to fail")


def test_lines_are_told_apart_without_colours() -> None:
    values = (1.0, 2.0)
    series = [Series(name=name, tone="fwd", values=values) for name in ("a", "b", "c", "d")]
    shown = Chart(name="n", title="t", at=AT[:2], series=series, words=rate)
    patterns = [piece.get("stroke-dasharray") for piece in svgs(legend(shown))[0].iter("path")]
    assert len(set(patterns)) == 4
    assert [
        line.get("stroke-dasharray") for line in svgs(chart(shown))[0].iter("path") if line.get("class") == "line-fwd"
    ] == patterns


def test_what_others_named_is_text() -> None:
    shown = drawn(1.0, 2.0, name='<script>"', marks=(Mark(place=0, words="<b>"),))
    for markup in (chart(shown), legend(shown), table(shown), spark([1.0], '"><script>')):
        assert "<script>" not in markup and "<b>" not in markup
        svgs(markup)


def test_nothing_is_drawn_of_nothing() -> None:
    assert chart(drawn()) == ""
    assert spark([], "") == spark([0.0, 0.0], "") == ""
    assert described(drawn(None)) == "no figures"


def test_a_spark_begins_at_zero() -> None:
    points = re.findall(r'points="([^"]+)"', spark([0.0, 2.0, 1.0], "starts"))[0]
    assert points == "0,17 48,2 96,9.5"
