"""Which `SAGA_…` variables there are, what an unknown one is told, and what Kubernetes adds of its
own."""

from __future__ import annotations

import re

import pytest

from saga_cli import otlp
from saga_coordinator.settings import Settings
from saga_demo import settings as demo
from saga_messaging import environment
from saga_messaging.errors import ConfigurationError
from saga_messaging.settings import KafkaSettings, known_variables
from saga_participant.settings import ParticipantSettings
from support.paths import ROOT

PARTICIPANT = {"SAGA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
COORDINATOR = {**PARTICIPANT, "SAGA_DATABASE_URL": "sqlite+aiosqlite:///saga.db"}
LINKS = {
    "SAGA_PORT": "tcp://10.0.0.1:8700",
    "SAGA_SERVICE_HOST": "10.0.0.1",
    "SAGA_SERVICE_PORT": "8700",
    "SAGA_SERVICE_PORT_HTTP": "8700",
    "SAGA_PORT_8700_TCP": "tcp://10.0.0.1:8700",
    "SAGA_PORT_8700_TCP_PROTO": "tcp",
    "SAGA_PORT_8700_TCP_PORT": "8700",
    "SAGA_PORT_8700_TCP_ADDR": "10.0.0.1",
    "SAGA_COORDINATOR_PORT": "tcp://[fd00::1]:8700",
    "SAGA_COORDINATOR_SERVICE_HOST": "fd00::1",
    "SAGA_COORDINATOR_SERVICE_PORT": "8700",
    "SAGA_KAFKA_SERVICE_HOST": "10.0.0.2",
    "SAGA_KAFKA_PORT": "tcp://10.0.0.2:9092",
    "SAGA_KAFKA_PORT_9092_TCP_ADDR": "10.0.0.2",
}


def variables(fields: object) -> set[str]:
    return {f"SAGA_{name.upper()}" for name in fields if name != "kafka"}  # type: ignore[attr-defined]


def names(group: str) -> set[str]:
    return {f"SAGA_{name}" for name in group.split()}


def test_the_table_holds_what_the_processes_read_and_no_more() -> None:
    assert names(environment.KAFKA) == known_variables()
    assert names(environment.COORDINATOR) == variables(Settings.model_fields)
    assert names(environment.PARTICIPANT) == variables(ParticipantSettings.model_fields) | otlp.VARIABLES
    assert names(environment.DEMO) == {name for name in demo.VARIABLES if not re.fullmatch(r"SAGA_[A-Z]+_DATABASE_URL", name)} | {
        demo.SHARED_DATABASE
    }


def test_the_pages_name_every_variable_and_none_that_is_unknown() -> None:
    pages = [*ROOT.glob("docs/*.md"), ROOT / "README.md", *ROOT.glob("deploy/*.md"), *ROOT.glob("deploy/*.yaml")]
    named = set(re.findall(r"\bSAGA_[A-Z0-9_]*[A-Z0-9]\b(?!_)", "\n".join(page.read_text() for page in pages)))
    assert environment.NAMES - named == set()
    assert {name for name in named if name not in LINKS} <= environment.NAMES | {
        name for name in named if re.fullmatch(r"SAGA_(CI|TEST)_\w+|SAGA_\w+_DATABASE_URL", name)
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SAGA_KAFKA_SECURTY_PROTOCOL", "SAGA_KAFKA_SECURITY_PROTOCOL"),
        ("SAGA_KAFKA_SSL_CA_FILE", "SAGA_KAFKA_SSL_CAFILE"),
        ("SAGA_LOGLEVEL", "SAGA_LOG_LEVEL"),
        ("SAGA_DATABSE_URL", "SAGA_DATABASE_URL"),
        ("SAGA_INSTANCES", "SAGA_INSTANCE"),
        ("SAGA_WHATEVER_IT_IS", "docs/operations.md"),
    ],
)
def test_a_name_that_nobody_reads_ends_every_process_with_the_nearest_one(name: str, meant: str) -> None:
    for read, environ in ((Settings.from_env, COORDINATOR), (ParticipantSettings.from_env, PARTICIPANT)):
        with pytest.raises(ConfigurationError, match=rf"^{name} is not a setting: .*{meant}") as refused:
            read({**environ, name: "SSL"})
        assert "\n" not in str(refused.value)


def test_kafkas_settings_alone_refuse_a_misspelt_name_of_theirs_too() -> None:
    with pytest.raises(ConfigurationError, match="did you mean SAGA_KAFKA_SECURITY_PROTOCOL"):
        KafkaSettings.from_env({**PARTICIPANT, "SAGA_KAFKA_SECURITY_PROTOKOL": "SSL", "SAGA_WHATEVER": "x"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SAGA_LOG_LEVEL", "loud"),
        ("SAGA_LOG_FORMAT", "yaml"),
        ("SAGA_INSTANCE", "a b"),
        ("SAGA_START_PATIENCE_S", "-1"),
        ("SAGA_START_PATIENCE_S", "nan"),
    ],
)
def test_a_bad_value_ends_every_process_with_its_name(name: str, text: str) -> None:
    for read, environ in ((Settings.from_env, COORDINATOR), (ParticipantSettings.from_env, PARTICIPANT)):
        with pytest.raises(ConfigurationError, match=f"^{name}: "):
            read({**environ, name: text})


@pytest.mark.parametrize(("name", "text"), [("SAGA_TENANT", " "), ("SAGA_START_GROUP", "a b"), ("SAGA_REPLY_GROUP", "\n")])
def test_what_every_saga_would_hang_on_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        Settings.from_env({**COORDINATOR, name: text})


def test_an_empty_variable_is_not_set() -> None:
    empty = dict.fromkeys(sorted(environment.NAMES), "")
    assert Settings.from_env({**empty, **COORDINATOR}) == Settings.from_env(COORDINATOR)
    assert ParticipantSettings.from_env({**empty, **PARTICIPANT}) == ParticipantSettings.from_env(PARTICIPANT)
    assert Settings.from_env({**COORDINATOR, "SAGA_UNKNOWN": ""}) == Settings.from_env(COORDINATOR)


def test_what_another_process_of_ours_reads_is_no_error() -> None:
    everything = {name: "x" for name in environment.NAMES if name not in names(environment.KAFKA)} | {
        "SAGA_BILLING_DATABASE_URL": "x",
        "SAGA_TEST_KAFKA": "x",
        **PARTICIPANT,
    }
    read = ParticipantSettings.from_env(
        {
            **everything,
            "SAGA_LOG_LEVEL": "INFO",
            "SAGA_LOG_FORMAT": "json",
            "SAGA_START_PATIENCE_S": "1",
            "SAGA_ANNOUNCEMENT_KEYS": "",
        }
    )
    assert (read.instance, read.log_level, read.log_format) == ("x", "info", "json")


def test_the_links_of_kubernetes_are_left_out_and_named_in_one_line() -> None:
    assert Settings.from_env({**COORDINATOR, **LINKS}) == Settings.from_env(COORDINATOR)
    assert ParticipantSettings.from_env({**PARTICIPANT, **LINKS}) == ParticipantSettings.from_env(PARTICIPANT)
    line = environment.ignored({**COORDINATOR, **LINKS})
    assert line.count("SAGA_") == 3 and f"and {len(LINKS) - 3} more" in line
    assert environment.ignored(COORDINATOR) == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [("SAGA_PORT", "http://10.0.0.1:8700"), ("SAGA_SERVICE_HOST", "db host"), ("SAGA_KAFKA_PORT", "9092")],
)
def test_what_only_looks_like_a_link_is_a_mistake_like_any_other(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Settings.from_env({**COORDINATOR, name: text})


def test_a_port_that_is_a_port_is_the_port() -> None:
    assert Settings.from_env({**COORDINATOR, **LINKS, "SAGA_PORT": "8701"}).port == 8701
