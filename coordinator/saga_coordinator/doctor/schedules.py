"""Whether the rows of schedules fit together: their places, wake-ups, versions, counts and ticks.

Coordinators run meanwhile. What does not fit is looked at again a second later before it is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.doctor.damage import Damage, DamageKind
from saga_coordinator.doctor.judging import literal
from saga_coordinator.doctor.pace import Pace
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import (
    OpenTicks,
    ScheduleRow,
    ScheduleStatus,
    ScheduleVersionRow,
    TickOutcome,
    TickRow,
)
from saga_schemas.record_class import record
from saga_schemas.times import format_us

PAGE: Final = 100
TICKS: Final = 100
"""Latest ticks of each schedule whose outcomes are counted."""
VERSIONS: Final = 100
_ALL: Final = tuple(ScheduleStatus)


@record
class ScheduleLook:
    """A schedule and what stands beside it."""

    row: ScheduleRow
    versions: Sequence[ScheduleVersionRow]
    """Newest first, without those above the schedule's own."""
    open: OpenTicks
    gone: frozenset[UUID]
    """Sagas of open ticks that are not stored."""
    latest: Sequence[TickRow]
    """The latest ticks, at most `TICKS`."""


class ScheduleExamination:
    """Goes through the schedules of one tenant. Counts what it went through."""

    def __init__(self, store: Store, pace: Pace, tenant: str) -> None:
        self._store, self._pace, self._tenant = store, pace, tenant
        self.schedules = 0

    async def damages(self) -> AsyncIterator[Damage]:
        """Everything that does not fit, by the schedules' names. Raises StoreError."""
        after = ""
        while page := await self._store.schedules(self._tenant, after=after, limit=PAGE, statuses=_ALL):
            after = page[-1].name
            self.schedules += len(page)
            wrong = {row.name for row in page for _ in await self._of(row)}
            if wrong:
                found = {damage.identity for row in page if row.name in wrong for damage in await self._of(row)}
                await self._pace.look_again()
                for name in sorted(wrong):
                    again = await self._store.schedule(self._tenant, name)
                    for damage in await self._of(again) if again is not None else ():
                        if damage.identity in found:
                            yield damage
            await self._pace.rest()

    async def _of(self, row: ScheduleRow) -> list[Damage]:
        open_ticks = (await self._store.open_ticks([row.id])).get(row.id, OpenTicks())
        ids = {tick.saga_id for tick in open_ticks.running if tick.saga_id is not None}
        look = ScheduleLook(
            row=row,
            versions=await self._versions(row),
            open=open_ticks,
            gone=frozenset(ids - (await self._store.sagas(sorted(ids))).keys()) if ids else frozenset(),
            latest=await self._store.ticks(row.id, before_us=2**62, limit=TICKS),
        )
        return list(of_schedule(look, self._store.dialect))

    async def _versions(self, row: ScheduleRow) -> list[ScheduleVersionRow]:
        found: list[ScheduleVersionRow] = []
        below = row.version + 1
        while page := await self._store.schedule_versions(row.id, below=below, limit=VERSIONS):
            found += page
            below = page[-1].version
        return found


def of_schedule(look: ScheduleLook, dialect: str) -> Iterator[Damage]:
    """What does not fit of one schedule."""
    yield from _place(look)
    yield from _wake_up(look, dialect)
    yield from _versions(look)
    yield from _counts(look)
    yield from _ticks(look, dialect)


def _place(look: ScheduleLook) -> Iterator[Damage]:
    row = look.row
    if row.next_at_us is not None and row.next_at_us <= row.cursor_us and row.status != ScheduleStatus.DELETED:
        yield _damage(
            row,
            DamageKind.SCHEDULE_CURSOR_AHEAD,
            f"its ticks are decided up to {format_us(row.cursor_us)}, and its next is at {format_us(row.next_at_us)}",
            "pause it and resume it: its next tick is reckoned anew from there, and none runs a second time",
        )


def _wake_up(look: ScheduleLook, dialect: str) -> Iterator[Damage]:
    row = look.row
    if row.wake_at_us is not None or row.status not in (ScheduleStatus.ACTIVE, ScheduleStatus.ENDED):
        return
    ticks = row.status == ScheduleStatus.ACTIVE and row.fire_at_us is not None
    waits = bool(look.open.queued) and not look.open.running
    if ticks or waits:
        yield _damage(
            row,
            DamageKind.SCHEDULE_WAKE_UP_MISSING,
            f"it has {'a next tick' if ticks else 'ticks that wait for no saga'}, and no wake-up: nothing looks at it",
            "write the wake-up; it is looked at within moments then",
            f"UPDATE schedule SET wake_at = COALESCE(fire_at, changed_at) WHERE id = {literal(dialect, row.id)}",
        )


def _versions(look: ScheduleLook) -> Iterator[Damage]:
    row = look.row
    if row.status == ScheduleStatus.DELETED:
        return  # they may be removed by now
    versions = [one.version for one in look.versions]
    oldest = min(versions, default=row.version)  # a schedule that was deleted and created again may lack those before
    lacking = sorted(set(range(oldest, row.version + 1)) - set(versions))
    if lacking:
        numbers = ", ".join(map(str, lacking[:5])) + (" and more" if len(lacking) > 5 else "")
        yield _damage(
            row,
            DamageKind.SCHEDULE_VERSION_MISSING,
            f"it is at version {row.version}, and on no record {'is' if len(lacking) == 1 else 'are'} {numbers}",
            "restore the rows of the table schedule_version from a backup; an update makes a new version all the same",
        )
    elif look.versions[0].document != row.document:
        yield _damage(
            row,
            DamageKind.SCHEDULE_VERSION_MISSING,
            f"its document is not that of its version {row.version}",
            "update it: the new version has the document that you give. One of the two rows was edited by hand",
        )


def _counts(look: ScheduleLook) -> Iterator[Damage]:
    row = look.row
    recorded = {outcome: sum(tick.outcome == outcome for tick in look.latest) for outcome in TickOutcome}
    counted = {TickOutcome.FIRED: row.fired, TickOutcome.FAILED: row.failed}
    said = [
        f"it counts {count} that {outcome}, and {recorded[outcome]} are on record"
        for outcome, count in counted.items()
        if count < recorded[outcome]
    ]
    decided = row.fired + row.queued + row.skipped
    if row.runs > decided:
        said.append(f"it counts {row.runs} runs, and {decided} ticks that fired, waited or were skipped")
    if said:
        yield _damage(
            row,
            DamageKind.SCHEDULE_COUNTS_DIFFER,
            "; ".join(said),
            "rows were edited by hand, or restored apart: compare with its ticks. Counts decide nothing but how often it still runs",
        )


def _ticks(look: ScheduleLook, dialect: str) -> Iterator[Damage]:
    row = look.row
    for tick in look.open.running:
        if tick.saga_id in look.gone:
            yield _damage(
                row,
                DamageKind.TICK_OF_NO_SAGA,
                f"its tick of {format_us(tick.at_us)} runs, and the saga {tick.saga_id} is not stored",
                "a coordinator with the role timers closes it by itself; until then it counts as an open saga of the schedule",
                part=str(tick.at_us),
            )
    if row.status == ScheduleStatus.DELETED:
        for tick in look.open.queued:
            yield _damage(
                row,
                DamageKind.TICK_LEFT_QUEUED,
                f"its tick of {format_us(tick.at_us)} waits, and the schedule is deleted",
                "have it skipped: it never starts",
                "UPDATE schedule_tick SET outcome = 'skipped', reason = 'deleted'"
                f" WHERE schedule_id = {literal(dialect, row.id)} AND at = {tick.at_us}",
                part=str(tick.at_us),
            )


def _damage(row: ScheduleRow, kind: DamageKind, evidence: str, way_out: str, sql: str | None = None, part: str = "") -> Damage:
    return Damage(
        kind=kind,
        saga_id=None,
        key=f"schedule {row.name}",
        evidence=evidence,
        way_out=way_out,
        sql=sql,
        part=f"{row.id}/{part}",
    )
