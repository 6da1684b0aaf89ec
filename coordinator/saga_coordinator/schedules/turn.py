"""What one schedule is due: its ticks, its queue, its backfill, its health. Pure.

A turn begins with rows that its transaction has locked, and ends with rows to be written and sagas
to be started. Nothing is read or waited for in between: `starting.py` has what a start needs, made
beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Final, Literal
from uuid import UUID

from saga_coordinator.calendar.tick import Cursor, Tick
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.attention import CALENDAR_INVALID, NOTE_CHARS, START_REFUSED, START_TROUBLES, troubled
from saga_coordinator.schedules.deciding import Decision, Due, Verdict, decide, due, may_go, overlap_of
from saga_coordinator.schedules.document import OverlapDocument, ScheduleDocument
from saga_coordinator.schedules.program import Moment, ScheduleProgram
from saga_coordinator.starts.identities import Identified
from saga_coordinator.starts.preparation import Prepared
from saga_coordinator.starts.requests import StartRefused
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.schedule_records import (
    AtTurn,
    BackfillRow,
    BackfillStatus,
    ScheduleRow,
    ScheduleStatus,
    TickOutcome,
    TickRangeRow,
    TickRow,
    TickSource,
)
from saga_schemas.record_class import record

DUE_MOST: Final = 1_000
"""Ticks of one schedule that one turn looks at; the others are looked at right after."""
STARTS_MOST: Final = 10
"""Sagas of one schedule that one turn starts."""
_INSTANTS: Final = 20
_MINUTE_US: Final = 60_000_000

Prepare = Callable[[Moment], Prepared]
"""Raises StartRefused."""


@record
class Begun:
    """A tick that starts a saga, if its claims are won."""

    tick: TickRow
    start: Prepared
    backfill: bool = False


@record
class Ending:
    """A saga that a tick wants to be ended."""

    saga_id: UUID
    how: Literal["cancel", "terminate"]
    at_us: int
    """The tick."""


@dataclass(slots=True)
class Turn:
    """One schedule's turn."""

    row: ScheduleRow
    program: ScheduleProgram
    prepare: Prepare
    now_us: int
    running: list[UUID]
    """Sagas of the schedule that are open, that of the oldest tick first."""
    queued: list[TickRow]
    backfill: BackfillRow | None
    known: dict[int, TickRow] = field(default_factory=dict)
    """Ticks on record, among those that the backfill comes to next."""
    ticks: dict[int, TickRow] = field(default_factory=dict)
    """Ticks to write, by instant."""
    ranges: list[tuple[TickRangeRow, int | None]] = field(default_factory=list)
    """Ranges to write, each with the tick that was decided right before it."""
    begun: list[Begun] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    starts_most: int = STARTS_MOST
    """Sagas that it may start; the other ticks are looked at right after."""
    late_us: list[int] = field(default_factory=list)
    """How long after they were due ticks of the calendar fired."""
    again: bool = False
    """More is due than one turn does."""

    @classmethod
    def of(
        cls,
        row: ScheduleRow,
        program: ScheduleProgram,
        prepare: Prepare,
        now_us: int,
        found: AtTurn,
    ) -> Turn:
        return cls(row, program, prepare, now_us, list(found.running), list(found.queued), found.backfill)

    def backfill_next_us(self) -> list[int]:
        """The ticks that the backfill comes to in this turn."""
        job = self.backfill
        if job is None or job.next_at_us > self.now_us:
            return []
        return [tick.at_us for tick in self._backfill_ticks(job)]

    def _backfill_ticks(self, job: BackfillRow) -> list[Tick]:
        """The next one; those that are not on record any more may have run."""
        cursor = Cursor(after_us=max(job.place_us, self.row.ticks_from_us - 1))
        return self.program.calendar.ticks(cursor, until_us=job.until_us, limit=1)

    @property
    def document(self) -> ScheduleDocument:
        return self.program.document

    def change(self, **changes: object) -> None:
        self.row = replace(self.row, **changes)  # type: ignore[arg-type]

    # --- attention --------------------------------------------------------------------------------

    def trouble(self, code: str, note: str) -> None:
        """A person must look."""
        self.row = troubled(self.row, code, note, self.now_us)

    def well(self, codes: frozenset[str]) -> None:
        """One of these reasons is over."""
        if self.row.attention in codes:
            self.change(attention=None, attention_note=None, attention_since_us=None)

    # --- ticks ------------------------------------------------------------------------------------

    def run(self) -> None:
        """All that is due of a schedule that may go on."""
        self.well(frozenset({CALENDAR_INVALID}))
        if self.row.status in (ScheduleStatus.ACTIVE, ScheduleStatus.ENDED):
            self._release()
            if self.row.status == ScheduleStatus.ACTIVE:
                self._calendar()
            self._backfill()

    def _release(self) -> None:
        """Ticks that wait, oldest first."""
        while self.queued and self._room and may_go(self.overlap_of(self.queued[0]), self.running):
            self._fire(self.queued.pop(0))

    @property
    def _room(self) -> bool:
        self.again |= len(self.begun) >= self.starts_most
        return len(self.begun) < self.starts_most

    def _calendar(self) -> None:
        cursor = self._cursor
        ticks = self.program.calendar.ticks(cursor, until_us=self.now_us, limit=DUE_MOST + 1)
        ready = list(takewhile(lambda tick: tick.fire_at_us <= self.now_us, ticks))  # in order, whatever their jitter
        following = ready[DUE_MOST] if len(ready) > DUE_MOST else None
        self.again |= following is not None
        for one in due(ready[:DUE_MOST], self.document.missed, self.now_us, following=following):
            if not self._room or self.is_over:
                break
            before_us = cursor.after_us
            cursor = cursor.moved_to(one.tick)
            self._decide_due(one, before_us)
        self.change(cursor_us=cursor.after_us, cursor_local=cursor.local)
        self.next()

    @property
    def is_over(self) -> bool:
        """As many ticks of the calendar have fired as its document allows."""
        return self.document.runs is not None and self.row.runs >= self.document.runs

    def next(self) -> None:
        """Set the next tick; a schedule without one has ended."""
        tick = None if self.is_over else self.program.calendar.next(self._cursor)
        if tick is not None:
            self.change(next_at_us=tick.at_us, fire_at_us=tick.fire_at_us)
            return
        over = self.row.status == ScheduleStatus.ACTIVE
        self.change(next_at_us=None, fire_at_us=None, status=ScheduleStatus.ENDED if over else self.row.status)

    @property
    def _cursor(self) -> Cursor:
        return Cursor(after_us=self.row.cursor_us, local=self.row.cursor_local)

    def _decide_due(self, one: Due, before_us: int) -> None:
        tick = self._tick(one.tick.at_us, TickSource.CALENDAR)
        if one.missed:
            self.change(missed=self.row.missed + 1)
            self._pass(tick, TickOutcome.MISSED, Decision(verdict=Verdict.SKIP, reason="missed"), before_us)
            return
        ran = self.row.fired + self.row.queued
        if self.decide(tick, before_us) is Verdict.FIRE:
            self.late_us.append(self.now_us - one.tick.fire_at_us)
        if self.row.fired + self.row.queued > ran:
            self.change(runs=self.row.runs + 1)

    def _tick(self, at_us: int, source: TickSource, overlap: str | None = None) -> TickRow:
        return TickRow(
            schedule_id=self.row.id,
            at_us=at_us,
            source=source,
            outcome=TickOutcome.SKIPPED,
            version=self.row.version,
            overlap=overlap,
            decided_at_us=self.now_us,
        )

    def overlap_of(self, tick: TickRow) -> OverlapDocument:
        return self.document.overlap if tick.overlap is None else overlap_of(tick.overlap)

    def decide(self, tick: TickRow, before_us: int | None) -> Verdict:
        """Decide about a tick that is due, by its overlap policy.

        `before_us`: the tick of the calendar right before it; None: it is on record by itself, even
        if it does not start.
        """
        decision = decide(self.overlap_of(tick), self.running, self.queued)
        match decision.verdict:
            case Verdict.FIRE:
                self._fire(tick)
            case Verdict.QUEUE:
                if decision.supersedes:
                    self.drop_queue("superseded", "a later tick took its place")
                self._queue(tick, decision)
            case Verdict.SKIP:
                self.change(skipped=self.row.skipped + 1)
                self._pass(tick, TickOutcome.SKIPPED, decision, before_us)
        return decision.verdict

    def trigger(self, overlap: str | None, taken: Collection[int] = ()) -> TickRow:
        """A tick of now, that a person asks for. `taken`: instants of `trigger_instants` that have
        a tick already. Raises Refused (schedule_busy).
        """
        at_us = next((at_us for at_us in trigger_instants(self.now_us) if at_us not in taken), None)
        if at_us is None:
            raise Refused("schedule_busy", "it was triggered too often within a few milliseconds: try again")
        tick = self._tick(at_us, TickSource.TRIGGER, overlap)
        self.decide(tick, None)
        return self.ticks[at_us]

    def drop_queue(self, reason: str, note: str) -> None:
        """Ticks that wait are skipped."""
        for waiting in self.queued:
            self.write(replace(waiting, outcome=TickOutcome.SKIPPED, reason=reason, note=note, decided_at_us=self.now_us))
        self.change(skipped=self.row.skipped + len(self.queued))
        self.queued.clear()

    def _queue(self, tick: TickRow, decision: Decision) -> None:
        waiting = replace(tick, outcome=TickOutcome.QUEUED, reason=decision.reason, note=decision.note, saga_id=decision.saga_id)
        self.queued.append(waiting)
        self.write(waiting)
        self.change(queued=self.row.queued + 1)

    def _pass(self, tick: TickRow, outcome: TickOutcome, decision: Decision, before_us: int | None) -> None:
        """A tick that does not start: alone, or one of a range."""
        assert decision.reason is not None, "who does not start has a reason"
        if before_us is None:
            self.write(replace(tick, outcome=outcome, reason=decision.reason, note=decision.note, saga_id=decision.saga_id))
            return
        made = TickRangeRow(
            schedule_id=self.row.id,
            first_us=tick.at_us,
            last_us=tick.at_us,
            count=1,
            outcome=outcome,
            reason=decision.reason,
            note=decision.note,
            saga_id=decision.saga_id,
            decided_at_us=self.now_us,
        )
        if self.ranges and _continues(self.ranges[-1][0], made, before_us):
            last, follows_us = self.ranges[-1]
            self.ranges[-1] = (replace(last, last_us=made.last_us, count=last.count + 1), follows_us)
        else:
            self.ranges.append((made, before_us))

    def write(self, tick: TickRow) -> None:
        self.ticks[tick.at_us] = tick

    # --- starting ---------------------------------------------------------------------------------

    def _fire(self, tick: TickRow, *, backfill: bool = False) -> bool:
        """Let a saga start. False: it cannot, and a person is told."""
        previous_us = self.row.previous_us
        before_us = previous_us if previous_us is not None and previous_us < tick.at_us else None
        moment = Moment(name=self.row.name, at_us=tick.at_us, previous_us=before_us)
        try:
            start = self.prepare(moment)
        except StartRefused as refused:
            self._failed(tick, refused)
            return False
        fired = replace(
            tick,
            outcome=TickOutcome.FIRED,
            reason=None,
            note=None,
            saga_id=start.claim.saga_id,
            version=self.row.version,
            fired_at_us=self.now_us,
        )
        self.write(fired)
        self.running.append(start.claim.saga_id)
        self.begun.append(Begun(tick=fired, start=start, backfill=backfill))
        self.change(fired=self.row.fired + 1, previous_us=max(tick.at_us, self.row.previous_us or 0))
        self.well(START_TROUBLES)
        return True

    def _failed(self, tick: TickRow, refused: StartRefused) -> None:
        reason = refused.code if refused.code in START_TROUBLES else START_REFUSED
        self.write(replace(tick, outcome=TickOutcome.FAILED, reason=reason, note=refused.detail[:NOTE_CHARS], saga_id=None))
        self.change(failed=self.row.failed + 1)
        self.trouble(reason, refused.detail)

    def identify(self, place: int, known: Identified) -> None:
        """Give a start that was begun the id that it may have."""
        begun = self.begun[place]
        if known.adopted is not None:
            self._rename(begun, known.adopted)
        elif known.identity is None:
            start = begun.start.with_id(new_id(self.now_us))
            self.begun[place] = replace(begun, start=start, tick=self._rename(begun, start.claim.saga_id))
        elif known.identity.recovered:
            self.begun[place] = replace(begun, start=replace(begun.start, recovered=True))

    def _rename(self, begun: Begun, saga_id: UUID) -> TickRow:
        tick = replace(begun.tick, saga_id=saga_id)
        self.running[self.running.index(begun.start.claim.saga_id)] = saga_id
        self.write(tick)
        return tick

    def lost(self, begun: Begun, saga_id: UUID, *, by_key: bool) -> None:
        """Another saga has its place: of the same tick, which ran already, or of the same key."""
        if by_key:
            note = "a saga of the same business key is there"
            tick = replace(
                begun.tick, outcome=TickOutcome.SKIPPED, reason="key_held", note=note, saga_id=saga_id, fired_at_us=None
            )
            self.running.remove(begun.start.claim.saga_id)
            self.change(fired=self.row.fired - 1, skipped=self.row.skipped + 1)
            if begun.backfill and self.backfill is not None:
                job = self.backfill
                self.backfill = replace(job, fired=job.fired - 1, skipped=job.skipped + 1)
            self.write(tick)
        else:
            self._rename(begun, saga_id)

    # --- backfill ---------------------------------------------------------------------------------

    def _backfill(self) -> None:
        """At most one tick of the backfill, at its pace."""
        job = self.backfill
        if job is None or job.next_at_us > self.now_us or not self._room:
            return
        found = self._backfill_ticks(job)
        if not found:
            self.backfill = replace(job, status=BackfillStatus.DONE, ended_at_us=self.now_us)
            return
        self._backfill_tick(job, found[0])

    def _backfill_tick(self, job: BackfillRow, tick: Tick) -> None:
        decision = decide(overlap_of(job.overlap), self.running, self.queued)
        if decision.verdict is Verdict.QUEUE:
            return  # it goes on when a saga has ended
        moved = replace(
            job, place_us=tick.at_us, next_at_us=max(job.next_at_us, self.now_us - _MINUTE_US) + _MINUTE_US // job.per_minute
        )
        known = self.known.get(tick.at_us)
        if known is not None and known.outcome in (TickOutcome.FIRED, TickOutcome.QUEUED):
            self.backfill = replace(moved, known=job.known + 1, next_at_us=job.next_at_us)
        elif decision.verdict is Verdict.SKIP:
            self._pass(self._tick(tick.at_us, TickSource.BACKFILL), TickOutcome.SKIPPED, decision, None)
            self.change(skipped=self.row.skipped + 1)
            self.backfill = replace(moved, skipped=job.skipped + 1)
        elif self._fire(self._tick(tick.at_us, TickSource.BACKFILL), backfill=True):
            self.backfill = replace(moved, fired=job.fired + 1)
        else:
            self.backfill = replace(moved, failed=job.failed + 1)
        self.again |= self.backfill is not None and self.backfill.next_at_us <= self.now_us


def trigger_instants(now_us: int) -> list[int]:
    """Instants for a tick of now: whole milliseconds, as messages tell times, and no whole seconds,
    which are the calendar's.
    """
    first_ms = now_us // 1000
    return [ms * 1000 for ms in range(first_ms, first_ms + _INSTANTS) if ms % 1000]


def _continues(last: TickRangeRow, made: TickRangeRow, before_us: int) -> bool:
    same = (last.outcome, last.reason, last.saga_id) == (made.outcome, made.reason, made.saga_id)
    return same and last.last_us == before_us
