"""What the page of the machine makes of figures and positions; and settings without secrets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.console.pages.machine import reading, waits
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import Figures, Position
from saga_messaging.settings import KafkaSettings

NOW_US = 1_000_000_000
CALM = Figures(
    sagas_by_phase={},
    outbox_depth=0,
    outbox_oldest_at_us=None,
    wakeup_earliest_due_us=NOW_US + 5_000_000,
    attention_by_reason={},
    dead_letters=3,
    inbox=0,
    spans_due=0,
    spans_oldest_at_us=None,
    now_us=NOW_US,
)


def test_nothing_is_late_where_nothing_waits() -> None:
    assert [one.what for one in waits(CALM) if one.late] == []


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"outbox_depth": 1, "outbox_oldest_at_us": NOW_US - 20_000_000}, "outbox"),
        ({"wakeup_earliest_due_us": NOW_US - 20_000_000}, "timers"),
        ({"spans_due": 1, "spans_oldest_at_us": NOW_US - 90_000_000}, "spans"),
    ],
)
def test_what_waits_too_long_is_late(changed: dict[str, int], what: str) -> None:
    assert [one.what for one in waits(replace(CALM, **changed)) if one.late] == [what]  # type: ignore[arg-type]


def position(topic: str, partition: int, caught_up_at_us: int | None) -> Position:
    return Position(
        topic=topic,
        partition=partition,
        next_offset=partition * 10,
        last_print=None,
        anchor_offset=None,
        anchor_print=None,
        caught_up_at_us=caught_up_at_us,
    )


def test_a_topic_is_caught_up_when_its_last_partition_is() -> None:
    both, one = reading([position("b", 0, 5), position("a", 2, 9), position("a", 0, 7), position("b", 1, None)])

    assert (both.topic, both.offsets, both.caught_up_at_us) == ("a", [0, 20], 7)
    assert (one.topic, one.caught_up_at_us) == ("b", None)


def test_settings_are_shown_without_what_is_secret() -> None:
    settings = Settings.checked(
        database_url="postgresql+asyncpg://ada:hun@t/hunter2@db/saga?password=hunter3",
        token_keys="test:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        schema_registry_url="http://127.0.0.1:8081",
        schema_registry_user="user",
        schema_registry_password="hunter4",
        otlp_endpoint="http://u:hunter5@127.0.0.1:4317",
        kafka=KafkaSettings(
            bootstrap_servers="k:9092", security_protocol="SASL_SSL", sasl_username="user", sasl_password="hunter6"
        ),
    )

    shown = dict(settings.shown())

    assert shown["SAGA_DATABASE_URL"] == "postgresql+asyncpg://db/saga"
    assert shown["SAGA_OTLP_ENDPOINT"] == "http://127.0.0.1:4317"
    assert (shown["SAGA_KAFKA_BOOTSTRAP_SERVERS"], shown["SAGA_RETENTION_SAGAS"]) == ("k:9092", "30d")
    assert not any(secret in text for text in shown.values() for secret in ("hunter", "QUFB", "user"))
