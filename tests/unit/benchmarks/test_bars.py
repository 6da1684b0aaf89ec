"""A bar is met by the median of the rounds' ratios, and one that was not measured is missed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bars import FLOOR, OURS, Bar, judged, sagas_per_s
from cells import Cell

CELL = Cell(
    system=OURS,
    in_flight=64,
    sagas=100,
    sagas_per_s=100.0,
    p50_ms=1.0,
    p95_ms=2.0,
    p99_ms=3.0,
    cpu_ms={"coordinator": 1.0, "PostgreSQL": 0.5},
    commits=1.0,
    fsyncs=1.0,
    wal_bytes=1.0,
    kafka_bytes=1.0,
    rss_mb={"coordinator": 100.0},
    foreign=0.0,
    steal=0.0,
    phases={"COMPLETED": 90, "COMPENSATED": 10},
)
BAR = Bar(64, "sagas/s", sagas_per_s, FLOOR, at_least=0.65)


def one_round(ours: float, floor: float) -> dict[tuple[str, int], Cell]:
    return {(OURS, 64): replace(CELL, sagas_per_s=ours), (FLOOR, 64): replace(CELL, sagas_per_s=floor)}


@pytest.mark.parametrize(
    ("ours", "met"), [((60, 66, 70), True), ((60, 64, 70), False), ((65, 65, 65), True)], ids=["met", "missed", "just met"]
)
def test_the_median_decides(ours: tuple[float, ...], met: bool) -> None:
    (found,) = judged([one_round(each, 100) for each in ours], [BAR])
    assert found.met is met
    assert f"{sorted(ours)[1] / 100:.2f} of the floor" in found.line()


def test_what_was_not_measured_is_not_met() -> None:
    (found,) = judged([{(OURS, 64): CELL}], [BAR])
    assert not found.met
    assert "not measured" in found.line()


@pytest.mark.parametrize(("foreign", "steal", "spoilt"), [(0.09, 0.01, False), (0.11, 0.0, True), (0.0, 0.03, True)])
def test_a_cell_that_others_worked_in_is_spoilt(foreign: float, steal: float, spoilt: bool) -> None:
    cell = replace(CELL, foreign=foreign, steal=steal)
    assert cell.spoilt is spoilt
    assert cell.as_json()["cpu_ms_in_all"] == 1.5
