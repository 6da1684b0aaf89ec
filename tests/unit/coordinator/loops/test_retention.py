"""The retention loop: at what pace it goes, when it makes way, and what it does about trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from saga_coordinator.archive.port import ArchiveError
from saga_coordinator.definitions import lint
from saga_coordinator.loops.retention import BATCH_ROWS, ELSEWHERE_S, IDLE_S, LATE_ROWS, LOADED_S, TROUBLE_S, RetentionLoop
from saga_coordinator.retention.removal import BATCH_SAGAS, Taken
from saga_coordinator.store.horizon_port import StoredHorizon
from saga_coordinator.store.port import DefinitionRow, StoreError
from saga_coordinator.store.removal_port import FinishedOf, FinishedSaga, Removed
from saga_coordinator.telemetry.instruments import Instruments
from saga_schemas.horizon import Horizon
from support.coordinators import settings_for
from support.definition_rows import definition_row
from support.hand_clock import HandClock, going
from unit.coordinator.definitions.spoil import SOUND, trip_catalog

DAY_US = 86_400_000_000
NOW_US = 100 * DAY_US
ALL_US = 10**18


def saga(number: int, closed_at_us: int = 0) -> FinishedSaga:
    return FinishedSaga(
        id=UUID(int=number),
        tenant="default",
        definition="order",
        definition_version=1,
        business_key=None,
        phase="COMPLETED",
        trace_id="0" * 32,
        started_at_us=0,
        closed_at_us=closed_at_us,
        shelf=0,
    )


class Database:
    """The store and the removal of a loop, by a hand-moved clock."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.mine = True
        self.horizon_us = ALL_US
        self.recovering = False
        self.late = 0
        self.sagas: list[FinishedSaga] = []
        self.looks = 0
        self.raises: Exception | None = None
        self.held: set[UUID] = set()
        self.taken: list[tuple[float, int]] = []
        self.settled = 0
        self.settled_before_us: list[int] = []

    @asynccontextmanager
    async def retention_lock(self) -> AsyncIterator[bool]:
        yield self.mine

    async def now_us(self) -> int:
        return NOW_US + int((self.clock.now_s - 1_000.0) * 1e6)

    async def horizon(self, tenant: str) -> StoredHorizon:
        return StoredHorizon(
            starts_from_ms=0,
            horizon=Horizon(below_ms=self.horizon_us // 1000, exceptions=frozenset()),
            stored_at_us=0,
            announced_at_us=None,
            recovering=self.recovering,
        )

    async def outbox_shards(self, before_us: int) -> list[int]:
        return [3] if self.late else []

    async def outbox_older_than(self, shard: int, before_us: int, limit: int) -> list[int]:
        return [0] * min(self.late, limit)

    async def finished(self, which: FinishedOf, *, after: tuple[int, UUID] | None, limit: int) -> list[FinishedSaga]:
        self.looks += 1
        found = [one for one in self.sagas if which.shelf == 0 and one.closed_at_us < which.before_us]
        return [one for one in found if after is None or (one.closed_at_us, one.id) > after][:limit]

    async def give_back(self) -> int:
        return 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        yield self

    async def remove_old(self, table: str, tenant: str, before_us: int, limit: int) -> int:
        return 0

    async def remove_kept_keys(self, tenant: str, limit: int) -> int:
        return 0

    async def remove_settled(self, tenant: str, horizon: Horizon, before_us: int, limit: int) -> int:
        self.settled_before_us.append(before_us)
        count = min(self.settled, limit)
        self.settled -= count
        return count

    async def oldest(self, table: str, tenant: str) -> int | None:
        return None

    async def take(self, action: str, sagas: Sequence[FinishedSaga], terms: object) -> Taken:
        if self.raises is not None:
            raise self.raises
        gone = [one for one in sagas if one.id not in self.held]
        self.sagas = [one for one in self.sagas if one not in gone]
        self.taken.append((self.clock.now_s, len(gone)))
        stayed = len(sagas) - len(gone)
        removed = Removed(sagas=tuple(one.id for one in gone), rows=9 * len(gone), held={"untraced": stayed} if stayed else {})
        return Taken(looked_at=sagas, removed=removed)


class Definitions:
    def rows(self) -> list[DefinitionRow]:
        document = lint(SOUND, "trip", trip_catalog()).required().canonical
        return [definition_row("order", document)]


class Bench:
    def __init__(self, **settings: object) -> None:
        self.clock = HandClock()
        self.database = Database(self.clock)
        self.instruments = Instruments()
        store: Any = self.database
        self.loop = RetentionLoop(
            store=store,
            definitions=cast(Any, Definitions()),
            removal=store,
            settings=settings_for("sqlite+aiosqlite:///x.db", **settings),
            clock=self.clock,
            instruments=self.instruments,
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        return going(self.loop.run(), self.clock)

    def value(self, name: str, **labels: str) -> float:
        return self.instruments.registry.get_sample_value(name, labels) or 0.0


async def test_it_goes_at_the_rate_that_is_set() -> None:
    bench = Bench(retention_rate=50)
    bench.database.sagas = [saga(n) for n in range(3 * BATCH_SAGAS)]
    async with bench.running():
        for _ in range(30):
            await bench.clock.move(0.5)
    assert [count for _, count in bench.database.taken] == [BATCH_SAGAS] * 3
    times = [at for at, _ in bench.database.taken]
    assert [round(later - at, 1) for at, later in pairwise(times)] == [2.0, 2.0]
    assert bench.value("saga_retention_removed_total", kind="saga") == 3 * BATCH_SAGAS
    assert bench.value("saga_retention_removed_rows_total") == 27 * BATCH_SAGAS


async def test_nothing_is_asked_before_the_first_saga_is_due() -> None:
    bench = Bench()
    bench.database.sagas = [saga(1, NOW_US - 30 * DAY_US + int(9.5 * IDLE_S * 1e6))]
    async with bench.running():
        asked = bench.database.looks
        for _ in range(9):
            await bench.clock.move(IDLE_S)
        assert bench.database.looks == asked
        assert bench.database.taken == []
        await bench.clock.move(IDLE_S)
        assert len(bench.database.taken) == 1


async def test_another_instance_removes() -> None:
    bench = Bench()
    bench.database.mine = False
    bench.database.sagas = [saga(1)]
    async with bench.running():
        await bench.clock.move(ELSEWHERE_S * 3)
        assert bench.database.taken == []
        bench.database.mine = True
        await bench.clock.move(ELSEWHERE_S)
        assert len(bench.database.taken) == 1


@pytest.mark.parametrize(("late", "waits"), [(LATE_ROWS, True), (LATE_ROWS - 1, False)])
async def test_it_waits_while_messages_pile_up_and_not_for_a_few_that_are_refused(late: int, waits: bool) -> None:
    bench = Bench()
    bench.database.sagas = [saga(1)]
    bench.database.late = late
    async with bench.running():
        await bench.clock.move(LOADED_S)
        assert (bench.database.taken == []) is waits
        bench.database.late = 0
        await bench.clock.move(LOADED_S)
        assert len(bench.database.taken) == 1


@pytest.mark.parametrize(
    ("error", "cause", "note"),
    [
        (ArchiveError("the disk is full"), "archive", "archive: the disk is full"),
        (StoreError("no route"), "store", "store: no route"),
    ],
)
async def test_trouble_is_told_once_and_tried_again_ever_later(error: Exception, cause: str, note: str) -> None:
    bench = Bench()
    bench.database.sagas = [saga(1, NOW_US - 40 * DAY_US)]
    bench.database.raises = error
    with capture_logs() as told:
        async with bench.running():
            for pause_s in (TROUBLE_S, TROUBLE_S * 2, TROUBLE_S * 4):
                await bench.clock.move(pause_s)
            assert bench.value("saga_retention_failures_total", cause=cause) == 4
            assert bench.instruments.retention_trouble == note
            assert bench.value("saga_retention_lag_seconds") >= 10 * DAY_US / 1e6
            assert bench.instruments.loops.stuck() == {}, "an instance that cannot remove does its work"
            bench.database.raises = None
            for pause_s in (TROUBLE_S * 8, 1.0, 1.0):
                await bench.clock.move(pause_s)
            assert bench.instruments.retention_trouble is None
            assert bench.value("saga_retention_lag_seconds") == 0
    assert [line["event"] for line in told] == ["retention_waits", "retention_goes_on"]


async def test_sagas_that_are_held_are_passed_over_and_looked_at_again() -> None:
    bench = Bench()
    bench.database.sagas = [saga(n, n) for n in range(BATCH_SAGAS + 3)]
    bench.database.held = {UUID(int=n) for n in range(BATCH_SAGAS)}
    async with bench.running():
        for _ in range(3):
            await bench.clock.move(1.0)
        assert len(bench.database.sagas) == BATCH_SAGAS
        assert bench.value("saga_retention_held_sagas", why="untraced") == BATCH_SAGAS
        assert bench.value("saga_retention_lag_seconds") > 0
        bench.database.held = set()
        for _ in range(3):
            await bench.clock.move(IDLE_S)
        assert bench.database.sagas == []


@pytest.mark.parametrize(("horizon_us", "before_us"), [(90 * DAY_US, 70 * DAY_US), (60 * DAY_US, 60 * DAY_US)])
async def test_settled_effects_go_as_the_audit_does_and_none_before_the_horizon_lets_it(horizon_us: int, before_us: int) -> None:
    bench = Bench(retention_audit="30d")
    bench.database.horizon_us = horizon_us
    bench.database.settled = BATCH_ROWS + 7
    async with bench.running():
        for _ in range(3):
            await bench.clock.move(BATCH_ROWS / 100)
        assert bench.database.settled_before_us[0] == before_us
        assert len(bench.database.settled_before_us) == 2, "nobody looks again at once"
        assert bench.value("saga_retention_removed_total", kind="lost_effect") == BATCH_ROWS + 7
        await bench.clock.move(IDLE_S)
        assert len(bench.database.settled_before_us) == 3


async def test_settled_effects_are_kept_for_ever_where_the_audit_is() -> None:
    bench = Bench(retention_audit="never")
    bench.database.settled = 1
    async with bench.running():
        await bench.clock.move(IDLE_S)
    assert bench.database.settled == 1


async def test_a_saga_that_is_due_waits_for_the_horizon_and_is_asked_for_no_more_than_that_rises() -> None:
    bench = Bench(horizon_interval="1m")
    bench.database.sagas = [saga(1, NOW_US - 40 * DAY_US)]
    bench.database.horizon_us = NOW_US - 40 * DAY_US
    async with bench.running():
        asked = bench.database.looks
        for _ in range(59):
            await bench.clock.move(1.0)
        assert bench.database.taken == []
        assert bench.database.looks == asked
        assert bench.value("saga_retention_lag_seconds") == 0, "it is kept for as long as the horizon says"
        bench.database.horizon_us += 1_000
        for _ in range(5):
            await bench.clock.move(60.0)
        assert len(bench.database.taken) == 1


async def test_nothing_goes_while_a_restore_is_dealt_with_and_the_instance_says_why() -> None:
    bench = Bench()
    bench.database.sagas = [saga(1)]
    bench.database.recovering = True
    async with bench.running():
        await bench.clock.move(LOADED_S)
        assert bench.database.taken == []
        assert "saga recover status" in (bench.instruments.retention_trouble or "")
        bench.database.recovering = False
        for _ in range(3):
            await bench.clock.move(LOADED_S)
        assert len(bench.database.taken) == 1
        assert bench.instruments.retention_trouble is None
