"""How to reach Kafka: one model, read from the environment alike by the coordinator and by the
participant kit.

A wrong value is told in one line that names the variable and what to write. Secrets never appear in
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError, field_validator, model_validator

from saga_messaging import environment
from saga_messaging.errors import ConfigurationError

PREFIX = "SAGA_KAFKA_"
TOPIC_PREFIX_VARIABLE = "SAGA_TOPIC_PREFIX"

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
"""Of a consumer group, or of an instance in one."""
_SERVERS = r"^[^\s,:]+(:\d{1,5})?(,[^\s,:]+(:\d{1,5})?)*$|^(\[[0-9A-Fa-f:]+\](:\d{1,5})?,?)+$"


class KafkaSettings(BaseModel):
    """The cluster, how to log on to it, and how our topics are made.

    Durations are in milliseconds, sizes in bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap_servers: Annotated[str, StringConstraints(pattern=_SERVERS, max_length=4096)] = Field(
        description="host:port, several separated by commas"
    )
    stand_in: bool = Field(default=False, description="true for the embedded stand-in: no groups, no topic creation")
    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = Field(
        default="saga", description="a name of letters, digits, '.', '_', '-'"
    )
    topic_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = Field(
        default="", description="letters, digits, '.', '_', '-', at most 100"
    )
    partitions: int = Field(default=6, ge=1, le=10_000, description="a number from 1 to 10000")
    replication_factor: int = Field(default=1, ge=1, le=32, description="a number from 1 to 32, 3 in production")
    request_timeout_ms: int = Field(default=10_000, ge=500, le=300_000, description="milliseconds from 500 to 300000")
    session_timeout_ms: int = Field(default=10_000, ge=1_000, le=300_000, description="milliseconds from 1000 to 300000")
    max_message_bytes: int = Field(default=1_048_576, ge=1_024, le=104_857_600, description="bytes from 1024 to 104857600")
    security_protocol: SecurityProtocol = Field(default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    sasl_mechanism: SaslMechanism = Field(default="PLAIN", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    sasl_username: str | None = Field(default=None, description="the user name")
    sasl_password: SecretStr | None = Field(default=None, description="the password")
    ssl_cafile: Path | None = Field(default=None, description="a readable PEM file of certificate authorities")
    ssl_certfile: Path | None = Field(default=None, description="a readable PEM file with the client's certificate")
    ssl_keyfile: Path | None = Field(default=None, description="a readable PEM file with the client's private key")
    ssl_check_hostname: bool = Field(default=True, description="true or false")

    @field_validator("ssl_cafile", "ssl_certfile", "ssl_keyfile")
    @classmethod
    def _file_exists(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError("is not a file")
        return path

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        sasl = self.security_protocol.startswith("SASL_")
        if sasl and (not self.sasl_username or self.sasl_password is None):
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_username and sasl_password")
        if not sasl and (self.sasl_username or self.sasl_password):
            raise ValueError("sasl_username and sasl_password need security_protocol SASL_SSL or SASL_PLAINTEXT")
        if self.ssl_keyfile and not self.ssl_certfile:
            raise ValueError("ssl_keyfile needs ssl_certfile")
        if not self.security_protocol.endswith("SSL") and (self.ssl_cafile or self.ssl_certfile):
            raise ValueError("ssl_cafile and ssl_certfile need security_protocol SSL or SASL_SSL")
        return self

    @property
    def where(self) -> str:
        """For people."""
        return f"Kafka at {self.bootstrap_servers}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str], prefix: str = PREFIX) -> KafkaSettings:
        """Reads `SAGA_KAFKA_…` and `SAGA_TOPIC_PREFIX`; an empty value counts as not given.

        Raises:
            ConfigurationError: A value is wrong, or nobody reads a name that begins so.
        """
        environment.given({name: text for name, text in environ.items() if name.startswith(PREFIX)})
        found = {name: environ[variable] for name, variable in _variables(prefix).items() if environ.get(variable)}
        if "bootstrap_servers" not in found:
            raise ConfigurationError(f"{prefix}BOOTSTRAP_SERVERS is not set: write {_hint('bootstrap_servers')}")
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise ConfigurationError(_one_line(error, prefix)) from None


def known_variables(prefix: str = PREFIX) -> frozenset[str]:
    """The environment variables read here, so that a process can refuse those that nobody reads."""
    return frozenset(_variables(prefix).values())


def _variables(prefix: str) -> dict[str, str]:
    names = {name: prefix + name.upper() for name in KafkaSettings.model_fields}
    names["topic_prefix"] = TOPIC_PREFIX_VARIABLE
    return names


def _hint(name: str) -> str:
    return KafkaSettings.model_fields[name].description or "another value"


def _one_line(error: ValidationError, prefix: str) -> str:
    """The first finding; never the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    variables = _variables(prefix)
    if first["loc"]:
        name = str(first["loc"][0])
        return f"{variables[name]} is not usable: write {_hint(name)}"
    message = first["msg"].removeprefix("Value error, ")
    for name in sorted(variables, key=len, reverse=True):
        message = message.replace(name, variables[name])
    return message
