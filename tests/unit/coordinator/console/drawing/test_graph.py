"""The graph of a saga's steps: whole, within its frame, without overlaps, whatever they are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_coordinator.console.drawing.graph import Drawing, GraphStep, Side, draw_graph
from saga_coordinator.console.drawing.layers import columns, needed, ordered
from saga_coordinator.console.formatting import STATUSES
from support.drawn import SVG, boxes, outside, parsed, texts

LOOKS = sorted(STATUSES)


def side(status: str = "done", detail: str = "payment · 59 ms", **more: bool) -> Side:
    return Side(look=STATUSES[status], detail=detail, reached=more.get("reached", True), alarm=more.get("alarm", False))


def step(name: str, *after: str, undo: Side | None = None, pivot: bool = False, forward: Side | None = None) -> GraphStep:
    return GraphStep(name=name, after=after, forward=forward or side(), undo=undo, pivot=pivot, href=f"?step={name}")


def drawn(*steps: GraphStep, turned: str | None = None) -> Drawing:
    return draw_graph(steps, turned=turned, href="#list")


@st.composite
def graphs(draw: st.DrawFn, most: int = 30) -> tuple[list[GraphStep], str | None]:
    """Steps that wait for any others, some of them undone."""
    names = draw(st.lists(st.text(min_size=1, max_size=70), min_size=1, max_size=most, unique=True))
    steps = []
    for name in names:
        after = draw(st.lists(st.sampled_from([*names, "nowhere"]), max_size=3))
        undo = draw(st.none() | st.sampled_from(LOOKS).map(lambda status: side(status)))
        forward = side(draw(st.sampled_from(LOOKS)), draw(st.text(max_size=60)), reached=draw(st.booleans()))
        steps.append(step(name, *after, undo=undo, pivot=draw(st.booleans()), forward=forward))
    return steps, draw(st.none() | st.sampled_from(names))


@given(graphs())
@settings(max_examples=60)
def test_any_graph_is_well_formed_within_its_frame_and_without_overlaps(graph: tuple[list[GraphStep], str | None]) -> None:
    steps, turned = graph

    root = parsed(draw_graph(steps, turned=turned, href="#list").markup)

    found = boxes(root)
    assert len(found) == len(steps) + sum(1 for one in steps if one.undo is not None)
    assert [pair for pair in itertools.combinations(found, 2) if pair[0].overlaps(pair[1])] == []
    assert outside(root) == []


@given(graphs())
@settings(max_examples=60)
def test_each_step_stands_right_of_those_it_waits_for(graph: tuple[list[GraphStep], str | None]) -> None:
    after = {one.name: one.after for one in graph[0]}
    order = ordered(list(after), after)

    direct = needed(order, after)

    column = columns(order, direct)
    assert sorted(order) == sorted(after)
    assert all(column[before] < column[name] for name, befores in direct.items() for before in befores)


def test_the_steps_of_an_order_stand_as_they_wait() -> None:
    steps = [step("reserve"), step("screen"), step("charge", "reserve", "screen"), step("ship", "charge", pivot=True)]

    root = parsed(drawn(*steps).markup)

    assert [(box.x, box.y) for box in boxes(root)] == [(3, 3), (3, 71), (231, 3), (459, 3)]
    assert [link.get("href") for link in root.iter(f"{SVG}a")] == ["?step=reserve", "?step=screen", "?step=charge", "?step=ship"]


def test_what_was_not_reached_is_dashed_and_what_needs_a_person_stands_out() -> None:
    steps = [
        step("charge", undo=side("stuck_back", alarm=True)),
        step("notify", "charge", forward=side("idle", reached=False)),
    ]

    looks = [box.look for box in boxes(parsed(drawn(*steps, turned="notify").markup))]

    assert looks == ["box", "box dashed", "box hot"]


def test_going_back_leads_from_the_step_that_turned_the_saga_to_what_is_undone_first() -> None:
    steps = [
        step("reserve", undo=side("undo_due", reached=False)),
        step("screen", "reserve"),
        step("charge", "screen", undo=side("undo_asked")),
        step("ship", "charge"),
    ]

    root = parsed(drawn(*steps, turned="ship").markup)

    back = [path.get("d", "") for path in root.iter(f"{SVG}path") if path.get("class") == "line-back"]
    assert len(back) == 3, "from ship down, on to undo charge, and from there past screen to undo reserve"
    assert texts(root)[-4::2] == ["undo reserve", "undo charge"]


def test_what_users_named_is_text() -> None:
    hostile = '</text><script>alert("x")</script>'

    drawing = drawn(step(hostile, forward=side(detail=hostile)), step("b\u202e\x00\ufffe"))

    root = parsed(drawing.markup)
    assert "<script" not in drawing.markup
    titles = [each.text for each in root.iter(f"{SVG}title")]
    assert titles[0] == f"{hostile}: done ({hostile})" and "b���" in (titles[1] or "")


@pytest.mark.parametrize("shape", ["a chain", "side by side", "each state another"])
def test_a_thousand_steps_are_a_few_boxes_that_say_how_many(shape: str) -> None:
    names = [f"s{number}" for number in range(1_000)]
    steps = []
    for number, name in enumerate(names):
        after = () if shape == "side by side" or number == 0 else (names[number - 1],)
        status = LOOKS[number % len(LOOKS)] if shape == "each state another" else "done"
        stuck = number == 500
        forward = side("stuck_forward", alarm=True) if stuck else side(status)
        steps.append(step(name, *after, forward=forward, undo=side("undo_due"), pivot=number == 700))

    drawing = drawn(*steps, turned="s900")

    root = parsed(drawing.markup)
    assert drawing.grouped and len(boxes(root)) < 700 and outside(root) == []
    assert {"s500", "s700", "s900"} <= set(texts(root)), "what asks to be seen has a box of its own"


def test_a_saga_without_steps_is_an_empty_drawing() -> None:
    assert boxes(parsed(drawn().markup)) == []
