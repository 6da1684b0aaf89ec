"""Times, durations and numbers as people read them."""

from __future__ import annotations

import pytest

from saga_coordinator.console import formatting
from saga_coordinator.engine.state import Phase, Status

S = 1_000_000
NOW = 1_790_000_000 * S


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (NOW, "now"),
        (NOW - 5 * S, "5 s ago"),
        (NOW - 720 * S, "12 min ago"),
        (NOW - 7_300 * S, "2 h ago"),
        (NOW - 200_000 * S, "2 d ago"),
        (NOW + 3 * 3600 * S, "in 3 h"),
    ],
)
def test_relative_times(us: int, words: str) -> None:
    assert formatting.relative(us, NOW) == words


def test_a_time_has_the_absolute_one_beside_it() -> None:
    shown = formatting.ago("2026-11-29T14:02:11.118Z", formatting.moment_us("2026-11-29T14:14:12Z"))

    assert shown == ('<time datetime="2026-11-29T14:02:11.118+00:00" title="2026-11-29 14:02:11.118 UTC">12 min ago</time>')
    assert formatting.ago(None) == "–"


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.4, "0.4 ms"),
        (184, "184 ms"),
        (1_200, "1.2 s"),
        (271_000, "4 min 31 s"),
        (240_000, "4 min"),
        (11_520_000, "3 h 12 min"),
        (187_200_000, "2 d 4 h"),
    ],
)
def test_durations(ms: float | None, words: str) -> None:
    assert formatting.duration(ms) == words


def test_numbers_rates_and_shares() -> None:
    assert [formatting.number(n) for n in (None, 0, 1284)] == ["–", "0", "1,284"]
    assert [formatting.rate(n) for n in (None, 0, 0.023, 4.21, 1234.5)] == ["–", "0 /s", "0.02 /s", "4.2 /s", "1,234 /s"]
    assert [formatting.share(n) for n in (None, 0, 0.9616, 1)] == ["–", "0 %", "96.2 %", "100 %"]


def test_every_phase_and_status_has_a_shape_and_a_word() -> None:
    assert set(formatting.PHASES) == {phase.value for phase in Phase}
    assert set(formatting.STATUSES) == {status.value for status in Status}
