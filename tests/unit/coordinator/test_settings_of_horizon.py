"""The settings of the horizon: their defaults, and what makes no sense."""

from __future__ import annotations

import pytest

from saga_coordinator.settings import Settings
from saga_messaging.errors import ConfigurationError

ENVIRONMENT = {"SAGA_DATABASE_URL": "sqlite+aiosqlite:///saga.db", "SAGA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}


def test_a_week_five_minutes_and_ten_are_the_defaults() -> None:
    terms = Settings.from_env(ENVIRONMENT).horizon
    assert (terms.restore_window_ms, terms.clock_skew_ms, terms.interval_ms) == (604_800_000, 300_000, 600_000)


def test_nothing_but_the_expiry_of_commands_may_be_waited_for() -> None:
    short = {"SAGA_HORIZON_RESTORE_WINDOW": "0s", "SAGA_HORIZON_CLOCK_SKEW": "0s", "SAGA_HORIZON_INTERVAL": "1s"}
    terms = Settings.from_env(ENVIRONMENT | short).horizon
    assert (terms.restore_window_ms, terms.clock_skew_ms, terms.interval_ms) == (0, 0, 1_000)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("SAGA_HORIZON_RESTORE_WINDOW", "never", "write a whole number with a unit"),
        ("SAGA_HORIZON_RESTORE_WINDOW", "7", "write a whole number with a unit"),
        ("SAGA_HORIZON_CLOCK_SKEW", "-5m", "write a whole number with a unit"),
        ("SAGA_HORIZON_INTERVAL", "0s", "at least 1s and at most 1d"),
        ("SAGA_HORIZON_INTERVAL", "999ms", "at least 1s and at most 1d"),
        ("SAGA_HORIZON_INTERVAL", "25h", "at least 1s and at most 1d"),
        ("SAGA_HORIZON_INTERVAL", "often", "write a whole number with a unit"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_name(name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: .*{said}"):
        Settings.from_env(ENVIRONMENT | {name: text})
