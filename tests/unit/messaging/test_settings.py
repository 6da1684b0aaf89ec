"""Kafka settings from the environment: one line that names the variable, never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from saga_messaging.errors import ConfigurationError
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings, known_variables

SERVERS = {"SAGA_KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}
SASL = {
    **SERVERS,
    "SAGA_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "SAGA_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "SAGA_KAFKA_SASL_USERNAME": "saga",
    "SAGA_KAFKA_SASL_PASSWORD": "hunter2",
}


def test_only_the_servers_have_to_be_given() -> None:
    settings = KafkaSettings.from_env(SERVERS)
    assert settings.bootstrap_servers == "localhost:9092"
    assert (settings.partitions, settings.replication_factor, settings.topic_prefix) == (6, 1, "")


def test_every_setting_has_a_variable() -> None:
    environ = {
        **SASL,
        "SAGA_KAFKA_BOOTSTRAP_SERVERS": "a:1,b.example:2",
        "SAGA_KAFKA_STAND_IN": "true",
        "SAGA_KAFKA_CLIENT_ID": "shop",
        "SAGA_TOPIC_PREFIX": "eu.",
        "SAGA_KAFKA_PARTITIONS": "12",
        "SAGA_KAFKA_REPLICATION_FACTOR": "3",
        "SAGA_KAFKA_REQUEST_TIMEOUT_MS": "5000",
        "SAGA_KAFKA_SSL_CHECK_HOSTNAME": "false",
    }
    settings = KafkaSettings.from_env(environ)
    assert settings.stand_in
    assert not settings.ssl_check_hostname
    assert (settings.topic_prefix, settings.partitions, settings.replication_factor) == ("eu.", 12, 3)
    assert (settings.sasl_mechanism, settings.client_id, settings.request_timeout_ms) == ("SCRAM-SHA-512", "shop", 5000)
    assert environ.keys() <= known_variables()


def test_an_empty_variable_counts_as_not_given() -> None:
    assert KafkaSettings.from_env({**SERVERS, "SAGA_KAFKA_PARTITIONS": ""}).partitions == 6


def test_another_prefix_may_be_used() -> None:
    assert KafkaSettings.from_env({"X_BOOTSTRAP_SERVERS": "a:1"}, prefix="X_").bootstrap_servers == "a:1"


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, "SAGA_KAFKA_BOOTSTRAP_SERVERS"),
        ({"SAGA_KAFKA_BOOTSTRAP_SERVERS": "a b"}, "SAGA_KAFKA_BOOTSTRAP_SERVERS"),
        ({"SAGA_KAFKA_BOOTSTRAP_SERVERS": "http://a:1"}, "SAGA_KAFKA_BOOTSTRAP_SERVERS"),
        ({"SAGA_KAFKA_BOOTSTRAP_SERVERS": "a:1,"}, "SAGA_KAFKA_BOOTSTRAP_SERVERS"),
        ({**SERVERS, "SAGA_KAFKA_PARTITIONS": "0"}, "SAGA_KAFKA_PARTITIONS"),
        ({**SERVERS, "SAGA_KAFKA_PARTITIONS": "six"}, "SAGA_KAFKA_PARTITIONS"),
        ({**SERVERS, "SAGA_KAFKA_STAND_IN": "perhaps"}, "SAGA_KAFKA_STAND_IN"),
        ({**SERVERS, "SAGA_TOPIC_PREFIX": "a b"}, "SAGA_TOPIC_PREFIX"),
        ({**SERVERS, "SAGA_KAFKA_SASL_MECHANISM": "OAUTHBEARER"}, "SAGA_KAFKA_SASL_MECHANISM"),
        ({**SERVERS, "SAGA_KAFKA_SECURITY_PROTOCOL": "TLS"}, "SAGA_KAFKA_SECURITY_PROTOCOL"),
        ({**SERVERS, "SAGA_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "SAGA_KAFKA_SASL_PASSWORD"),
        ({**SASL, "SAGA_KAFKA_SECURITY_PROTOCOL": "SSL"}, "SAGA_KAFKA_SECURITY_PROTOCOL"),
        ({**SERVERS, "SAGA_KAFKA_SSL_CAFILE": "/no/such/file"}, "SAGA_KAFKA_SSL_CAFILE"),
    ],
)
def test_a_wrong_value_is_told_in_one_line_that_names_the_variable(environ: dict[str, str], names: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        KafkaSettings.from_env(environ)
    assert names in str(told.value)
    assert "\n" not in str(told.value)
    assert "hunter2" not in str(told.value)


def test_a_certificate_without_tls_and_a_key_without_certificate_are_refused(tmp_path: Path) -> None:
    pem = tmp_path / "file.pem"
    pem.write_text("nothing")
    with pytest.raises(ConfigurationError, match="SAGA_KAFKA_SECURITY_PROTOCOL SSL or SASL_SSL"):
        KafkaSettings.from_env({**SERVERS, "SAGA_KAFKA_SSL_CAFILE": str(pem)})
    with pytest.raises(ConfigurationError, match="SAGA_KAFKA_SSL_KEYFILE needs SAGA_KAFKA_SSL_CERTFILE"):
        KafkaSettings.from_env({**SERVERS, "SAGA_KAFKA_SECURITY_PROTOCOL": "SSL", "SAGA_KAFKA_SSL_KEYFILE": str(pem)})


async def test_a_file_that_is_no_certificate_is_told_before_anything_connects(tmp_path: Path) -> None:
    pem = tmp_path / "file.pem"
    pem.write_text("nothing")
    environ = {**SERVERS, "SAGA_KAFKA_SECURITY_PROTOCOL": "SSL", "SAGA_KAFKA_SSL_CAFILE": str(pem)}
    with pytest.raises(ConfigurationError, match="SAGA_KAFKA_SSL_"):
        KafkaBroker(KafkaSettings.from_env(environ))


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(KafkaSettings.from_env(SASL))
