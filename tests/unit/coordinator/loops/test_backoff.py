"""The pauses of a loop that fails."""

from __future__ import annotations

from saga_coordinator.failures import Backoff


def test_pauses_double_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(0.5, 3.0)
    assert not backoff.failing
    assert [backoff.failed() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff.failing
    backoff.succeeded()
    assert not backoff.failing
    assert backoff.failed() == 0.5
