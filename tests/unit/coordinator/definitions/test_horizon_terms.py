"""The horizon lags by the longest expiry of a definition, the clock skew and the restore window."""

from __future__ import annotations

import pytest

from saga_coordinator.definitions import lint
from saga_coordinator.definitions.horizon import HorizonTerms
from unit.coordinator.definitions.spoil import SOUND, trip_catalog

TERMS = HorizonTerms(restore_window_ms=1_000, clock_skew_ms=20, interval_ms=7)


def document(timeout: str) -> bytes:
    return lint(SOUND.replace("timeout: {step: 5s}", f"timeout: {timeout}"), "trip", trip_catalog()).required().canonical


@pytest.mark.parametrize(
    ("timeouts", "lag_ms"),
    [([], 1_020), (["{step: 5s}"], 3_601_020), (["{expiry: 2h}", "{expiry: 90m}"], 7_201_020), (["{expiry: 30m}"], 3_601_020)],
)
def test_it_is_the_sum_with_the_longest_expiry(timeouts: list[str], lag_ms: int) -> None:
    assert TERMS.lag_ms(map(document, timeouts)) == lag_ms


def test_with_a_definition_of_another_release_nobody_knows() -> None:
    assert TERMS.lag_ms([document("{step: 5s}"), b"{}"]) is None
