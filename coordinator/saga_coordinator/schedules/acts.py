"""What people do with schedules. Each act is one transaction, audited with who and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID

from saga_coordinator.batch.plan import Batch
from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.calendar.tick import Cursor
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.attention import PAUSED_ON_FAILURE
from saga_coordinator.schedules.checking import Checking
from saga_coordinator.schedules.deciding import overlap_of, overlap_text
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.program import ScheduleProgram
from saga_coordinator.schedules.turn import Turn, trigger_instants
from saga_coordinator.schedules.turns import Turns
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import Store, Transaction
from saga_coordinator.store.schedule_records import (
    AtTurn,
    BackfillRow,
    BackfillStatus,
    DayCalendarRow,
    ScheduleRow,
    ScheduleStatus,
    ScheduleVersionRow,
    TickOutcome,
    TickRangeRow,
    TickRow,
)

SCHEDULES_MOST: Final = 20_000
"""Of one tenant, the deleted ones apart."""
BACKFILL_MOST: Final = 10_000
"""Ticks of one backfill."""
RATE_MOST: Final = 6_000
"""Ticks of a backfill a minute."""
UNDECIDED_MOST: Final = 10_000
"""Ticks that an update or a deletion puts on record as skipped."""


class ScheduleChanges:
    """Changes schedules of one tenant."""

    def __init__(self, store: Store, turns: Turns, checking: Checking, tenant: str, stir: Callable[[], None]) -> None:
        """`stir` is called after each act: the loop of this instance need not wait until it looks
        again."""
        self._store = store
        self._turns = turns
        self._checking = checking
        self._tenant = tenant
        self._stir = stir

    # --- a schedule's document --------------------------------------------------------------------

    async def create(self, document: ScheduleDocument, reason: str, actor: str) -> ScheduleRow:
        """Raises Refused (schedule_exists, schedules_full, schedule_invalid), StoreError."""
        program = await self._checking.checked(document)
        before = await self._store.schedule(self._tenant, document.schedule)
        if before is not None and before.status == ScheduleStatus.DELETED:
            return await self._taken_up(document, program, reason, actor)
        async with self._store.transaction() as tx:
            row = begun_row(self._tenant, program, tx.now_us)
            if not await tx.add_schedule(row, SCHEDULES_MOST):
                await self._refuse_creation(document.schedule)
            await tx.add_schedule_version(_version(row, reason, actor, tx.now_us))
            await self._audit(tx, "schedule create", row.name, reason, actor)
        self._stir()
        return row

    async def _refuse_creation(self, name: str) -> None:
        if await self._store.schedule(self._tenant, name) is not None:
            raise _exists(name)
        raise Refused("schedules_full", f"a tenant has at most {SCHEDULES_MOST} schedules: delete some")

    async def _taken_up(self, document: ScheduleDocument, program: ScheduleProgram, reason: str, actor: str) -> ScheduleRow:
        """A schedule of a name that was deleted: its ticks go on from now."""

        async def change(batch: Batch, turn: Turn) -> None:
            if turn.row.status != ScheduleStatus.DELETED:
                raise _exists(turn.row.name)
            turn.change(failures=0, runs=0, attention=None, attention_note=None, attention_since_us=None)
            await self._replace(batch.tx, turn, program, reason, actor, "schedule create")
            turn.change(success_due_at_us=_success_due_at_us(document, None, batch.tx.now_us))

        return await self._change(document.schedule, change, deleted=True)

    async def update(self, document: ScheduleDocument, reason: str, actor: str, *, version: int | None) -> ScheduleRow:
        """Raises Refused (schedule_unknown, schedule_moved, schedule_invalid), StoreError."""
        program = await self._checking.checked(document)

        async def change(batch: Batch, turn: Turn) -> None:
            if version not in (None, turn.row.version):
                message = f"it is at version {turn.row.version} by now: look at what changed, and update that"
                raise Refused("schedule_moved", message)
            if turn.row.document != document.canonical:
                await self._replace(batch.tx, turn, program, reason, actor, "schedule update")

        return await self._change(document.schedule, change)

    async def _replace(self, tx: Transaction, turn: Turn, program: ScheduleProgram, reason: str, actor: str, act: str) -> None:
        """The next version. What has run stays as it is; what the old calendar had not decided by
        now is on record as skipped."""
        before, document, now_us = turn.row, program.document, tx.now_us
        calendar_changed = before.status == ScheduleStatus.DELETED or document.calendar != turn.document.calendar
        if calendar_changed:
            _note_undecided(turn, "updated", "the schedule was updated before they were decided")
        paused = before.status == ScheduleStatus.PAUSED
        turn.program = program
        turn.change(
            version=before.version + 1,
            document=document.canonical,
            status=ScheduleStatus.PAUSED if paused else ScheduleStatus.ACTIVE,
            uses_calendars=bool(document.calendar.exclude.calendars),
            changed_at_us=now_us,
            success_due_at_us=_success_due_at_us(document, turn.row.succeeded_at_us, now_us),
        )
        if calendar_changed or before.status == ScheduleStatus.ENDED:  # that asked for no ticks since its end
            turn.change(cursor_us=max(before.cursor_us, now_us), cursor_local=None)
        turn.next()
        await tx.add_schedule_version(_version(turn.row, reason, actor, now_us))
        await self._audit(tx, act, before.name, reason, actor)

    async def delete(self, name: str, reason: str, actor: str) -> ScheduleRow:
        """Raises Refused (schedule_unknown), StoreError."""

        async def change(batch: Batch, turn: Turn) -> None:
            turn.drop_queue("deleted", "the schedule was deleted")
            _note_undecided(turn, "deleted", "the schedule was deleted before they were decided")
            if turn.backfill is not None:
                turn.backfill = stopped(turn.backfill, batch.tx.now_us, reason, actor)
            turn.change(
                status=ScheduleStatus.DELETED,
                changed_at_us=batch.tx.now_us,
                next_at_us=None,
                fire_at_us=None,
                success_due_at_us=None,
                attention=None,
                attention_note=None,
                attention_since_us=None,
                paused_at_us=None,
                paused_by=None,
                paused_why=None,
            )
            await self._audit(batch.tx, "schedule delete", name, reason, actor)

        return await self._change(name, change)

    # --- pauses -----------------------------------------------------------------------------------

    async def pause(self, name: str, reason: str, actor: str) -> ScheduleRow:
        """Raises Refused (schedule_unknown, schedule_ended), StoreError."""

        async def change(batch: Batch, turn: Turn) -> None:
            if turn.row.status == ScheduleStatus.ENDED:
                raise Refused("schedule_ended", "it has ended: there is nothing to pause")
            if turn.row.status == ScheduleStatus.ACTIVE:
                turn.change(status=ScheduleStatus.PAUSED, paused_at_us=batch.tx.now_us, paused_by=actor, paused_why=reason)
                await self._audit(batch.tx, "schedule pause", name, reason, actor)

        return await self._change(name, change)

    async def resume(self, name: str, reason: str, actor: str) -> ScheduleRow:
        """Raises Refused (schedule_unknown, not_paused), StoreError."""

        async def change(batch: Batch, turn: Turn) -> None:
            if turn.row.status != ScheduleStatus.PAUSED:
                raise Refused("not_paused", "the schedule is not paused")
            turn.change(status=ScheduleStatus.ACTIVE, paused_at_us=None, paused_by=None, paused_why=None, failures=0)
            turn.well(frozenset({PAUSED_ON_FAILURE}))
            turn.next()
            turn.again = True
            await self._audit(batch.tx, "schedule resume", name, reason, actor)

        return await self._change(name, change, ticks=True)

    # --- ticks that people ask for ----------------------------------------------------------------

    async def trigger(self, name: str, reason: str, actor: str, *, overlap: str | None) -> TickRow:
        """Raises Refused (schedule_unknown, overlap_unknown, schedule_busy), StoreError."""
        own = None if overlap is None else overlap_text(overlap_of(overlap))

        async def change(batch: Batch, turn: Turn) -> int:
            taken = await batch.tx.ticks_at(turn.row.id, trigger_instants(batch.tx.now_us))
            tick = turn.trigger(own, taken)
            await self._audit(batch.tx, "schedule trigger", name, reason, actor)
            return tick.at_us

        at_us, turn = await self._turns.act(name, change)
        self._stir()
        return turn.ticks[at_us]

    async def count(self, name: str, from_us: int, until_us: int) -> int:
        """How many ticks a backfill would come to.

        Raises Refused (schedule_unknown, backfill_refused), StoreError.
        """
        row = await self._checking.row(name)
        return _counted(row, await self._checking.program(row), from_us, until_us)

    async def backfill(
        self, name: str, reason: str, actor: str, *, from_us: int, until_us: int, overlap: str, per_minute: int
    ) -> BackfillRow:
        """Raises Refused (schedule_unknown, backfill_refused, backfill_running, overlap_unknown),
        StoreError."""
        own = overlap_text(overlap_of(overlap))
        if not 1 <= per_minute <= RATE_MOST:
            raise Refused("backfill_refused", f"a backfill starts 1 to {RATE_MOST} ticks a minute")

        async def change(batch: Batch, turn: Turn) -> BackfillRow:
            found = _counted(turn.row, turn.program, from_us, until_us)
            now_us = batch.tx.now_us
            made = BackfillRow(
                id=new_id(now_us),
                tenant=self._tenant,
                schedule_id=turn.row.id,
                from_us=from_us,
                until_us=until_us,
                place_us=from_us - 1,
                overlap=own,
                per_minute=per_minute,
                next_at_us=now_us,
                found=found,
                who=actor,
                why=reason,
                created_at_us=now_us,
            )
            if turn.backfill is not None or not await batch.tx.add_backfill(made):
                raise Refused("backfill_running", "a backfill of this schedule runs: wait for it, or stop it")
            turn.backfill = made
            await self._audit(batch.tx, "schedule backfill", f"{name}: {found} ticks", reason, actor)
            return made

        made, _ = await self._turns.act(name, change)
        self._stir()
        return made

    async def stop_backfill(self, id: UUID, reason: str, actor: str) -> BackfillRow:
        """Raises Refused (backfill_unknown, backfill_over), StoreError."""
        job = await self._store.backfill(self._tenant, id)
        if job is None:
            raise Refused("backfill_unknown", "there is no such backfill: `saga schedule backfills NAME` shows them")
        async with self._store.transaction() as tx:
            await tx.lock_schedules([job.schedule_id])
            running = (await tx.at_turn([job.schedule_id])).get(job.schedule_id, AtTurn()).backfill
            if running is None or running.id != id:
                raise Refused("backfill_over", "the backfill has ended already")
            over = stopped(running, tx.now_us, reason, actor)
            await tx.put_backfill(over)
            await self._audit(tx, "schedule stop-backfill", str(id), reason, actor)
        return over

    # --- calendars of days ------------------------------------------------------------------------

    async def put_days(self, document: DayCalendarDocument, reason: str, actor: str) -> DayCalendarRow:
        """Raises Refused (schedule_invalid), StoreError."""
        await self._checking.check_days(document)
        known = {row.name: row for row in await self._store.day_calendars(self._tenant)}.get(document.calendar)
        if known is not None and known.document == document.canonical:
            return known
        async with self._store.transaction() as tx:
            row = DayCalendarRow(
                tenant=self._tenant,
                name=document.calendar,
                version=1 if known is None else known.version + 1,
                document=document.canonical,
                who=actor,
                why=reason,
                at_us=tx.now_us,
            )
            if not await tx.put_day_calendar(row):
                raise Refused("schedule_moved", "somebody else changed it a moment ago: look at it, and change that")
            await tx.wake_schedules(self._tenant, uses_calendars=True)
            await self._audit(tx, "schedule calendar put", row.name, reason, actor)
        self._stir()
        return row

    async def delete_days(self, name: str, reason: str, actor: str) -> None:
        """Raises Refused (calendar_unknown, calendar_used), StoreError."""
        users = await self._checking.users_of(name)
        if users:
            raise Refused("calendar_used", f"schedule {users[0]} excludes its days: update that first")
        async with self._store.transaction() as tx:
            if not await tx.delete_day_calendar(self._tenant, name):
                raise Refused("calendar_unknown", f"there is no calendar {name}: `saga schedule calendar list` shows them")
            await self._audit(tx, "schedule calendar delete", name, reason, actor)

    # --- what all acts do -------------------------------------------------------------------------

    async def _change(
        self, name: str, change: Callable[[Batch, Turn], object], *, deleted: bool = False, ticks: bool = False
    ) -> ScheduleRow:
        _, turn = await self._turns.act(name, change, deleted=deleted, ticks=ticks)  # type: ignore[arg-type]
        self._stir()
        return turn.row

    async def _audit(self, tx: Transaction, act: str, target: str, reason: str, actor: str) -> None:
        await tx.add_audit(tenant=self._tenant, act=act, target=target, who=actor, why=reason, at_us=tx.now_us)


def _exists(name: str) -> Refused:
    return Refused("schedule_exists", f"there is a schedule {name} already: `saga schedule update` changes it")


def stopped(job: BackfillRow, now_us: int, reason: str, actor: str) -> BackfillRow:
    """The backfill, after somebody has stopped it."""
    return replace(job, status=BackfillStatus.STOPPED, ended_at_us=now_us, stopped_by=actor, stopped_why=reason)


def begun_row(tenant: str, program: ScheduleProgram, now_us: int) -> ScheduleRow:
    """A new schedule: its first tick is the first after now."""
    document = program.document
    tick = program.calendar.next(Cursor(after_us=now_us))
    due_us = _success_due_at_us(document, None, now_us)
    fire_at_us = None if tick is None else tick.fire_at_us
    return ScheduleRow(
        id=new_id(now_us),
        tenant=tenant,
        name=document.schedule,
        version=1,
        document=document.canonical,
        status=ScheduleStatus.ACTIVE if tick is not None else ScheduleStatus.ENDED,
        cursor_us=now_us,
        cursor_local=None,
        next_at_us=None if tick is None else tick.at_us,
        fire_at_us=fire_at_us,
        wake_at_us=min((one for one in (fire_at_us, due_us) if one is not None), default=None),
        uses_calendars=bool(document.calendar.exclude.calendars),
        success_due_at_us=due_us,
        created_at_us=now_us,
        changed_at_us=now_us,
    )


def _success_due_at_us(document: ScheduleDocument, succeeded_at_us: int | None, now_us: int) -> int | None:
    """By the last success; where there was none, from now."""
    if document.expect_success_ms is None:
        return None
    return (succeeded_at_us if succeeded_at_us is not None else now_us) + document.expect_success_ms * 1000


def _version(row: ScheduleRow, reason: str, actor: str, now_us: int) -> ScheduleVersionRow:
    return ScheduleVersionRow(schedule_id=row.id, version=row.version, document=row.document, who=actor, why=reason, at_us=now_us)


def _note_undecided(turn: Turn, reason: str, note: str) -> None:
    """Skip ticks of the calendar up to now that nobody has decided, and nobody will."""
    row = turn.row
    if turn.is_over or row.status not in (ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED):
        return
    cursor = Cursor(after_us=row.cursor_us, local=row.cursor_local)
    ticks = turn.program.calendar.ticks(cursor, until_us=turn.now_us, limit=UNDECIDED_MOST)
    if not ticks:
        return
    skipped = TickRangeRow(
        schedule_id=row.id,
        first_us=ticks[0].at_us,
        last_us=ticks[-1].at_us,
        count=len(ticks),
        outcome=TickOutcome.SKIPPED,
        reason=reason,
        note=note if len(ticks) < UNDECIDED_MOST else f"{note}; those after them are not counted",
        decided_at_us=turn.now_us,
    )
    turn.ranges.append((skipped, None))
    turn.change(skipped=row.skipped + len(ticks), cursor_us=max(row.cursor_us, turn.now_us), cursor_local=None)


def _counted(row: ScheduleRow, program: ScheduleProgram, from_us: int, until_us: int) -> int:
    """Raises Refused (backfill_refused)."""
    if from_us > until_us:
        raise Refused("backfill_refused", "the range ends before it begins")
    if from_us < row.ticks_from_us:
        raise Refused("backfill_refused", "ticks so old are not on record any more: nobody knows which of them ran")
    if until_us > row.cursor_us:
        raise Refused("backfill_refused", "the range ends in the future: a backfill comes to ticks that are decided already")
    found = len(program.calendar.ticks(Cursor(after_us=from_us - 1), until_us=until_us, limit=BACKFILL_MOST + 1))
    if found > BACKFILL_MOST:
        raise Refused("backfill_refused", f"the range has more than {BACKFILL_MOST} ticks: take a shorter one")
    if not found:
        raise Refused("backfill_refused", "the range has no tick")
    return found
