"""The stand-in is asked at once for what this event loop writes, and seldom when nothing comes."""

from __future__ import annotations

import asyncio

import pytest

from saga_messaging.kafka.stand_in_pace import FIRST_S, LONGEST_S, StandInPace, pause_s, written


@pytest.mark.parametrize(
    ("silent_s", "waits_s"),
    [(0.0, FIRST_S), (0.05, FIRST_S), (1.0, 0.05), (2.0, 0.1), (3600.0, LONGEST_S)],
    ids=["records came", "a moment ago", "a second", "two seconds", "an hour"],
)
def test_the_wait_is_a_twentieth_of_the_silence_within_bounds(silent_s: float, waits_s: float) -> None:
    assert pause_s(silent_s) == pytest.approx(waits_s)


async def asking(pace: StandInPace, *topics: str) -> asyncio.Task[None]:
    """A reader that waits, as long as it ever does."""
    pace._last_s -= 3600
    turn = asyncio.create_task(pace.turn(topics))
    await steps()
    assert not turn.done()
    return turn


async def steps() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_record_that_was_written_here_ends_the_wait() -> None:
    turn = await asking(StandInPace(), "saga.cmd.payment")
    written(["saga.events"])
    await steps()
    assert not turn.done()
    written(["saga.events", "saga.cmd.payment"])
    await steps()
    assert turn.done()


async def test_what_is_written_while_the_answer_is_on_its_way_is_asked_for_at_once() -> None:
    pace = StandInPace()
    await pace.turn(["saga.start"])
    written(["saga.start"])
    pace._last_s -= 3600
    turn = asyncio.create_task(pace.turn(["saga.start"]))
    await steps()
    assert turn.done()


async def test_readers_of_other_event_loops_are_left_alone() -> None:
    turn = await asking(StandInPace(), "saga.start")

    async def elsewhere() -> None:
        written(["saga.start"])

    await asyncio.to_thread(asyncio.run, elsewhere())
    await steps()
    assert not turn.done()
    turn.cancel()
