"""Schedules of the smallest saga: their documents, and what became of their ticks."""

from __future__ import annotations

from typing import Any

from saga_coordinator.calendar.document import CalendarDocument, EveryDocument, ExcludeDocument
from saga_coordinator.schedules.acts import begun_row
from saga_coordinator.schedules.document import MissedDocument, OverlapDocument, ScheduleDocument
from saga_coordinator.schedules.program import program_of
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import ScheduleRow, ScheduleVersionRow, TickRow

MOST = 1_000_000
NOTHING_EXCLUDED = ExcludeDocument(dates=(), ranges=(), cron=(), calendars=())


def calendar(*, zone: str = "UTC", cron: tuple[str, ...] = (), every_ms: int | None = None, **more: Any) -> CalendarDocument:
    every = () if every_ms is None else (EveryDocument(every_ms=every_ms, phase="1970-01-01T00:00:00Z"),)
    defaults: dict[str, Any] = {"intervals": (), "exclude": NOTHING_EXCLUDED, "start": None, "end": None, "jitter_ms": 0}
    return CalendarDocument(zone=zone, cron=cron, every=every, **{**defaults, **more})


def schedule(name: str = "every-second", **changes: Any) -> ScheduleDocument:
    """Of definition `asked` (`start_records.py`), each second, with the defaults of the file."""
    made: dict[str, Any] = {
        "format": 1,
        "schedule": name,
        "definition": "asked",
        "definition_version": None,
        "calendar": calendar(every_ms=1000),
        "runs": None,
        "input": {"id": "${schedule.name + '@' + schedule.tick}"},
        "key": None,
        "overlap": OverlapDocument(policy="skip", limit=1),
        "missed": MissedDocument(policy="run_one", grace_ms=60_000, window_ms=86_400_000),
        "pause_after_failures": None,
        "expect_success_ms": None,
        "note": "",
    }
    return ScheduleDocument(**{**made, **changes})


def overlap(policy: Any, limit: int = 1) -> OverlapDocument:
    return OverlapDocument(policy=policy, limit=limit)


async def ticks_of(store: Store, name: str) -> list[TickRow]:
    """All that are on record by themselves, oldest first."""
    row = await store.schedule("default", name)
    assert row is not None
    return sorted(await store.ticks(row.id, before_us=2**62, limit=1000), key=lambda tick: tick.at_us)


async def add_schedules(store: Store, *documents: ScheduleDocument, ago_us: int = 0) -> list[ScheduleRow]:
    """As `saga schedule create` does, or did so long ago, all in one transaction."""
    async with store.transaction() as tx:
        rows = [begun_row("default", program_of(document, {}), tx.now_us - ago_us) for document in documents]
        for row in rows:
            assert await tx.add_schedule(row, MOST), f"there is a schedule {row.name} already"
            first = ScheduleVersionRow(
                schedule_id=row.id, version=1, document=row.document, who="test", why="test", at_us=tx.now_us
            )
            await tx.add_schedule_version(first)
    return rows
