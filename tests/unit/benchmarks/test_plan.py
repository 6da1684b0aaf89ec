"""In each round the systems take turns at every number in flight."""

from __future__ import annotations

import pytest
from bars import BARS, LIMITS, OURS, PEERS, Bar
from performance_page import ORDER
from plan import FULL, PEERS_TOO, SHORT, Plan

PLANS = pytest.mark.parametrize("plan", [FULL, PEERS_TOO, SHORT], ids=["full", "peers", "short"])


@PLANS
def test_every_round_measures_the_same_cells(plan: Plan) -> None:
    wanted = sorted((row.system, level) for row in plan.rows for level in row.levels)

    assert all(sorted(plan.cells(turn)) == wanted for turn in range(3))


def test_another_system_begins_in_each_round() -> None:
    began = [next(system for system, level in FULL.cells(turn) if level == 64) for turn in range(3)]

    assert len(set(began)) == 3


@pytest.mark.parametrize(
    ("plan", "bars"),
    [(FULL, [bar for bar in BARS if not bar.of_peers]), (PEERS_TOO, BARS), (SHORT, LIMITS)],
    ids=["full", "peers", "short"],
)
def test_a_plan_measures_what_its_bars_need(plan: Plan, bars: list[Bar]) -> None:
    cells = set(plan.cells(0))
    needed = {(OURS, bar.in_flight) for bar in bars} | {
        (system, bar.in_flight) for bar in bars if bar.other and not bar.other.at_any_load for system in bar.other.systems
    }

    assert needed - cells == set()


def test_the_peers_are_measured_at_the_load_of_every_bar_they_are_in() -> None:
    assert {row.system for row in PEERS_TOO.rows} - {row.system for row in FULL.rows} == set(PEERS)


def test_every_run_keeps_to_the_time_it_is_said_to_take() -> None:
    assert [plan.minutes < limit for plan, limit in ((FULL, 20), (PEERS_TOO, 32), (SHORT, 2.5))] == [True, True, True]


def test_the_page_shows_every_system_of_a_run() -> None:
    assert set(ORDER) == {row.system for row in PEERS_TOO.rows}


def test_a_trial_is_a_part_of_the_plan() -> None:
    trial = FULL.narrowed(systems=[OURS], levels=[1, 64], rounds=1, seconds=3)

    assert list(trial.cells(0)) == [(OURS, 1), (OURS, 64)]
    assert trial.seconds == 3
    assert trial.warm_up_s / FULL.warm_up_s == pytest.approx(3 / FULL.seconds)
