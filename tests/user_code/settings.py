"""A user's module: settings that are read and made in Python.

Checked as tests/unit/project/test_user_types.py says.
"""

import os
from typing import Literal, assert_type

from saga_coordinator.settings import Settings
from saga_messaging.errors import ConfigurationError
from saga_messaging.settings import KafkaSettings
from saga_participant.settings import ParticipantSettings

kafka = KafkaSettings(bootstrap_servers="127.0.0.1:9092", topic_prefix="blue.")
participant = ParticipantSettings(kafka=kafka, instance="till-1", log_level="debug", log_format="json", start_patience_s=5)
coordinator = Settings(database_url="sqlite+aiosqlite:///saga.db", kafka=kafka, port=8700, tenant="blue")


def read() -> None:
    try:
        settings = Settings.from_env(os.environ)
    except ConfigurationError as error:
        print(error)
        return
    assert_type(settings, Settings)
    assert_type(settings.database_url, str)
    assert_type(settings.port, int)
    assert_type(settings.kafka, KafkaSettings)
    assert_type(KafkaSettings.from_env(os.environ), KafkaSettings)
    assert_type(ParticipantSettings.from_env(os.environ).log_format, Literal["auto", "json", "console"])


def made_wrongly() -> None:
    ParticipantSettings()  # type: ignore[call-arg]
    ParticipantSettings(kafka=kafka, log_level="loud")  # type: ignore[arg-type]
    Settings(database_url="sqlite+aiosqlite:///saga.db", kafka="127.0.0.1:9092")  # type: ignore[arg-type]
    KafkaSettings(bootstrap_servers=["127.0.0.1:9092"])  # type: ignore[arg-type]
    KafkaSettings(servers="127.0.0.1:9092")  # type: ignore[call-arg]
