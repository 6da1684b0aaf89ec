"""Settings of retention that contradict each other end the process with one line."""

from __future__ import annotations

import pytest

from saga_coordinator.definitions.retention import FOREVER
from saga_coordinator.settings import Settings
from saga_messaging.errors import ConfigurationError

BASE = {"SAGA_DATABASE_URL": "sqlite+aiosqlite:///saga.db", "SAGA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
DAY = 86_400_000


def settings(**more: str) -> Settings:
    return Settings.from_env({**BASE, **{f"SAGA_RETENTION_{name.upper()}": text for name, text in more.items()}})


def test_by_default_sagas_go_after_thirty_days_and_what_people_may_ask_for_after_400() -> None:
    terms = settings().retention
    assert (terms.sagas_ms, terms.journals_ms, terms.keys_ms, terms.marked_ms) == (30 * DAY, 30 * DAY, 30 * DAY, 400 * DAY)
    assert (settings().letters_kept_ms, settings().audit_kept_ms, settings().ticks_kept_ms) == (30 * DAY, 400 * DAY, 400 * DAY)


def test_each_is_turned_off_by_never_or_nought() -> None:
    assert settings(sagas="never", dead_letters="0", audit="never").retention.sagas_ms == FOREVER
    assert settings(dead_letters="0").letters_kept_ms == FOREVER
    assert settings(audit="never").audit_kept_ms == FOREVER
    assert settings(ticks="never").ticks_kept_ms == FOREVER


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sagas": "soon"}, "SAGA_RETENTION_SAGAS: write a whole number with a unit"),
        ({"audit": "30"}, "SAGA_RETENTION_AUDIT: write a whole number with a unit"),
        ({"rate": "0"}, "SAGA_RETENTION_RATE"),
        ({"journals": "31d"}, "SAGA_RETENTION_JOURNALS is longer than SAGA_RETENTION_SAGAS"),
        ({"journals": "never"}, "SAGA_RETENTION_JOURNALS is longer than SAGA_RETENTION_SAGAS"),
        ({"keys": "29d"}, "SAGA_RETENTION_KEYS is shorter than SAGA_RETENTION_SAGAS"),
        ({"sagas": "never", "keys": "400d"}, "SAGA_RETENTION_KEYS is shorter than SAGA_RETENTION_SAGAS"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(**given)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
