"""What an act does to ticks that nobody has decided yet, and to ticks that wait."""

from __future__ import annotations

import pytest

from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.store.schedule_records import ScheduleStatus
from support.schedule_days import MINUTE_US
from support.schedule_world import World, done
from support.scheduled import calendar, overlap, schedule


def each_minute(**changes: object) -> ScheduleDocument:
    return schedule("daily", calendar=calendar(every_ms=60_000), **changes)


def ranges(world: World) -> list[tuple[int, str, str]]:
    return [(one.count, one.outcome, one.reason) for one in world.keeper.ranges]


@pytest.fixture
def paused() -> World:
    """For five minutes."""
    world = World(each_minute())
    done(world.changes.pause("daily", "why", "ada"))
    world.now_us += 5 * MINUTE_US
    return world


def test_an_update_of_a_paused_schedule_puts_its_ticks_on_record(paused: World) -> None:
    hourly = schedule("daily", calendar=calendar(every_ms=3_600_000))
    done(paused.changes.update(hourly, "why", "ada", version=None))
    assert ranges(paused) == [(5, "skipped", "updated")]
    assert paused.row_now.skipped == 5


def test_a_deletion_puts_ticks_of_the_pause_on_record(paused: World) -> None:
    done(paused.changes.delete("daily", "why", "ada"))
    assert ranges(paused) == [(5, "skipped", "deleted")]
    paused.now_us += 5 * MINUTE_US
    done(paused.changes.create(each_minute(), "why", "ada"))
    assert paused.row_now.next_at_us == paused.now_us + MINUTE_US, "it goes on from now"


def test_a_schedule_that_has_ended_goes_on_from_its_update() -> None:
    world = World(each_minute(runs=1))
    world.now_us += MINUTE_US
    world.take_turn()
    assert world.row_now.status == ScheduleStatus.ENDED
    world.now_us += 60 * MINUTE_US
    done(world.changes.update(each_minute(runs=2), "why", "ada", version=None))
    assert (world.row_now.status, world.row_now.next_at_us) == (ScheduleStatus.ACTIVE, world.now_us + MINUTE_US)


def test_an_act_that_notes_the_end_of_a_saga_wakes_the_tick_that_waits_for_it() -> None:
    world = World(each_minute(overlap=overlap("queue_one")))
    for _ in range(2):
        world.now_us += MINUTE_US
        world.take_turn()
    (running,), (waiting,) = world.keeper.open().running, world.keeper.open().queued
    assert running.saga_id is not None
    world.end(running.saga_id, "COMPLETED")
    world.now_us += 1
    done(world.changes.trigger("daily", "why", "ada", overlap=None))
    assert world.row_now.wake_at_us == world.now_us
    world.take_turn()
    assert [tick.at_us for tick in world.keeper.open().running] == [waiting.at_us]


def test_a_tick_that_loses_its_key_wakes_the_next_that_waits() -> None:
    world = World(each_minute(overlap=overlap("queue_all", 3)))
    for _ in range(3):
        world.now_us += MINUTE_US
        world.take_turn()
    (running,) = world.keeper.open().running
    assert running.saga_id is not None
    world.end(running.saga_id, "COMPLETED")
    world.key_held = True
    world.take_turn()
    assert not world.keeper.open().running
    assert world.row_now.wake_at_us == world.now_us
    world.take_turn()
    assert len(world.keeper.open().running) == 1
