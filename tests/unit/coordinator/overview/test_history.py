"""The figures over time are read a piece at a time, and are those of the table all the same."""

from __future__ import annotations

from typing import Any, cast

from saga_coordinator.overview.history import ALL_AGAIN_S, OPEN_PERIODS, History
from saga_coordinator.store.overview_port import TrafficRow
from saga_coordinator.telemetry.traffic_figures import DefinitionFigures, encode
from saga_coordinator.views.traffic_periods import started, totalled
from support.hand_clock import HandClock


class Table:
    """Rows by minute, and how many were read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], TrafficRow] = {}
        self.read = 0

    def count(self, minute: int, starts: int, instance: str = "a") -> None:
        figures = encode(DefinitionFigures(started=starts))
        self.rows[minute, instance] = TrafficRow(
            minute=minute, minutes=1, instance=instance, kind="definition", name="order", figures=figures
        )

    async def traffic(self, _tenant: str, minutes: int, *, since: int, until: int) -> list[TrafficRow]:
        found = [row for row in self.rows.values() if since <= row.minute < until and row.minutes == minutes]
        self.read += len(found)
        return found


class Bench:
    def __init__(self) -> None:
        self.table, self.clock = Table(), HandClock()
        self.history = History(cast(Any, self.table), "default", self.clock)
        for minute in range(100, 160):
            self.table.count(minute, 1)

    async def starts(self, now: int) -> int:
        """Of the last sixty minutes, by the history; the parts it remembers are those of all."""
        periods = await self.history.periods(1, now - 59, now + 1)
        assert [period.minute for period in periods] == list(range(now - 59, now + 1))
        total = started(self.history.total(periods))
        assert total == started(totalled(periods))
        return total


async def test_all_is_read_once_and_then_only_what_may_change() -> None:
    bench = Bench()
    assert await bench.starts(159) == 60
    assert bench.table.read == 60
    bench.table.read = 0
    bench.table.count(159, 5)
    bench.table.count(159, 7, "b")
    bench.table.count(158, 2)
    assert await bench.starts(159) == 58 + 2 + 12
    assert bench.table.read == OPEN_PERIODS + 2


async def test_the_range_follows_the_clock() -> None:
    bench = Bench()
    await bench.starts(159)
    bench.table.count(160, 9)
    assert await bench.starts(160) == 59 + 9
    assert await bench.starts(165) == 54 + 9
    assert await bench.starts(400) == 0


async def test_what_an_instance_stored_late_is_seen_in_the_end() -> None:
    bench = Bench()
    await bench.starts(159)
    bench.table.count(120, 1, "b")
    assert await bench.starts(159) == 60
    await bench.clock.move(ALL_AGAIN_S)
    assert await bench.starts(159) == 61


async def test_a_clock_that_was_set_back_reads_all_again() -> None:
    bench = Bench()
    await bench.starts(159)
    bench.table.count(95, 4)
    assert await bench.starts(150) == 4 + 51
