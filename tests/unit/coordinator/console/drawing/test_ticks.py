"""The drawing of a schedule's ticks."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.console.drawing.ticks import TickMark, TickRow, described, draw_ticks, latest, legend
from saga_coordinator.console.formatting import PHASES
from saga_coordinator.console.schedule.looks import TO_COME, not_fired
from support.drawn import SVG, boxes, outside, parsed, texts

DONE, SKIPPED = PHASES["COMPLETED"], not_fired("skipped")[1]


def mark(day: str = "28 Mar", clock: str = "02:30", *, state: str = "completed", count: int = 1, href: str = "") -> TickMark:
    look = {"completed": DONE, "skipped": SKIPPED}.get(state, TO_COME)
    return TickMark(look=look, state=state, title=f"{day} {clock}: {state}", day=day, clock=clock, href=href, count=count)


def row(*marks: TickMark, heading: str = "Decided") -> TickRow:
    return TickRow(heading=heading, marks=marks, empty="no tick yet")


def both(*rows: TickRow) -> list[str]:
    """The wide and the narrow drawing."""
    return [f"<svg{part}" for part in str(draw_ticks(rows)).split("<svg")[1:]]


words = st.text(max_size=12)
marks = st.builds(
    lambda look, state, title, day, clock, href, count, odd: TickMark(
        look=look, state=state, title=title, day=day, clock=clock, href=href, count=count, odd=odd
    ),
    st.sampled_from([DONE, SKIPPED, TO_COME]),
    words,
    st.text(max_size=200),
    words,
    words,
    st.sampled_from(["", "/console/sagas/1"]),
    st.integers(1, 10**9),
    st.booleans(),
)


@given(
    st.lists(
        st.builds(row, heading=words).flatmap(lambda one: st.lists(marks, max_size=40).map(lambda made: row(*made))), max_size=3
    )
)
def test_any_ticks_are_well_formed_and_within_the_frame(rows: list[TickRow]) -> None:
    for drawing in both(*rows):
        assert outside(parsed(drawing)) == []


def test_each_tick_is_there_in_both_widths_with_its_title() -> None:
    decided = row(*(mark(clock=f"{hour:02}:00") for hour in range(24)))

    for drawing in both(decided):
        titles = [each.text for each in parsed(drawing).iter(f"{SVG}title")]
        assert titles == [f"28 Mar {hour:02}:00: completed" for hour in range(24)]


def test_a_tick_with_a_saga_leads_there_and_is_named_for_who_does_not_see_it() -> None:
    root = parsed(both(row(mark(href="/console/sagas/1"), mark()))[0])

    (link,) = root.iter(f"{SVG}a")
    assert (link.get("href"), link.get("aria-label")) == ("/console/sagas/1", "28 Mar 02:30: completed")
    assert [each.get("aria-label") for each in root.iter(f"{SVG}g")] == ["28 Mar 02:30: completed"]


def test_a_day_is_said_once_and_no_two_texts_touch() -> None:
    root = parsed(both(row(mark(clock="22:30"), mark(clock="23:30"), mark("29 Mar", "00:30"), mark("29 Mar", "01:30")))[0])

    assert texts(root) == ["Decided", "28 Mar", "22:30", "29 Mar", "00:30"]


def test_several_in_a_row_say_how_many_they_are() -> None:
    root = parsed(both(row(mark(state="skipped", count=48), mark(state="skipped", count=5_000), mark()))[0])

    assert [said for said in texts(root) if "×" in said] == ["×48", "×1k+"]
    beside = boxes(root, "hover")
    assert not any(one.overlaps(other) for one, other in pairwise(beside)), "their numbers have room"
    assert beside[0].width == 2 * beside[2].width


def test_one_line_has_the_latest() -> None:
    ticks = [mark(clock=f"{place:02}:00") for place in range(30)]
    several = mark(state="skipped", count=48)

    assert latest(ticks) == ticks
    assert latest([*ticks, mark()]) == [*ticks[1:], mark()]
    assert latest([several, *ticks[:-1]]) == ticks[:-1]
    assert latest([*ticks, several]) == [*ticks[2:], several]


def test_the_drawing_says_in_words_what_it_shows() -> None:
    rows = [row(mark(), mark(), mark(state="skipped", count=7)), row(heading="To come")]

    assert described(rows) == "Decided: 7 skipped, 2 completed. To come: no tick yet"
    assert [state for _, state in legend(rows)] == ["skipped", "completed"]
    assert all("no tick yet" in texts(parsed(drawing)) for drawing in both(*rows))


def test_titles_are_text() -> None:
    hostile = "<script>alert(1)</script>"

    for drawing in both(row(TickMark(look=DONE, state=hostile, title=hostile, day=hostile, clock=hostile))):
        assert "<script" not in drawing and parsed(drawing) is not None
