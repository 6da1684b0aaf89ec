"""The overview of a situation: shares, percentiles, what is usual, and what a chart shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.views.open_waits import waits
from saga_coordinator.views.overview import YOUNG_S, overview
from saga_coordinator.views.words import duration, listed, many, number, percent, size
from support.situations import NOW_US, Counting, figures, situation, waiting


def test_shares_and_percentiles_stand_beside_what_is_usual() -> None:
    now = Counting().started(12).ended(count=8, took_ms=200).ended("COMPENSATED", 2, took_ms=2_000)
    usual = Counting().started(86_400 // 100).ended(count=99).ended("FORCED", 1)
    found = overview(situation(now, usual=usual))

    assert (found.over_time.started, found.over_time.ended) == (12, 10)
    assert (found.over_time.completed, found.over_time.compensated, found.over_time.forced) == (0.8, 0.2, 0.0)
    assert found.over_time.p50_ms == pytest.approx(200, rel=0.05)
    assert found.over_time.p95_ms == pytest.approx(2_000, rel=0.05)
    assert (found.usual.started_per_s, found.usual.forced) == (0.01, 0.01)


def test_where_nothing_ended_no_share_is_told() -> None:
    found = overview(situation())
    assert (found.over_time.completed, found.over_time.p95_ms, found.usual.compensated) == (None, None, None)
    assert (found.well, found.sentence) == (True, "all is well, and nothing runs")


def test_rates_are_of_what_has_passed_of_the_last_minute() -> None:
    found = overview(situation(Counting().started(60, ago=1).started(60, ago=0)))
    assert (found.rates.step_s, len(found.rates.at)) == (60, 60)
    assert found.rates.started[-2:] == (1.0, 2.0)


def test_a_minute_that_is_too_young_is_not_drawn() -> None:
    young = replace(situation(Counting().started(60, ago=1)), now_us=NOW_US - 30_000_000 + round((YOUNG_S - 1) * 1e6))
    found = overview(young)
    assert (len(found.rates.at), found.rates.started[-1]) == (59, 1.0)


def test_a_definition_waits_for_whom_something_is_wrong_with() -> None:
    failing = Counting().answered("FAILED", "bank_down", 9)
    found = overview(situation(failing, waits=waiting(sagas=4), figures=figures(sagas_by_phase={("order", "RUNNING"): 4})))
    (order,) = found.definitions
    assert (order.version, order.open, order.waits_for) == (3, 4, ("payment",))
    payment = next(one for one in found.participants if one.name == "payment")
    assert (payment.waiting, payment.succeeded, payment.troubles) == (4, 0.0, ("participant_fails",))
    assert [(line.outcome, line.code, line.share) for line in payment.codes] == [("FAILED", "bank_down", 1.0)]
    assert overview(situation(failing)).definitions[0].waits_for == (), "no saga of it waits"


def test_more_codes_than_are_shown_are_one_line() -> None:
    counting = Counting()
    for place in range(14):
        counting.answered("REJECTED", f"code-{place:02}", 20 - place)
    payment = next(one for one in overview(situation(counting)).participants if one.name == "payment")
    assert [line.code for line in payment.codes][-2:] == ["code-09", "other"]
    assert payment.codes[-1].count == 10 + 9 + 8 + 7


def test_a_sample_is_scaled_to_all_open_sagas_and_says_so() -> None:
    whole = waiting(sagas=50, code="bank_down")
    sample = list(whole.of["payment"].longest)
    found = waits(sample, 20, 200)
    assert (found.of["payment"].sagas, found.of["payment"].codes, found.exact) == (200, {"bank_down": 200}, False)
    assert (whole.of["payment"].sagas, whole.exact) == (50, True)


def test_numbers_are_written_for_people() -> None:
    assert [percent(share) for share in (0, 0.0001, 0.038, 0.61, 0.962, 0.9999, 1)] == [
        "0",
        "< 0.1 %",
        "3.8 %",
        "61 %",
        "96.2 %",
        "> 99.9 %",
        "100 %",
    ]
    assert [duration(us) for us in (40, 1_900, 41_000, 1_400_000, 62_000_000, 7_500_000_000, 260_000_000_000)] == [
        "40 µs",
        "1.9 ms",
        "41 ms",
        "1.4 s",
        "1 min",
        "2.1 h",
        "3 d",
    ]
    assert [size(count) for count in (12, 4_200_000_000, 310_000)] == ["12 B", "4.2 GB", "310 kB"]
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])] == ["a", "a and b", "a, b, c and 2 more"]
    assert [many(1, "saga"), many(1_200, "saga"), number(42.13), number(1284)] == ["1 saga", "1,200 sagas", "42.1", "1,284"]
