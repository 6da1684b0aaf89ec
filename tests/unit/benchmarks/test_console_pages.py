"""What an open page costs, by pairs of windows."""

from __future__ import annotations

import pytest
from console_pages import EVERY_S, LIVE, ORDERS, PAIRS, SETTLE_S, costs

from saga_coordinator.console.live import TOPICS


def test_a_machine_that_grows_busier_and_one_disturbed_pair_do_not_move_the_cost() -> None:
    alone = [10.0, 12.0, 14.0, 16.0, 18.0]
    watched = [10.25, 12.25, 94.0, 16.25, 18.25]

    assert costs(alone, watched) == (pytest.approx(0.25), pytest.approx(0.25), pytest.approx(80.0))


def test_a_window_has_one_look_of_a_live_page_and_all_windows_take_five_minutes() -> None:
    window_s = ORDERS * EVERY_S

    assert window_s == TOPICS["overview"][1] == TOPICS["list"][1]
    assert len(LIVE) * PAIRS * 2 * (window_s + SETTLE_S) <= 320
