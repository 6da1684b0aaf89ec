"""One schedule in memory, with everything that people and sagas do to it: the acts and the turns
are the real ones, and each is checked against what a calendar asks for.

What is checked after every step is in `check`; what becomes of a schedule that is left alone in
`at_rest`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

from saga_coordinator.calendar.tick import Cursor
from saga_coordinator.schedules.acts import ScheduleChanges
from saga_coordinator.schedules.deciding import QUEUED_MOST, may_go, overlap_of
from saga_coordinator.schedules.document import OverlapDocument, ScheduleDocument
from saga_coordinator.schedules.finishing import finish
from saga_coordinator.schedules.program import Moment, ScheduleProgram, program_of
from saga_coordinator.schedules.settling import settle
from saga_coordinator.schedules.turn import Turn
from saga_coordinator.starts.preparation import Prepared
from saga_coordinator.starts.requests import StartRefused
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    ScheduleRow,
    ScheduleStatus,
    TickOutcome,
    TickRangeRow,
    TickRow,
    TickSource,
)
from support.schedule_days import DAY_US, prepared
from support.schedule_keeper import MemoryKeeper

TURNS_MOST = 500
_RUN = (TickOutcome.FIRED, TickOutcome.QUEUED)
Result = TypeVar("Result")


def done(work: Coroutine[Any, Any, Result]) -> Result:
    """What it returns. Nothing in memory waits."""
    try:
        work.send(None)
    except StopIteration as returned:
        result: Result = returned.value
        return result
    raise AssertionError("it waits")


@dataclass
class World:
    """A store, a checking of documents and the turns, as the acts use them; and a clock."""

    document: ScheduleDocument
    now_us: int = DAY_US
    keeper: MemoryKeeper = field(default_factory=MemoryKeeper)
    refuses: bool = False
    """Sagas cannot start."""
    key_held: bool = False
    """Another saga has the business key of the next one that starts."""
    ran_before: bool = False
    """The next one that starts has started before, as after a restore."""
    decided: dict[int, str] = field(default_factory=dict)
    """Ticks of calendars, with what became of each at first."""
    begun: Counter[int] = field(default_factory=Counter)
    ever_queued: int = 0
    replaced: Counter[str] = field(default_factory=Counter)
    """Ticks that a backfill came to once more, by what had become of them."""

    def __post_init__(self) -> None:
        self.programs: dict[str, ScheduleProgram] = {}
        parts: Any = self
        self.changes = ScheduleChanges(parts, parts, parts, "default", lambda: None)
        done(self.changes.create(self.document, "why", "ada"))

    # --- what the acts ask of a store, of documents and of the turns ------------------------------

    async def schedule(self, _tenant: str, _name: str) -> ScheduleRow | None:
        return self.keeper.row

    async def checked(self, document: ScheduleDocument) -> ScheduleProgram:
        found = self.programs.get(document.canonical)
        if found is None:
            found = self.programs[document.canonical] = program_of(document, {})
        return found

    async def row(self, _name: str) -> ScheduleRow:
        return self.row_now

    async def program(self, row: ScheduleRow) -> ScheduleProgram:
        return await self.checked(ScheduleDocument.parse(row.document))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[World]:
        yield self

    @property
    def tx(self) -> World:
        return self

    async def add_schedule(self, row: ScheduleRow, _most: int) -> bool:
        self.keeper.row = row
        return True

    async def add_schedule_version(self, _row: object) -> None: ...

    async def add_audit(self, **_said: object) -> None: ...

    async def ticks_at(self, _schedule_id: UUID, instants_us: Collection[int]) -> dict[int, TickRow]:
        return {at_us: self.keeper.ticks[at_us] for at_us in instants_us if at_us in self.keeper.ticks}

    async def add_backfill(self, row: BackfillRow) -> bool:
        self.keeper.job = row
        return True

    async def act(self, _name: str, change: Callable[[Any, Turn], Awaitable[Result]], **_more: object) -> tuple[Result, Turn]:
        turn = self._turn()
        result = await change(self, turn)
        self._finish(turn)
        return result, turn

    # --- turns ------------------------------------------------------------------------------------

    @property
    def row_now(self) -> ScheduleRow:
        assert self.keeper.row is not None
        return self.keeper.row

    @property
    def is_slow(self) -> bool:
        """It ticks once a minute at most."""
        cursor = Cursor(after_us=DAY_US)
        ticks = done(self.program(self.row_now)).calendar.ticks(cursor, until_us=DAY_US + 60_000_000, limit=2)
        return len(ticks) < 2

    @property
    def is_due(self) -> bool:
        """Whether the loop takes a turn now."""
        row = self.row_now
        woken = row.wake_at_us is not None and row.wake_at_us <= self.now_us
        return row.status != ScheduleStatus.DELETED and (woken or bool(self.keeper.newly_ended()))

    def take_turn(self) -> None:
        """As the loop does, whether it is due or not."""
        if self.row_now.status == ScheduleStatus.DELETED:
            return
        turn = self._turn()
        turn.run()
        self._finish(turn)

    def end(self, saga_id: UUID, phase: str) -> None:
        self.keeper.over[saga_id] = (phase, self.now_us)

    def _turn(self) -> Turn:
        row = self.row_now
        program = done(self.program(row))
        found = self.keeper.at_turn()
        turn = Turn.of(row, program, self._prepare, self.now_us, found)
        settle(turn, found.ended)
        turn.known = {at_us: self.keeper.ticks[at_us] for at_us in turn.backfill_next_us() if at_us in self.keeper.ticks}
        return turn

    def _prepare(self, moment: Moment) -> Prepared:
        if self.refuses:
            raise StartRefused("input_invalid", "the input gives no amount")
        return prepared(moment)

    def _finish(self, turn: Turn) -> None:
        before = self.row_now
        open_before = len(self.keeper.open().running) - sum(
            tick.phase is not None for tick in turn.ticks.values() if self.keeper.ticks.get(tick.at_us) is not None
        )
        for place, one in enumerate(turn.begun):
            policy = turn.document.overlap if one.tick.overlap is None else overlap_of(one.tick.overlap)
            if one.backfill:
                assert turn.backfill is not None
                policy = overlap_of(turn.backfill.overlap)
            assert open_before + place < most_at_once(policy), f"{open_before + place} ran already, by {policy}"
        lost = self._claims(turn)
        finish(turn)
        self._note(turn, before, lost)
        done(self.keeper.save(turn))
        self.check(before, turn)

    def _claims(self, turn: Turn) -> set[int]:
        """Of the sagas that are begun, some have lost their place."""
        lost = set()
        for one in turn.begun[:1]:
            if self.key_held or self.ran_before:
                turn.lost(one, new_id(self.now_us), by_key=self.key_held)
                lost |= {one.tick.at_us} if self.key_held else set()
                self.key_held = self.ran_before = False
        return lost

    # --- what must hold ---------------------------------------------------------------------------

    def _note(self, turn: Turn, before: ScheduleRow, lost: set[int]) -> None:
        """What this turn decided: of the calendar, each tick up to the cursor, and once."""
        program = done(self.program(before))
        now: list[tuple[int, str]] = []
        for at_us, tick in turn.ticks.items():
            known = self.keeper.ticks.get(at_us)
            if known is None and tick.source == TickSource.CALENDAR:
                now.append((at_us, str(tick.outcome)))
            if known is not None and tick.source == TickSource.BACKFILL and known.outcome not in _RUN:
                self.replaced[known.outcome] += 1
            else:
                assert known is None or known.outcome in _RUN, f"{known} became {tick}"
            assert known is None or known.outcome != "fired" or tick.saga_id == known.saga_id, "what ran stays as it is"
        for made, _ in turn.ranges:
            now += [(at_us, str(made.outcome)) for at_us in instants(program, made)]
        for at_us, outcome in now:
            assert at_us not in self.decided, f"tick {at_us} is decided once more: {self.decided[at_us]}, {outcome}"
            self.decided[at_us] = outcome
        until_us = turn.row.cursor_us
        assert until_us >= before.cursor_us, "the cursor never goes back"
        cursor = Cursor(after_us=before.cursor_us, local=before.cursor_local)
        wanted = [tick.at_us for tick in program.calendar.ticks(cursor, until_us=until_us, limit=1_000_000)]
        runs = program.document.runs
        if before.status in (ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED) and (runs is None or before.runs < runs):
            assert sorted(at_us for at_us, _ in now) == wanted, "each tick up to the cursor is decided, and no other"
        for one in turn.begun:
            self.begun[one.tick.at_us] += one.tick.at_us not in lost
            assert self.begun[one.tick.at_us] <= 1, f"tick {one.tick.at_us} fired twice"
        before_queue = {tick.at_us for tick in self.keeper.open().queued}
        self.ever_queued += turn.row.queued - before.queued
        entered = [tick for tick in turn.queued if tick.at_us not in before_queue]
        assert turn.row.queued - before.queued >= len(entered)

    def check(self, before: ScheduleRow, turn: Turn) -> None:
        """The rows, after a turn."""
        row, open_ = self.row_now, self.keeper.open()
        assert {tick.saga_id for tick in open_.running} == set(turn.running)
        assert len(open_.running) == len(turn.running)
        assert [tick.at_us for tick in open_.queued] == sorted(tick.at_us for tick in turn.queued)
        added = [tick for tick in turn.queued if tick.at_us in turn.ticks and tick.decided_at_us == self.now_us]
        for tick in added:
            policy = turn.document.overlap if tick.overlap is None else overlap_of(tick.overlap)
            place = [one.at_us for one in turn.queued].index(tick.at_us)
            assert place < QUEUED_MOST.get(policy.policy, policy.limit), "more wait than may"
        if row.version == before.version and turn.document.runs is not None:
            assert row.runs <= max(turn.document.runs, before.runs)
        self._check_counters()
        self._check_wake(turn)

    def _check_counters(self) -> None:
        row = self.row_now
        found = Counter(str(tick.outcome) for tick in self.keeper.ticks.values()) + self.replaced
        for made in self.keeper.ranges:
            found[made.outcome] += made.count
        told = {"fired": row.fired, "skipped": row.skipped, "missed": row.missed, "failed": row.failed}
        assert told == {outcome: found[outcome] for outcome in told}
        assert row.fired == sum(self.begun.values())
        assert row.failures == 0 or self.keeper.over

    def _check_wake(self, turn: Turn) -> None:
        """Whatever is due, or will be, wakes the loop."""
        row, open_ = self.row_now, self.keeper.open()
        if row.status not in (ScheduleStatus.ACTIVE, ScheduleStatus.ENDED):
            return
        program = done(self.program(row))
        due: list[tuple[str, int]] = []
        over = program.document.runs is not None and row.runs >= program.document.runs
        if row.status == ScheduleStatus.ACTIVE and not over:
            tick = program.calendar.next(Cursor(after_us=row.cursor_us, local=row.cursor_local))
            assert (row.next_at_us, row.fire_at_us) == ((tick.at_us, tick.fire_at_us) if tick else (None, None))
            due += [("the next tick", tick.fire_at_us)] if tick is not None else []
        if open_.queued:
            first = open_.queued[0]
            policy = program.document.overlap if first.overlap is None else overlap_of(first.overlap)
            due += [("a tick that waits for nothing", self.now_us)] if may_go(policy, turn.running) else []
        if row.success_due_at_us is not None and row.success_due_at_us > self.now_us:
            due.append(("a success", row.success_due_at_us))
        for what, at_us in due:
            assert row.wake_at_us is not None, f"nothing wakes it for {what}"
            assert row.wake_at_us <= max(at_us, self.now_us), f"it wakes too late for {what}"

    def at_rest(self) -> None:
        """People and time leave it alone, and its sagas end: nothing is left to do."""
        self.refuses = False
        backfilled = self.keeper.backfill.found if self.keeper.backfill is not None else 0
        for _ in range(TURNS_MOST + 2 * backfilled):  # one to start a tick, one to note its end
            if self.row_now.status == ScheduleStatus.PAUSED:  # it was before, or for a failure that is noted only now
                done(self.changes.resume("daily", "why", "ada"))
            for tick in self.keeper.open().running:
                if tick.saga_id is not None and tick.saga_id not in self.keeper.over:
                    self.end(tick.saga_id, "COMPLETED")
            if self.is_due:
                self.take_turn()
            elif self.keeper.backfill is not None and self.row_now.status != ScheduleStatus.DELETED:
                job = self.keeper.backfill
                self.keeper.job = replace(job, next_at_us=min(job.next_at_us, self.now_us))
                self.take_turn()
            else:
                break
        row, open_ = self.row_now, self.keeper.open()
        assert not self.is_due, "it never comes to rest"
        assert not open_.queued, "a tick waits for ever"
        if row.status != ScheduleStatus.DELETED:
            assert not open_.running
            assert self.keeper.backfill is None, "a backfill never ends"
        if row.status == ScheduleStatus.ACTIVE:
            assert row.fire_at_us is None or row.fire_at_us > self.now_us, "a tick that is due is not decided"


def instants(program: ScheduleProgram, made: TickRangeRow) -> list[int]:
    """The ticks of a range: all of its calendar from its first to its last."""
    cursor = Cursor(after_us=made.first_us - 1)
    found = [tick.at_us for tick in program.calendar.ticks(cursor, until_us=made.last_us, limit=1_000_000)]
    assert (found[0], found[-1], len(found)) == (made.first_us, made.last_us, made.count)
    return found


def most_at_once(policy: OverlapDocument) -> int:
    return policy.limit if policy.policy == "allow" else 1
