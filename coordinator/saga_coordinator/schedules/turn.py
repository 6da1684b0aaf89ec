"""What one schedule is due: its ticks, its queue, its backfill, its health. Pure.

A turn begins with rows that its transaction has locked, and ends with rows to be written and sagas
to be started. Nothing is read or waited for in between: `starting.py` has what a start needs, made
beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Final, Literal
from uuid import UUID

from saga_coordinator.calendar.tick import Cursor, Tick
from saga_coordinator.engine.state import Phase
from saga_coordinator.schedules.deciding import Decision, Due, Verdict, decide, due, ending, may_go, overlap_of
from saga_coordinator.schedules.document import OverlapDocument, ScheduleDocument
from saga_coordinator.schedules.program import Moment, ScheduleProgram
from saga_coordinator.starts.identities import Identified
from saga_coordinator.starts.preparation import Prepared
from saga_coordinator.starts.requests import StartRefused
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    BackfillStatus,
    EndedTick,
    OpenTicks,
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
AGAIN_US: Final = 2_000_000
"""How soon a tick is looked at again that has others cancelled or terminated."""
_MINUTE_US: Final = 60_000_000
PAUSED_ON_FAILURE: Final = "paused_on_failure"
NO_SUCCESS: Final = "no_success"
START_TROUBLES: Final = frozenset({"input_invalid", "definition_inactive", "definition_unknown", "start_refused"})
"""Attention that ends when a tick fires."""
CALENDAR_INVALID: Final = "calendar_invalid"
NOTE_CHARS: Final = 1_000
COORDINATOR: Final = "coordinator"
"""Who pauses a schedule that fails."""

Prepare = Callable[[Moment], Prepared]
"""Raises StartRefused."""


@record
class Begun:
    """A tick that starts a saga, if its claims are won."""

    tick: TickRow
    start: Prepared
    queued: bool = False
    """It waited before."""
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
    running: list[TickRow]
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
    again: bool = False
    """More is due than one turn does."""

    @classmethod
    def of(
        cls,
        row: ScheduleRow,
        program: ScheduleProgram,
        prepare: Prepare,
        now_us: int,
        open_ticks: OpenTicks,
        backfill: BackfillRow | None,
    ) -> Turn:
        return cls(row, program, prepare, now_us, list(open_ticks.running), list(open_ticks.queued), backfill)

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

    # --- sagas that have ended --------------------------------------------------------------------

    def settle(self, ended: Sequence[EndedTick]) -> None:
        """Note how sagas ended, in the order in which they did."""
        by_instant = {tick.at_us: tick for tick in self.running}
        for one in sorted(ended, key=lambda tick: (tick.closed_at_us or 0, tick.at_us)):
            tick = by_instant.get(one.at_us)
            if tick is None:
                continue
            self.running.remove(tick)
            self._write(replace(tick, phase=one.phase or "unknown", ended_at_us=one.closed_at_us or self.now_us))
            if one.phase == Phase.COMPLETED:
                self._succeeded(one.closed_at_us or self.now_us)
            elif one.phase is not None:
                self._went_wrong(one.phase)

    def _succeeded(self, at_us: int) -> None:
        latest_us = max(at_us, self.row.succeeded_at_us or 0)
        expected_ms = self.document.expect_success_ms
        due_us = None if expected_ms is None else latest_us + expected_ms * 1000
        self.change(failures=0, succeeded_at_us=latest_us, success_due_at_us=due_us)
        self.well(frozenset({NO_SUCCESS}))

    def _went_wrong(self, phase: str) -> None:
        self.change(failures=self.row.failures + 1)
        most = self.document.pause_after_failures
        if most is None or self.row.failures < most or self.row.status != ScheduleStatus.ACTIVE:
            return
        why = f"{self.row.failures} sagas in a row did not complete; the last ended {phase}"
        self.change(status=ScheduleStatus.PAUSED, paused_at_us=self.now_us, paused_by=COORDINATOR, paused_why=why)
        self.trouble(PAUSED_ON_FAILURE, why)

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
        self._success_overdue()

    def _release(self) -> None:
        """Ticks that wait, oldest first."""
        while self.queued and self._room and may_go(self._overlap_of(self.queued[0]), self.running):
            self._fire(self.queued.pop(0), queued=True)

    @property
    def _room(self) -> bool:
        if len(self.begun) >= STARTS_MOST:
            self.again = True
        return len(self.begun) < STARTS_MOST

    def _calendar(self) -> None:
        cursor = self._cursor
        ticks = self.program.calendar.ticks(cursor, until_us=self.now_us, limit=DUE_MOST)
        ready = list(takewhile(lambda tick: tick.fire_at_us <= self.now_us, ticks))  # in order, whatever their jitter
        more = len(ready) == DUE_MOST
        self.again |= more
        for one in due(ready, self.document.missed, self.now_us, more=more):
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
        self.decide(tick, before_us)
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

    def _overlap_of(self, tick: TickRow) -> OverlapDocument:
        return self.document.overlap if tick.overlap is None else overlap_of(tick.overlap)

    def decide(self, tick: TickRow, before_us: int | None) -> Verdict:
        """Decide about a tick that is due, by its overlap policy.

        `before_us`: the tick of the calendar right before it; None: it is on record by itself, even
        if it does not start.
        """
        decision = decide(self._overlap_of(tick), self.running, self.queued)
        match decision.verdict:
            case Verdict.FIRE:
                self._fire(tick)
            case Verdict.QUEUE:
                if decision.supersedes:
                    self._supersede(tick)
                self._queue(tick, decision)
            case Verdict.SKIP:
                self.change(skipped=self.row.skipped + 1)
                self._pass(tick, TickOutcome.SKIPPED, decision, before_us)
        return decision.verdict

    def trigger(self, overlap: str | None) -> TickRow:
        """A tick of now, that a person asks for."""
        at_us = self.now_us + (self.now_us % 1_000_000 == 0)  # whole seconds are the calendar's
        tick = self._tick(at_us, TickSource.TRIGGER, overlap)
        self.decide(tick, None)
        return self.ticks[at_us]

    def drop_queue(self, reason: str, note: str) -> None:
        """Ticks that wait are skipped."""
        for waiting in self.queued:
            self._write(replace(waiting, outcome=TickOutcome.SKIPPED, reason=reason, note=note, decided_at_us=self.now_us))
        self.change(skipped=self.row.skipped + len(self.queued))
        self.queued.clear()

    def _supersede(self, tick: TickRow) -> None:
        self.drop_queue("superseded", "a later tick took its place")

    def _queue(self, tick: TickRow, decision: Decision) -> None:
        waiting = replace(tick, outcome=TickOutcome.QUEUED, reason=decision.reason, note=decision.note, saga_id=decision.saga_id)
        self.queued.append(waiting)
        self._write(waiting)
        self.change(queued=self.row.queued + 1)

    def _pass(self, tick: TickRow, outcome: TickOutcome, decision: Decision, before_us: int | None) -> None:
        """A tick that does not start: alone, or one of a range."""
        assert decision.reason is not None, "who does not start has a reason"
        if before_us is None:
            self._write(replace(tick, outcome=outcome, reason=decision.reason, note=decision.note, saga_id=decision.saga_id))
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

    def _write(self, tick: TickRow) -> None:
        self.ticks[tick.at_us] = tick

    # --- starting ---------------------------------------------------------------------------------

    def _fire(self, tick: TickRow, *, queued: bool = False, backfill: bool = False) -> bool:
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
        self._write(fired)
        self.running.append(fired)
        self.begun.append(Begun(tick=fired, start=start, queued=queued, backfill=backfill))
        self.change(fired=self.row.fired + 1, previous_us=max(tick.at_us, self.row.previous_us or 0))
        self.well(START_TROUBLES)
        return True

    def _failed(self, tick: TickRow, refused: StartRefused) -> None:
        reason = refused.code if refused.code in START_TROUBLES else "start_refused"
        self._write(replace(tick, outcome=TickOutcome.FAILED, reason=reason, note=refused.detail[:NOTE_CHARS], saga_id=None))
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
        self.running[self.running.index(begun.tick)] = tick
        self._write(tick)
        return tick

    def lost(self, begun: Begun, saga_id: UUID, *, by_key: bool) -> None:
        """Another saga has its place: of the same tick, which ran already, or of the same key."""
        if by_key:
            note = "a saga of the same business key is there"
            tick = replace(
                begun.tick, outcome=TickOutcome.SKIPPED, reason="key_held", note=note, saga_id=saga_id, fired_at_us=None
            )
            self.running.remove(begun.tick)
            self.change(fired=self.row.fired - 1, skipped=self.row.skipped + 1)
            self._write(tick)
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

    # --- the end of the turn ----------------------------------------------------------------------

    def _success_overdue(self) -> None:
        due_us = self.row.success_due_at_us
        if due_us is None or due_us > self.now_us or self.row.attention is not None:
            return
        self.trouble(NO_SUCCESS, "no saga of the schedule has completed for as long as it expects")

    def finish(self) -> None:
        """Set when the loop looks again."""
        if self.queued and self.row.status != ScheduleStatus.PAUSED:
            how = ending(self._overlap_of(self.queued[0]))
            if how is not None:
                at_us = self.queued[0].at_us
                self.endings = [Ending(saga_id=tick.saga_id, how=how, at_us=at_us) for tick in self.running if tick.saga_id]
        self.change(wake_at_us=self._wake_at_us())

    @property
    def _released(self) -> bool:
        """A tick waits for nothing any more.

        What was in its way was noted as ended in an act's turn, or has lost its place."""
        return bool(self.queued) and may_go(self._overlap_of(self.queued[0]), self.running)

    def _wake_at_us(self) -> int | None:
        row = self.row
        if row.status == ScheduleStatus.DELETED:
            return None
        times = [row.success_due_at_us] if row.success_due_at_us is not None and row.success_due_at_us > self.now_us else []
        goes_on = row.status in (ScheduleStatus.ACTIVE, ScheduleStatus.ENDED)
        if goes_on and (self.again or self._released):
            return self.now_us
        if row.status == ScheduleStatus.ACTIVE and row.fire_at_us is not None:
            times.append(row.fire_at_us)
        if goes_on and self.endings:
            times.append(self.now_us + AGAIN_US)
        if goes_on and self.backfill is not None and self.backfill.status == BackfillStatus.RUNNING:
            waits = decide(overlap_of(self.backfill.overlap), self.running, self.queued).verdict is Verdict.QUEUE
            times += [] if waits else [self.backfill.next_at_us]
        return min(times, default=None)


def _continues(last: TickRangeRow, made: TickRangeRow, before_us: int) -> bool:
    same = (last.outcome, last.reason, last.saga_id) == (made.outcome, made.reason, made.saga_id)
    return same and last.last_us == before_us


def troubled(row: ScheduleRow, code: str, note: str, now_us: int) -> ScheduleRow:
    """The schedule with a reason why a person must look: the newest, since it first stood there."""
    since_us = row.attention_since_us if row.attention == code else now_us
    return replace(row, attention=code, attention_note=note[:NOTE_CHARS], attention_since_us=since_us)
