"""The loop of schedules: what is due of them, by the database's clock.

Every instance looks; a schedule's turn is one transaction under its lock (`schedules/turns.py`), so
no leader is needed and a tick is decided once. The loop sleeps until the next wake-up that it knows
of, and looks once a second for schedules that were changed elsewhere and for sagas that have ended.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Final
from uuid import UUID

import structlog

from saga_coordinator.batches.acts import ACTS, By
from saga_coordinator.batches.jobs import events_of
from saga_coordinator.batches.operating import Audited, Operating
from saga_coordinator.calendar.zones import tzdata_version
from saga_coordinator.engine.events import Event, Refused
from saga_coordinator.engine.state import Phase
from saga_coordinator.failures import Backoff, comes_again, error_fields, one_line
from saga_coordinator.loops.hold_limit import HoldLimit
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.schedules.turn import Ending, Turn
from saga_coordinator.schedules.turns import SCHEDULES_MOST, Turns, are_full
from saga_coordinator.starts.execution import BeingUndone
from saga_coordinator.starts.requests import SagaUnknown
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.store.schedule_records import ScheduleRow
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about_id
from saga_messaging.background import happened
from saga_messaging.clock import Clock

LOOP: Final = "schedules"
TZDATA: Final = "tzdata"
"""The release of the time zones by which wake-ups were reckoned, in the control table."""
LOOK_S: Final = 1.0
"""How soon it looks again, at the latest."""
SOON_S: Final = 0.005
"""A wake-up a hair before its time is none."""
OTHERS_S: Final = 0.1
"""While another instance takes the turns that are due."""
SEEN_MOST: Final = 4 * SCHEDULES_MOST
"""Schedules that one look finds: for a few instances that take turns at the same time."""
LEFT_S: Final = 30.0
"""For so long a schedule that is due is left to others, before it is put aside here: longer than
the database lets a stopped instance hold it."""
ASIDE_S: Final = 60.0
COUNT_S: Final = 10.0
TROUBLE_S: Final = 0.05
"""A turn that the database has ended is tried again soon: another limit holds by then, or another
connection."""
TROUBLE_CAP_S: Final = 10.0
_GOES_BACK: Final = frozenset({Phase.COMPENSATING, Phase.SETTLING})


class ScheduleLoop:
    """Takes the turns of one tenant's schedules."""

    def __init__(
        self, *, store: Store, turns: Turns, operating: Operating, tenant: str, clock: Clock, instruments: Instruments
    ) -> None:
        self._store = store
        self._turns = turns
        self._operating = operating
        self._tenant = tenant
        self._clock = clock
        self._instruments = instruments
        self._backoff = Backoff(TROUBLE_S, TROUBLE_CAP_S)
        self._aside_until_s: dict[UUID, float] = {}
        """Schedules whose turn this instance cannot take, and does not try again before."""
        self._left_since_s: dict[tuple[UUID, int | None], float] = {}
        """Wake-ups that are due and that others have, each with when that was seen first."""
        self._hold = HoldLimit()
        self._zones_known = False
        self._counted_at_s: float | None = None
        self._ended_at_s = -math.inf
        """When it looked for sagas that have ended."""
        self.stirred = asyncio.Event()
        """Set when a schedule was changed here: the loop need not wait until it looks again."""
        self._log = structlog.get_logger(LOOP)

    def stir(self) -> None:
        self.stirred.set()

    async def run(self) -> None:
        while True:
            try:
                pause_s = await self._look()
                self._well()
            except Exception as error:  # a bug must not end the process: schedules stay where they are
                pause_s = self._trouble(error)
            if pause_s > 0:
                await happened(self.stirred, self._clock, pause_s)
            self.stirred.clear()

    def _well(self) -> None:
        if self._backoff.failing:
            self._log.info("schedules_go_on")
        self._backoff.succeeded()
        self._instruments.schedules_wait(None)

    def _trouble(self, error: Exception) -> float:
        """Say why nothing fires, once a trouble in the log; how long to wait."""
        if comes_again(error):
            self._log.error("schedules_failed", **error_fields(error))
            self._instruments.loop_failed(LOOP)
        elif not self._backoff.failing:
            self._log.warning("schedules_wait", error=one_line(error))
        known = isinstance(error, StoreError | TimeoutError)
        self._instruments.schedules_wait(one_line(error) if known else type(error).__name__)
        return self._backoff.failed()

    async def _look(self) -> float:
        """Take the turns that are due. Returns how long to pause then."""
        await self._greet_zones()
        await self._count()
        ended = self._until_ended_s() <= 0
        if ended:
            self._ended_at_s = self._clock.monotonic_s()
        found, next_us, now_us = await self._store.schedules_to_turn(self._tenant, limit=SEEN_MOST, ended=ended)
        if rows := self._not_aside(found):
            taken = await self._all_taken(rows, now_us)
            self._note_left(rows, taken, ended)
            if taken:
                return 0.0
        until_next_s = LOOK_S if next_us is None else (next_us - now_us) / 1e6 + SOON_S
        return max(SOON_S, min(self._until_ended_s(), until_next_s)) if not found else OTHERS_S

    def _until_ended_s(self) -> float:
        """How long until it looks for sagas that have ended: once a second, however often it looks
        for what is due."""
        return self._ended_at_s + LOOK_S - self._clock.monotonic_s()

    async def _greet_zones(self) -> None:
        """Another release of the time zones may tick at other times: all schedules look at it."""
        if self._zones_known:
            return
        version = tzdata_version()
        if (await self._store.control(LOOP, self._tenant)).get(TZDATA) != version:
            async with self._store.transaction() as tx:
                await tx.wake_schedules(self._tenant, uses_calendars=None)
                why = "time zones of another release"
                await tx.set_control(scope=LOOP, tenant=self._tenant, name=TZDATA, value=version, who=LOOP, why=why)
        self._zones_known = True

    def _note_left(self, rows: Sequence[ScheduleRow], taken: Collection[UUID], ended: bool) -> None:
        """Another instance takes their turns; or none of this release can, again and again.

        `ended`: the look was for sagas that have ended, too. Otherwise it says nothing of those
        that have only these.
        """
        now_s = self._clock.monotonic_s()
        left = {(row.id, row.wake_at_us): row for row in rows if row.id not in taken}
        seen = {row.id for row in rows}
        unseen = {} if ended else {wakeup: since for wakeup, since in self._left_since_s.items() if wakeup[0] not in seen}
        self._left_since_s = unseen | {wakeup: self._left_since_s.get(wakeup, now_s) for wakeup in left}
        for wakeup, row in left.items():
            if now_s - self._left_since_s[wakeup] >= LEFT_S:
                self._log.warning("schedule_not_taken", schedule=row.name)
                self._aside_until_s[row.id] = now_s + ASIDE_S

    def _not_aside(self, rows: Sequence[ScheduleRow]) -> list[ScheduleRow]:
        now_s = self._clock.monotonic_s()
        self._aside_until_s = {id: until_s for id, until_s in self._aside_until_s.items() if until_s > now_s}
        return [row for row in rows if row.id not in self._aside_until_s]

    async def _all_taken(self, rows: Sequence[ScheduleRow], seen_at_us: int) -> set[UUID]:
        """The schedules whose turns were taken: of all that no other instance has."""
        taken: set[UUID] = set()
        while left := [row for row in rows if row.id not in taken]:
            began_s, most = self._clock.monotonic_s(), self._hold.schedules
            turns = await self._taken(left, seen_at_us)
            taken |= {turn.row.id for turn in turns}
            self._instruments.schedule_turn(self._clock.monotonic_s() - began_s, len(turns))
            await self._end_others(turns)
            if len(turns) < most and not are_full(turns):
                break
        return taken

    async def _taken(self, rows: Sequence[ScheduleRow], seen_at_us: int) -> list[Turn]:
        """Many in one transaction; where that meets a bug, each alone: one costs no other its
        turn."""
        try:
            return await self._run(rows, seen_at_us)
        except Exception as error:
            if not (comes_again(error) or isinstance(error, BeingUndone)):
                raise
            return await self._one_by_one(rows, seen_at_us)

    async def _one_by_one(self, rows: Sequence[ScheduleRow], seen_at_us: int) -> list[Turn]:
        turns: list[Turn] = []
        for row in rows:
            try:
                turns += await self._run([row], seen_at_us)
            except BeingUndone:
                self._aside_until_s[row.id] = self._clock.monotonic_s() + LOOK_S
            except Exception as error:
                if not comes_again(error):
                    raise
                self._aside_until_s[row.id] = self._clock.monotonic_s() + ASIDE_S
                self._log.error("schedule_failed", schedule=row.name, **error_fields(error))
                self._instruments.loop_failed(LOOP)
                await self._turns.put_off(row, seen_at_us, one_line(error), self._hold.seconds)
        return turns

    async def _run(self, rows: Sequence[ScheduleRow], seen_at_us: int) -> list[Turn]:
        began_s = self._clock.monotonic_s()
        try:
            turns = await self._turns.run(rows, seen_at_us, limit=self._hold.schedules, silent_s=self._hold.seconds)
        except StoreError:
            self._hold.failed(self._clock.monotonic_s() - began_s)
            raise
        if turns:
            self._hold.done()
        return turns

    async def _count(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._counted_at_s is None or now_s - self._counted_at_s >= COUNT_S:
            self._counted_at_s = now_s
            self._instruments.schedule_counts(await self._store.schedule_counts(self._tenant))

    async def _end_others(self, turns: Iterable[Turn]) -> None:
        """Cancel or terminate the sagas that ticks wait for by their policy.

        What cannot be cancelled goes on, and the tick waits. The next turn asks again; so one saga
        at which this fails costs neither another its end nor other schedules their ticks.
        """
        for turn in turns:
            for ending in turn.endings:
                try:
                    await self._end(turn.row.name, ending)
                except Exception as error:
                    self._log.error("others_not_ended", **about_id(ending.saga_id), **error_fields(error))
                    if comes_again(error):
                        self._instruments.loop_failed(LOOP)

    async def _end(self, schedule: str, ending: Ending) -> None:
        why = f"schedule {schedule}: the tick {tick_text(ending.at_us)} takes its place"
        by = By(actor=f"schedule {schedule}", reason=why)
        act = ACTS[ending.how]
        assert act.events is not None, "a batch restarts without events; nothing else does"
        give = events_of(act.events, by)

        def events(work: SagaWork) -> Sequence[Event]:
            if ending.how == "cancel" and work.saga is not None and work.saga.phase in _GOES_BACK:
                raise Refused("finished", "it goes back already")
            return give(work)

        try:
            await self._operating.act(ending.saga_id, events, Audited(act=ending.how, who=by.actor, why=why))
        except (Refused, SagaUnknown) as refused:
            self._log.debug("not_ended", **about_id(ending.saga_id), reason=str(refused))
