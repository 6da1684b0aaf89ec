"""A spoilt cell is measured again, so often and no oftener; open loops follow the closed ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bars import FLOOR, OURS
from cells import Cell
from pace import Pace
from plan import Plan, Row
from rounds import Rounds

from support.benchmark_cells import CELL

PLAN = Plan(rows=(Row(OURS, (1, 64), open_loop=True), Row(FLOOR, (64,))), rounds=2, seconds=1, warm_up_s=0, further_warm_up_s=0)


class Measuring:
    """Each cell is spoilt so often before it is not. Throughput is the number in flight."""

    def __init__(self, spoilt: int) -> None:
        self.spoilt = spoilt
        self.asked: list[tuple[str, int, float | None]] = []

    async def __call__(self, name: str, pace: Pace) -> Cell:
        key = (name, pace.in_flight, pace.per_s)
        self.asked.append(key)
        foreign = 0.5 if self.asked.count(key) <= self.spoilt else 0.0
        return replace(
            CELL,
            system=name,
            in_flight=pace.in_flight,
            offered_per_s=pace.per_s,
            sagas_per_s=float(pace.in_flight),
            foreign=foreign,
        )


async def test_each_round_ends_with_an_open_loop_at_a_share_of_the_most() -> None:
    measuring = Measuring(spoilt=0)

    first, second = await Rounds(PLAN, measuring).all()

    assert set(first.closed) == set(second.closed) == {(OURS, 1), (OURS, 64), (FLOOR, 64)}
    assert first.open[OURS].offered_per_s == pytest.approx(0.6 * 64)
    assert [name for name, in_flight, _ in measuring.asked if in_flight == 64] == [OURS, FLOOR, FLOOR, OURS]


@pytest.mark.parametrize(("again_in_all", "asked", "unspoilt"), [(12, 12, 4), (3, 7, 1), (0, 4, 0)])
async def test_a_spoilt_cell_is_measured_again_while_the_run_may(again_in_all: int, asked: int, unspoilt: int) -> None:
    measuring = Measuring(spoilt=2)

    (found,) = await Rounds(replace(PLAN, rounds=1, again_in_all=again_in_all), measuring).all()

    cells = [*found.closed.values(), *found.open.values()]
    assert len(measuring.asked) == asked
    assert sum(not cell.spoilt for cell in cells) == unspoilt
