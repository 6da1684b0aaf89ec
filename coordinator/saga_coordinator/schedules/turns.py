"""Turns of schedules, each in one transaction: what is decided, the sagas that start, and where the
schedules then stand.

Whoever does it locks the schedules first, and leaves those that another instance has locked. What
is decided is decided from the rows behind the lock, by the database's clock. So a tick is decided
once, however many instances look, and whenever one is killed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar
from uuid import UUID

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.plan import Batch
from saga_coordinator.definitions.document import DocumentInvalid
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.attention import CALENDAR_INVALID, troubled
from saga_coordinator.schedules.checking import kept_row
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.finishing import finish
from saga_coordinator.schedules.program import Moment, ScheduleProgram, without_ticks
from saga_coordinator.schedules.programs import Programs, ProgramUnready
from saga_coordinator.schedules.settling import settle, settled
from saga_coordinator.schedules.starting import Found, TickStarts
from saga_coordinator.schedules.telling import tell
from saga_coordinator.schedules.turn import STARTS_MOST, Begun, Turn
from saga_coordinator.starts.execution import StartExecution, own_again
from saga_coordinator.starts.preparation import Prepared
from saga_coordinator.store.port import StartClaim, Store, StoreError
from saga_coordinator.store.schedule_records import AtTurn, ScheduleRow, TickRow, TurnFirst
from saga_coordinator.telemetry.instruments import Instruments
from saga_schemas.record_class import record

SCHEDULES_MOST: Final = 50
"""Schedules of one transaction: an instance that is stopped in the middle of it holds so many."""
TURN_STARTS: Final = 3 * SCHEDULES_MOST
"""Sagas of one transaction. After an outage many ticks of each schedule are due. All at once they
would take longer than the database lets a turn last (`loops/hold_limit.py`), and be lost.
"""
UNREADY_US: Final = 60_000_000
"""How soon a schedule is looked at again whose document does not run."""

Result = TypeVar("Result")


class Moved(StoreError):
    """The schedule has another version by now: look again."""


@record
class Ready:
    """What a schedule's turn needs beside its rows."""

    version: int
    found: Found


class Turns:
    """Does them."""

    def __init__(
        self,
        *,
        store: Store,
        committer: Committer,
        execution: StartExecution,
        programs: Programs,
        starts: TickStarts,
        instruments: Instruments,
        tenant: str,
    ) -> None:
        self._store = store
        self._committer = committer
        self._execution = execution
        self._programs = programs
        self._starts = starts
        self._instruments = instruments
        self._tenant = tenant

    async def run(self, seen: Sequence[ScheduleRow], seen_at_us: int, *, limit: int, silent_s: float) -> list[Turn]:
        """One turn of each of the schedules that are due longest and that nobody else has locked.

        Args:
            seen: Schedules that were due.
            seen_at_us: When they were seen.
            limit: How many schedules it takes at most.
            silent_s: For how long the database waits for this instance's next word.

        Raises StoreError: nothing happened, or nobody knows.
        """
        ready = await self._ready(seen)
        readable = [row for row in seen if self._is_readable(row)]
        if not readable:
            return []
        first = TurnFirst(seen=readable, seen_at_us=seen_at_us, limit=limit, silent_s=silent_s)
        async with self._committer.batch(first) as batch:
            turns = _run(await self._turns(batch, batch.tx.turning, ready))
            await self._write(batch, turns)
        tell(self._instruments, turns)
        return turns

    async def act(
        self, name: str, change: Callable[[Batch, Turn], Awaitable[Result]], *, deleted: bool = False, ticks: bool = True
    ) -> tuple[Result, Turn]:
        """A turn of one schedule, with what a person does to it.

        Args:
            name: Its name.
            change: What is done, after it is noted which of its sagas have ended. It raises to undo
                all of it.
            deleted: Whether it may be deleted already.
            ticks: Whether the act asks for ticks. An act that does not is done also to a schedule
                whose calendar cannot be followed any more.

        Raises:
            Refused: schedule_unknown, schedule_invalid, schedule_unreadable, or what `change`
                raises.
            StoreError: Nothing happened, or nobody knows.
        """
        row = await kept_row(self._store, self._tenant, name, deleted=deleted)
        ready = await self._ready([row])
        unready = self._unready(row, ready, ticks)
        async with self._committer.batch() as batch:
            locked = await batch.tx.lock_schedules([row.id])
            turns = await self._turns(batch, locked, ready) if unready is None else _still(batch, row, locked, unready)
            if not turns:
                raise Moved(f"schedule {name} was changed a moment ago: try again")
            result = await change(batch, turns[0])
            turns[0].again |= bool(turns[0].queued)
            await self._write(batch, turns)
        tell(self._instruments, turns)
        return result, turns[0]

    def _unready(self, row: ScheduleRow, ready: Mapping[UUID, Ready], ticks: bool) -> ScheduleProgram | None:
        """What a schedule that takes no turn is acted on by; None: it takes its turns."""
        if row.id in ready:
            return None
        try:
            self._programs.of(row)
        except ProgramUnready as unready:
            if ticks:
                raise Refused("schedule_invalid", f"{unready}: update it first") from unready
            return without_ticks(ScheduleDocument.parse(row.document))
        except DocumentInvalid as invalid:
            raise Refused("schedule_unreadable", "a later release wrote it: ask an instance of that release") from invalid
        return None

    async def put_off(self, seen: ScheduleRow, seen_at_us: int, why: str, silent_s: float) -> None:
        """A schedule whose turn meets a bug is tried again later, and a person is told.

        Raises StoreError.
        """
        first = TurnFirst(seen=[seen], seen_at_us=seen_at_us, limit=1, silent_s=silent_s)
        async with self._committer.batch(first) as batch:
            for row in batch.tx.turning.values():
                await _put_aside(batch, row, f"its turn fails: {why}", [])

    def _is_readable(self, row: ScheduleRow) -> bool:
        """False: a later release made it, and its instances take the turn."""
        try:
            self._programs.of(row)
        except ProgramUnready:
            return True
        except DocumentInvalid:
            return False
        return True

    async def _ready(self, rows: Sequence[ScheduleRow]) -> Mapping[UUID, Ready]:
        await self._programs.refresh(rows)
        known = []
        for row in rows:
            try:
                known.append((row, self._programs.of(row).document))
            except (ProgramUnready, DocumentInvalid):
                continue  # if it can be read, it is said behind its lock what becomes of it
        found = await self._starts.definitions([document for _, document in known])
        return {row.id: Ready(version=row.version, found=one) for (row, _), one in zip(known, found, strict=True)}

    async def _turns(self, batch: Batch, locked: Mapping[UUID, ScheduleRow], ready: Mapping[UUID, Ready]) -> list[Turn]:
        ids = list(locked)
        if not ids:
            return []
        at_turn = await batch.tx.at_turn(ids)
        turns = []
        for row in locked.values():
            found = at_turn.get(row.id, AtTurn())
            try:
                program = self._programs.of(row)
            except ProgramUnready as unready:
                await _put_aside(batch, row, str(unready), settled(found.ended, batch.tx.now_us))
                continue
            except DocumentInvalid:
                continue  # it was updated a moment ago
            known = ready.get(row.id)
            if known is None or known.version != row.version:
                continue
            prepare = self._starts.preparing(program, known.found)
            turn = Turn.of(row, program, prepare, batch.tx.now_us, found)
            settle(turn, found.ended)
            if next_us := turn.backfill_next_us():
                turn.known = await batch.tx.ticks_at(row.id, next_us)
            turns.append(turn)
        return turns

    async def _write(self, batch: Batch, turns: Sequence[Turn]) -> None:
        await self._begin(batch, turns)
        for turn in turns:
            finish(turn)
        await batch.tx.put_schedules([turn.row for turn in turns])
        ticks = [tick for turn in turns for tick in turn.ticks.values()]
        if ticks:
            await batch.tx.put_ticks(ticks)
        for turn in turns:
            for made, follows_us in turn.ranges:
                await batch.tx.add_tick_range(made, follows_us=follows_us)
            if turn.backfill is not None:
                await batch.tx.put_backfill(turn.backfill)

    async def _begin(self, batch: Batch, turns: Sequence[Turn]) -> None:
        """Start what the turns want to start, in this transaction."""
        places = [(turn, place) for turn in turns for place in range(len(turn.begun))]
        if not places:
            return
        known = await self._starts.identified([turn.begun[place] for turn, place in places])
        begun: list[tuple[Turn, Begun]] = []
        adopted: list[StartClaim] = []
        for (turn, place), identified in zip(places, known, strict=True):
            turn.identify(place, identified)
            if identified.adopted is None:
                begun.append((turn, turn.begun[place]))
            else:  # a person has adopted its saga after a restore: it starts no other
                adopted.append(replace(turn.begun[place].start.claim, saga_id=identified.adopted))
        if adopted:
            await batch.tx.bind_starts(adopted)
        await self._claim(batch, begun)

    async def _claim(self, batch: Batch, begun: Sequence[tuple[Turn, Begun]]) -> None:
        starts = [one.start for _, one in begun]
        claimed = await batch.tx.claim_starts([start.claim for start in starts])
        await self._execution.begin_won(batch, starts, claimed)
        await own_again(batch, starts)
        for turn, one in begun:
            result = claimed[one.start.claim.saga_id]
            holder = result.request_saga or result.key_saga
            if not result.won and holder is not None:
                turn.lost(one, holder, by_key=result.request_saga is None)


def _run(turns: Sequence[Turn]) -> list[Turn]:
    """Let them start sagas, in their order, as many as one transaction may. Returns those that have
    run; the others are due still, and nothing of them is written.

    Few schedules with many ticks each: what a schedule costs beside its sagas is spent once.
    """
    ran: list[Turn] = []
    left = TURN_STARTS
    for turn in turns:
        if left <= 0:
            break
        turn.starts_most = min(STARTS_MOST, left)
        turn.run()
        left -= len(turn.begun)
        ran.append(turn)
    return ran


def are_full(turns: Sequence[Turn]) -> bool:
    """Whether they started as many sagas as one transaction may: others may be due still."""
    return sum(len(turn.begun) for turn in turns) >= TURN_STARTS


def _still(batch: Batch, row: ScheduleRow, locked: Mapping[UUID, ScheduleRow], program: ScheduleProgram) -> list[Turn]:
    """The turn of a schedule that does nothing by itself."""
    found = locked.get(row.id)
    if found is None or found.version != row.version:
        return []
    return [Turn.of(found, program, _never, batch.tx.now_us, AtTurn())]


def _never(_moment: Moment) -> Prepared:
    raise AssertionError("a schedule without ticks starts nothing")


async def _put_aside(batch: Batch, row: ScheduleRow, why: str, ticks: Sequence[TickRow]) -> None:
    """A person must look at a schedule that cannot take its turn; it costs no other anything."""
    now_us = batch.tx.now_us
    await batch.tx.put_schedules([replace(troubled(row, CALENDAR_INVALID, why, now_us), wake_at_us=now_us + UNREADY_US)])
    if ticks:
        await batch.tx.put_ticks(ticks)
