"""Whatever happens to a schedule, and whenever: no tick fires twice, none is lost, the cursor never
goes back, bounds hold, counters agree with the rows, and what is due wakes the loop."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.document import MissedDocument, OverlapDocument, ScheduleDocument
from saga_coordinator.store.schedule_records import ScheduleStatus
from support.schedule_world import World, done
from support.scheduled import calendar, schedule

SECOND_US = 1_000_000
MINUTE_MS = 60_000
HOUR_US = 3600 * SECOND_US
POLICIES = ("skip", "queue_one", "queue_all", "allow", "cancel_other", "terminate_other")
LIMITED = ("queue_all", "allow")

overlaps = st.builds(
    lambda policy, limit: OverlapDocument(policy=policy, limit=limit if policy in LIMITED else 1),
    st.sampled_from(POLICIES),
    st.integers(1, 3),
)
overlap_texts = st.sampled_from(["skip", "queue_one", "queue_all:2", "allow:2", "allow:20", "cancel_other"])
calendars = st.builds(
    lambda when, zone, jitter_ms, end: calendar(**when, zone=zone, jitter_ms=jitter_ms, end=end),
    st.sampled_from(
        [
            {"every_ms": 1_000},
            {"every_ms": 7_000},
            {"every_ms": 60_000},
            {"every_ms": 3_600_000},
            {"cron": ("*/20 * * * * *",)},
            {"cron": ("* * * * *",)},
            {"cron": ("*/15 * * * *", "7 * * * *")},
            {"cron": ("30 2 * * *",)},
        ]
    ),
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.sampled_from([0, 0, 5_000]),
    st.sampled_from([None, None, "2027-01-16T01:00:00Z"]),
)
misses = st.builds(
    MissedDocument,
    policy=st.sampled_from(["skip", "run_one", "run_all"]),
    grace_ms=st.sampled_from([1_000, MINUTE_MS]),
    window_ms=st.sampled_from([MINUTE_MS, 24 * 60 * MINUTE_MS]),
)
documents = st.builds(
    lambda calendar, overlap, missed, **more: schedule("daily", calendar=calendar, overlap=overlap, missed=missed, **more),
    calendars,
    overlaps,
    misses,
    runs=st.sampled_from([None, None, None, 1, 4]),
    pause_after_failures=st.sampled_from([None, None, 1, 3]),
    expect_success_ms=st.sampled_from([None, None, 10 * MINUTE_MS]),
)
passing = st.one_of(
    st.integers(1, 3 * SECOND_US),
    st.integers(1, 90 * SECOND_US),
    st.sampled_from([SECOND_US, 60 * SECOND_US, 600 * SECOND_US]),
)


class Schedules(RuleBasedStateMachine):
    """Of one schedule."""

    world: World

    @initialize(document=documents)
    def create(self, document: ScheduleDocument) -> None:
        self.world = World(document)

    def act(self, work: Any) -> None:
        """What is refused changes nothing."""
        with contextlib.suppress(Refused):
            done(work)

    @rule(by_us=passing, turns=st.integers(0, 3))
    def time_passes(self, by_us: int, turns: int) -> None:
        """Where it takes no turn, no coordinator runs."""
        self.world.now_us += by_us
        for _ in range(turns):
            if self.world.is_due:
                self.world.take_turn()

    @precondition(lambda self: self.world.is_slow)
    @rule(hours=st.integers(1, 30), turns=st.integers(0, 3))
    def hours_pass(self, hours: int, turns: int) -> None:
        self.time_passes(hours * HOUR_US, turns)

    @rule()
    def turn_of_no_need(self) -> None:
        self.world.now_us += 1
        self.world.take_turn()

    @rule(place=st.integers(0, 20), phase=st.sampled_from(["COMPLETED", "COMPLETED", "COMPENSATED", "FORCED"]))
    def saga_ends(self, place: int, phase: str) -> None:
        open_ = [
            tick.saga_id
            for tick in self.world.keeper.open().running
            if tick.saga_id is not None and tick.saga_id not in self.world.keeper.over
        ]
        if open_:
            self.world.end(open_[place % len(open_)], phase)

    @rule(which=st.sampled_from(["refuses", "key_held", "ran_before"]))
    def starts_go_wrong(self, which: str) -> None:
        setattr(self.world, which, True)

    @precondition(lambda self: self.world.refuses)
    @rule()
    def starts_are_well_again(self) -> None:
        self.world.refuses = False

    @rule()
    def pause(self) -> None:
        self.act(self.world.changes.pause("daily", "why", "ada"))

    @precondition(lambda self: self.world.row_now.status == ScheduleStatus.PAUSED)
    @rule()
    def resume(self) -> None:
        self.act(self.world.changes.resume("daily", "why", "ada"))

    @rule(overlap=st.one_of(st.none(), overlap_texts))
    def trigger(self, overlap: str | None) -> None:
        self.world.now_us += 1_000
        if self.world.row_now.status != ScheduleStatus.DELETED:
            self.act(self.world.changes.trigger("daily", "why", "ada", overlap=overlap))

    @rule(document=documents)
    def update(self, document: ScheduleDocument) -> None:
        if self.world.row_now.status != ScheduleStatus.DELETED:
            self.act(self.world.changes.update(document, "why", "ada", version=None))

    @rule(back_us=passing, until_us=passing, overlap=overlap_texts, per_minute=st.sampled_from([1, 60, 6000]))
    def backfill(self, back_us: int, until_us: int, overlap: str, per_minute: int) -> None:
        until_us = self.world.row_now.cursor_us - until_us
        asked = {"from_us": until_us - back_us, "until_us": until_us, "overlap": overlap, "per_minute": per_minute}
        if self.world.row_now.status != ScheduleStatus.DELETED:
            self.act(self.world.changes.backfill("daily", "why", "ada", **asked))  # type: ignore[arg-type]

    @precondition(lambda self: self.world.row_now.status != ScheduleStatus.DELETED and self.world.row_now.fired > 0)
    @rule()
    def delete(self) -> None:
        self.act(self.world.changes.delete("daily", "why", "ada"))

    @precondition(lambda self: self.world.row_now.status == ScheduleStatus.DELETED)
    @rule(document=documents)
    def create_again(self, document: ScheduleDocument) -> None:
        self.act(self.world.changes.create(document, "why", "ada"))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.at_rest()


TestSchedules = Schedules.TestCase
TestSchedules.settings = settings(max_examples=100, stateful_step_count=40)
