"""What transactions do about schedules, the same on both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from saga_coordinator.store.dialect import among, insert_ignoring
from saga_coordinator.store.records import CountMismatch
from saga_coordinator.store.schedule_records import (
    AtTurn,
    BackfillRow,
    DayCalendarRow,
    ScheduleRow,
    ScheduleVersionRow,
    TickRangeRow,
    TickRow,
    TurnFirst,
)
from saga_coordinator.store.schedule_rows import (
    BACKFILLS,
    DAYS,
    IDS,
    RANGES,
    SCHEDULES,
    TICKS,
    VERSIONS,
    by_id,
    is_kept,
    runs_backfill,
)
from saga_coordinator.store.schedule_statements import PUT_SCHEDULE, PUT_TICK, SCHEDULE_INPUTS
from saga_coordinator.store.schedule_tables import (
    day_calendar,
    schedule,
    schedule_backfill,
    schedule_tick,
    schedule_tick_range,
    schedule_version,
)
from saga_coordinator.store.schedule_turns import BACKFILL, at_turn_of, select_at_turn, select_turning, turning_values
from saga_coordinator.store.transaction_part import Adding, TransactionPart

_S: Final = schedule.c
_T: Final = schedule_tick.c
_R: Final = schedule_tick_range.c
_B: Final = schedule_backfill.c
_D: Final = day_calendar.c


class ScheduleWrites(TransactionPart, ABC):
    """The port's `Scheduling`."""

    turning: Mapping[UUID, ScheduleRow] = MappingProxyType({})

    @abstractmethod
    async def refresh_clock(self) -> None: ...

    @abstractmethod
    def read_clock(self, now_us: int) -> None:
        """A statement has told the time."""

    async def lock_schedules(self, ids: Collection[UUID]) -> dict[UUID, ScheduleRow]:
        locked: dict[UUID, ScheduleRow] = {}
        if ids:
            of_these = SCHEDULES.select().where(among(self._dialect, _S.id, sorted(ids))).order_by(_S.id)
            locked = by_id(await self.execute(of_these.with_for_update(key_share=True)))
        await self.refresh_clock()
        return locked

    async def lock_turning(self, first: TurnFirst) -> None:
        """What `TurnFirst` says; and read the clock anew, if anything is locked."""
        rows = list(await self.execute(select_turning(self._dialect), turning_values(first)))
        if rows:
            self.read_clock(rows[-1].clock)
        self.turning = by_id(rows)

    async def add_schedule(self, row: ScheduleRow, most: int) -> bool:
        await self._alone(Adding.SCHEDULE)
        kept = select(func.count()).select_from(schedule).where(_S.tenant == row.tenant, is_kept())
        if (await self.execute(kept)).scalar_one() >= most:
            return False
        return (await self.execute(insert_ignoring(self._dialect, schedule, SCHEDULES.columns_of(row)))).rowcount == 1

    async def put_schedules(self, rows: Sequence[ScheduleRow]) -> None:
        values = [SCHEDULES.values_of(row) for row in sorted(rows, key=lambda row: row.id)]
        await self._put(PUT_SCHEDULE, [tuple(one[at] for at in SCHEDULE_INPUTS) for one in values])

    async def add_schedule_version(self, row: ScheduleVersionRow) -> None:
        await self.execute(insert(schedule_version).values(**VERSIONS.columns_of(row)))

    async def at_turn(self, ids: Collection[UUID]) -> dict[UUID, AtTurn]:
        if not ids:
            return {}
        rows = list(await self.execute(select_at_turn(self._dialect), {IDS: sorted(ids)}))
        backfilled = [row.schedule_id for row in rows if row.outcome == BACKFILL]
        backfills = await self._running_backfills(backfilled) if backfilled else {}
        return at_turn_of([row for row in rows if row.outcome != BACKFILL], backfills)

    async def ticks_at(self, schedule_id: UUID, instants_us: Collection[int]) -> dict[int, TickRow]:
        if not instants_us:
            return {}
        of_these = (_T.schedule_id == schedule_id, among(self._dialect, _T.at, sorted(instants_us)))
        found = [TICKS.of(row) for row in await self.execute(TICKS.select().where(*of_these))]
        return {tick.at_us: tick for tick in found}

    async def put_ticks(self, rows: Sequence[TickRow]) -> None:
        last = {(row.schedule_id, row.at_us): row for row in rows}
        await self._put(PUT_TICK, [TICKS.values_of(last[key]) for key in sorted(last)])

    async def add_tick_range(self, row: TickRangeRow, *, follows_us: int | None) -> None:
        if follows_us is not None:
            before = select(_R.first, _R.decided_at).where(_R.schedule_id == row.schedule_id, _R.first <= follows_us)
            alike = (_R.outcome == row.outcome, _R.reason == row.reason, _R.saga_id.is_not_distinct_from(row.saga_id))
            nearest = before.order_by(_R.first.desc(), _R.decided_at.desc()).limit(1).subquery()
            this = (_R.schedule_id == row.schedule_id, _R.first == nearest.c.first, _R.decided_at == nearest.c.decided_at)
            longer = update(schedule_tick_range).where(*this, _R.last == follows_us, *alike)
            if (await self.execute(longer.values(last=row.last_us, count=_R["count"] + row.count))).rowcount:
                return
        await self.execute(insert(schedule_tick_range).values(**RANGES.columns_of(row)))

    async def _running_backfills(self, ids: Collection[UUID]) -> dict[UUID, BackfillRow]:
        query = BACKFILLS.select().where(among(self._dialect, _B.schedule_id, sorted(ids)), runs_backfill())
        found = [BACKFILLS.of(row) for row in await self.execute(query)]
        return {one.schedule_id: one for one in found}

    async def add_backfill(self, row: BackfillRow) -> bool:
        new = insert_ignoring(self._dialect, schedule_backfill, BACKFILLS.columns_of(row))
        return (await self.execute(new)).rowcount == 1

    async def put_backfill(self, row: BackfillRow) -> None:
        changed = update(schedule_backfill).where(_B.id == row.id).values(**BACKFILLS.columns_of(row))
        self._one((await self.execute(changed)).rowcount, "schedule_backfill")

    async def put_day_calendar(self, row: DayCalendarRow) -> bool:
        return (await self.execute(insert_ignoring(self._dialect, day_calendar, DAYS.columns_of(row)))).rowcount == 1

    async def delete_day_calendar(self, tenant: str, name: str) -> bool:
        return (await self.execute(delete(day_calendar).where(_D.tenant == tenant, _D.name == name))).rowcount > 0

    async def wake_schedules(self, tenant: str, *, uses_calendars: bool | None) -> int:
        of_these: list[ColumnElement[bool]] = [_S.tenant == tenant, is_kept()]
        if uses_calendars is not None:
            of_these.append(_S.uses_calendars == uses_calendars)
        # In order of their id, as turns lock them: nobody waits in a circle.
        await self.execute(select(_S.id).where(*of_these).order_by(_S.id).with_for_update(key_share=True))
        return (await self.execute(update(schedule).where(*of_these).values(wake_at=self.now_us))).rowcount

    @staticmethod
    def _one(count: int, table: str) -> None:
        if count != 1:
            raise CountMismatch(f"{count} rows of {table} were written where 1 must be")
