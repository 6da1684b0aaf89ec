"""A bar is met by the median of the rounds' ratios, and one that was not measured is missed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bars import (
    BARS,
    BEST_PEER,
    BEST_PEER_ANYWHERE,
    DTM,
    FLOOR,
    LIMITS,
    OURS,
    RESTATE,
    THE_FLOOR,
    Bar,
    coordinator_mb,
    cpu_ms,
    judged,
    sagas_per_s,
)
from cells import Cell

from support.benchmark_cells import CELL

BAR = Bar(64, "sagas/s", sagas_per_s, THE_FLOOR, at_least=0.65)


def one_round(ours: float, floor: float) -> dict[tuple[str, int], Cell]:
    return {(OURS, 64): replace(CELL, sagas_per_s=ours), (FLOOR, 64): replace(CELL, sagas_per_s=floor)}


@pytest.mark.parametrize(
    ("ours", "met"), [((60, 66, 70), True), ((60, 64, 70), False), ((65, 65, 65), True)], ids=["met", "missed", "just met"]
)
def test_the_median_decides(ours: tuple[float, ...], met: bool) -> None:
    (found,) = judged([one_round(each, 100) for each in ours], [BAR])
    assert found.met is met
    assert f"{sorted(ours)[1] / 100:.2g} x the floor" in found.line()


def test_what_was_not_measured_is_not_met() -> None:
    (found,) = judged([{(OURS, 64): CELL}], [BAR])
    assert not found.met
    assert found.line().startswith("not measured")


PEERS_ROUND = {
    (OURS, 64): replace(CELL, sagas_per_s=300.0, cpu_ms={"all": 2.0}),
    (DTM, 64): replace(CELL, sagas_per_s=100.0, cpu_ms={"all": 9.0}),
    (RESTATE, 64): replace(CELL, sagas_per_s=150.0, cpu_ms={"all": 8.0}),
    (DTM, 16): replace(CELL, sagas_per_s=200.0, cpu_ms={"all": 5.0}),
}


@pytest.mark.parametrize(
    ("bar", "figure"),
    [
        (Bar(64, "sagas/s", sagas_per_s, BEST_PEER, at_least=2), 2.0),
        (Bar(64, "sagas/s", sagas_per_s, BEST_PEER_ANYWHERE, at_least=2), 1.5),
        (Bar(64, "CPU", cpu_ms, BEST_PEER, at_most=0.5), 0.25),
        (Bar(64, "CPU", cpu_ms, BEST_PEER_ANYWHERE, at_most=0.5), 0.4),
    ],
    ids=["quickest there", "quickest anywhere", "cheapest there", "cheapest anywhere"],
)
def test_the_best_of_the_peers_counts(bar: Bar, figure: float) -> None:
    (found,) = judged([PEERS_ROUND], [bar])
    assert found.figure == pytest.approx(figure)


def test_a_bar_against_peers_says_who_measures_it() -> None:
    (found,) = judged([one_round(60, 100)], [Bar(64, "sagas/s", sagas_per_s, BEST_PEER, at_least=2)])
    assert not found.met
    assert found.line().startswith("make bench-peers")


@pytest.mark.parametrize(("most", "met"), [(99.0, False), (100.0, True)])
def test_a_figure_of_ours_alone_is_a_bar_too(most: float, met: bool) -> None:
    (found,) = judged([{(OURS, 64): CELL}], [Bar(64, "memory", coordinator_mb, at_most=most, unit=" MB")])
    assert found.met is met
    assert "100 MB" in found.line()


def test_the_limits_of_the_short_form_are_twice_as_generous_as_the_bars() -> None:
    for limit in LIMITS:
        beside = [bar for bar in BARS if (bar.what, bar.other) == (limit.what, limit.other)]
        assert beside
        assert all(limit.at_most and bar.at_most and limit.at_most >= 2 * bar.at_most for bar in beside)


@pytest.mark.parametrize(("foreign", "steal", "spoilt"), [(0.09, 0.01, False), (0.11, 0.0, True), (0.0, 0.03, True)])
def test_a_cell_that_others_worked_in_is_spoilt(foreign: float, steal: float, spoilt: bool) -> None:
    assert replace(CELL, foreign=foreign, steal=steal).spoilt is spoilt
