"""Schedules that tick each second while the coordinators are killed, stopped and started again, on
clocks that are minutes apart; and what must be true of their ticks then."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpx

from saga_coordinator.schedules.document import MissedDocument, ScheduleDocument
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.store.schedule_records import ScheduleRow
from saga_messaging.background import end
from saga_schemas.ids import started_id
from support import sql
from support.coordinators import opened
from support.orders import all_final, until
from support.processes import SagaProcess
from support.scheduled import add_schedules, calendar, overlap, schedule
from support.shop import Shop

CLOCKS_S: Final = (0, 600, -600)
"""How far each coordinator's clock is ahead."""
SECOND_US: Final = 1_000_000
MADE_PER_S: Final = 20
"""Schedules, on a slow machine."""
STOPPED_S: Final = (2.0, 4.0)
KILL_EVERY_S: Final = 4.0
"""Between one kill and the next, at least: as soon as each is back would be more often the sooner
they are, and no two releases could be compared.
"""
RUNS_S: Final = (0.5, 2.0)
"""Between one act and the next."""
ALL_STOPPED_S: Final = 3.0
DEFINITION: Final = """\
saga: tick
version: 1
input: shop.PlaceOrder
steps:
  - {name: reserve, participant: inventory, command: shop.ReserveStock, compensation: none, timeout: {reask: 5s}}
"""


def definition(folder: Path) -> Path:
    """A saga of one step."""
    file = folder / "tick.saga.yaml"
    file.write_text(DEFINITION)
    return file


def named(coordinators: Sequence[SagaProcess]) -> None:
    """Give each its name, as a StatefulSet does: a restart moves nobody else's partitions."""
    for process in coordinators:
        process.with_settings(SAGA_INSTANCE=process.name)


def clocks_apart(coordinators: Sequence[SagaProcess]) -> None:
    """Give each, when it starts, a wall clock of its own."""
    path = str(Path(__file__).parent / "clock_ahead")
    for process, ahead_s in zip(coordinators, CLOCKS_S, strict=True):
        process.with_settings(PYTHONPATH=path, CLOCK_AHEAD_S=str(ahead_s))


async def assert_clocks_apart(shop: Shop) -> None:
    """By what each says in its answers."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        for server, ahead_s in zip(shop.servers, CLOCKS_S, strict=True):
            said = parsedate_to_datetime((await http.get(f"{server}/healthz")).headers["date"]).timestamp()
            assert abs(said - time.time() - ahead_s) < CLOCKS_S[1] / 2


def _document(number: int, start_us: int, end_us: int) -> ScheduleDocument:
    order = {"customer": "c", "account": "a", "sku": f"sku-{number}", "quantity": 1, "total": 1, "address": "here"}
    return schedule(
        f"second-{number:03}",
        definition="tick",
        calendar=calendar(every_ms=1000, start=tick_text(start_us), end=tick_text(end_us)),
        input={"order_id": "${schedule.name + '@' + schedule.tick}", **order},
        overlap=overlap("allow", 100),
        missed=MissedDocument(policy="run_all", grace_ms=60_000, window_ms=86_400_000),
    )


async def begin(shop: Shop, schedules: int, seconds: int) -> list[ScheduleRow]:
    """Schedules that tick each second, for so long, once all of them are there. Returns when the
    first tick is near.
    """
    async with opened(shop.database) as store:
        start_us = (await store.now_us() // SECOND_US + 2 + schedules // MADE_PER_S) * SECOND_US
        end_us = start_us + seconds * SECOND_US
        rows = await add_schedules(store, *(_document(number, start_us, end_us) for number in range(schedules)))
        left_s = (start_us - await store.now_us()) / SECOND_US
        assert left_s > 0, "a tick was due before its schedule was there"
        await asyncio.sleep(left_s)
        return rows


@dataclass(slots=True)
class Fire:
    """Kills and stops coordinators."""

    shop: Shop
    chance: random.Random
    began_s: float = field(default_factory=time.monotonic)
    acts: list[str] = field(default_factory=list)
    kills: int = 0
    stops: int = 0
    none_us: list[tuple[int, int]] = field(default_factory=list)
    """When nobody was there: from, until. A tick of the second before was in their hands."""
    one_us: list[tuple[int, int]] = field(default_factory=list)
    """When one was stopped, with all that it had locked."""
    _held: dict[str, asyncio.Lock] = field(init=False)
    _killed_s: float = -math.inf
    """When one was killed last."""
    _starting: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._held = {process.name: asyncio.Lock() for process in self.shop.coordinators}

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """One after the other is killed and started again, and others are stopped for a while; one
        is left alone at any time."""
        tasks = [asyncio.create_task(self._kill_all_the_time()), asyncio.create_task(self._stop_all_the_time())]
        try:
            yield
            assert not any(task.done() for task in tasks), [task.exception() for task in tasks if task.done()]
        finally:
            await end(tasks)
            if self._starting is not None:
                await self._starting

    async def _kill_all_the_time(self) -> None:
        for process in itertools.cycle(self.shop.coordinators):
            await asyncio.sleep(self._killed_s + KILL_EVERY_S - time.monotonic())
            async with self._held[process.name]:
                await process.ready()
                self._killed_s = time.monotonic()
                self._note(f"kill -9 {process.name}")
                self._starting = asyncio.create_task(self._again(process))
                await asyncio.shield(self._starting)
                await process.ready()

    async def _again(self, process: SagaProcess) -> None:
        await process.kill()
        self.kills += 1
        await process.start()

    async def _stop_all_the_time(self) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(*RUNS_S))
            free = [one for one in self.shop.coordinators if not self._held[one.name].locked()]
            process = self.chance.choice(free)
            async with self._held[process.name]:
                stopped_s = self.chance.uniform(*STOPPED_S)
                self._note(f"SIGSTOP {process.name} for {stopped_s:.1f} s")
                from_us = await now_us(self.shop)
                await self._stopped((process,), stopped_s)
                self.one_us.append((from_us - SECOND_US, await now_us(self.shop)))
                self.stops += 1

    async def stop_all(self) -> None:
        """All at once, over ticks; then they are killed, and started again."""
        self._note("SIGSTOP and kill -9 of all")
        from_us = await now_us(self.shop)
        await self._stopped(self.shop.coordinators, ALL_STOPPED_S)
        await self.shop.kill(*self.shop.coordinators)
        await self.all_started()
        self.kills += len(self.shop.coordinators)
        self.none_us.append((from_us - SECOND_US, await now_us(self.shop)))
        self._note("all are back")

    async def all_started(self) -> None:
        if dead := [process for process in self.shop.coordinators if not process.running]:
            await self.shop.start(*dead)

    async def _stopped(self, processes: Sequence[SagaProcess], seconds: float) -> None:
        for process in processes:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for process in processes:
                os.kill(process.pid, signal.SIGCONT)

    def _note(self, what: str) -> None:
        self.acts.append(f"  {time.monotonic() - self.began_s:6.1f} s  {what}")


async def now_us(shop: Shop) -> int:
    """The database's clock."""
    return int(await sql.value(shop.database, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))


async def all_over(shop: Shop, limit_s: float) -> None:
    """Until the last tick is decided, its saga has ended, and the tick knows of it."""

    async def ended() -> bool:
        open_ = "SELECT count(*) FROM schedule WHERE status <> 'ended' OR wake_at IS NOT NULL"
        return int(await sql.value(shop.database, open_)) == 0

    async def noted() -> bool:
        open_ = "SELECT count(*) FROM schedule_tick WHERE phase IS NULL"
        return int(await sql.value(shop.database, open_)) == 0

    await until(ended, limit_s, "every schedule has ended")
    await all_final(shop.database, limit_s)
    await until(noted, limit_s, "every tick knows how its saga ended")


def expected(rows: Sequence[ScheduleRow]) -> dict[str, str]:
    """Each second from a schedule's start to its end, as `<schedule>@<tick>`, by the id that its
    saga must have."""
    found: dict[str, str] = {}
    for row in rows:
        its = ScheduleDocument.parse(row.document).calendar
        assert its.start is not None
        assert its.end is not None
        first_us, end_us = (round(datetime.fromisoformat(text).timestamp()) * SECOND_US for text in (its.start, its.end))
        for at_us in range(first_us, end_us, SECOND_US):
            tick = f"{row.name}@{tick_text(at_us)}"
            found[str(started_id(at_us // 1000, "default", "schedule", tick))] = tick
    return found


async def effects(shop: Shop) -> Counter[str]:
    """What the participant did: how often for each saga."""
    lines = await sql.rows(shop.ledgers["inventory"], "SELECT saga_id FROM effect_ledger WHERE kind = 'action'")
    return Counter(str(saga) for (saga,) in lines)


async def assert_each_once(shop: Shop, rows: Sequence[ScheduleRow]) -> None:
    """Of each tick the participant has one effect, and the store one row and one saga; and of
    nothing else."""
    wanted, done = expected(rows), await effects(shop)
    lost, foreign = wanted.keys() - done.keys(), done.keys() - wanted.keys()
    assert not lost, f"{len(lost)} of {len(wanted)} ticks had no effect: {sorted(wanted[saga] for saga in lost)[:5]}"
    assert not foreign, f"{len(foreign)} effects of no tick: {sorted(foreign)[:5]}"
    assert set(done.values()) == {1}, f"more than once: {[wanted[saga] for saga, count in done.items() if count > 1][:5]}"
    ticks = await sql.rows(shop.database, _TICKS)
    assert len(ticks) == len(wanted), "one row a tick"
    untrue = [row for row in ticks if not _true(row, wanted)]
    assert not untrue, f"{len(untrue)} ticks are not on record as they ran: {untrue[:3]}"
    assert int(await sql.value(shop.database, "SELECT count(*) FROM saga")) == len(wanted), "one saga a tick"
    assert int(await sql.value(shop.database, "SELECT count(*) FROM schedule_tick_range")) == 0
    sums = "SELECT sum(fired)::bigint, sum(queued + skipped + missed + failed)::bigint FROM schedule"
    assert tuple((await sql.rows(shop.database, sums))[0]) == (len(wanted), 0)


_TICKS: Final = """\
SELECT s.name, t.at, t.outcome, t.source, t.phase, t.saga_id::text AS saga_id, saga.business_key, saga.started_at
FROM schedule_tick t JOIN schedule s ON s.id = t.schedule_id LEFT JOIN saga ON saga.id = t.saga_id"""


def _true(row: Mapping[str, object], wanted: Mapping[str, str]) -> bool:
    at_us = row["at"]
    assert isinstance(at_us, int)
    tick = f"{row['name']}@{tick_text(at_us)}"
    same = (wanted.get(str(row["saga_id"])), row["business_key"]) == (tick, tick)
    return same and (row["outcome"], row["source"], row["phase"]) == ("fired", "calendar", "COMPLETED")


@dataclass(frozen=True, slots=True)
class Lateness:
    """Of sagas behind their ticks, in seconds."""

    p50_s: float
    p99_s: float
    most_s: float
    of: int
    left_out: int
    """Ticks that fell into the times that are not counted."""


async def lateness(shop: Shop, apart_us: Sequence[tuple[int, int]]) -> Lateness:
    """Of all ticks but those that fell into these times."""
    rows = await sql.rows(shop.database, _TICKS)
    counted = [row for row in rows if not any(from_us <= row["at"] <= until_us for from_us, until_us in apart_us)]
    late_s = sorted((row["started_at"] - row["at"]) / 1e6 for row in counted) or [math.nan]
    return Lateness(late_s[len(late_s) // 2], late_s[len(late_s) * 99 // 100], late_s[-1], len(counted), len(rows) - len(counted))
