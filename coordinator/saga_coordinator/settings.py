"""The coordinator's settings: environment variables `SAGA_…`, checked before any loop starts.

A bad one ends the process with one line and exit 78. Kafka's settings (`SAGA_KAFKA_…`,
`SAGA_TOPIC_PREFIX`) are `saga_messaging.settings.KafkaSettings`; participants have the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from saga_coordinator.archive.address import checked_address
from saga_coordinator.definitions.fields import parsed_duration
from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.definitions.retention import Terms, read_kept
from saga_messaging import environment
from saga_messaging import settings as kafka
from saga_messaging.errors import ConfigurationError
from saga_messaging.logs import LogFormat, LogLevel
from saga_messaging.patience import START_PATIENCE_S, PatienceS
from saga_messaging.settings import GroupName
from saga_schemas.ids import TEXT_RULE, valid_tenant

_LEAST_INTERVAL_S = 0.1
_LEAST_INTERVAL_MS = 1_000
_LONGEST_INTERVAL_MS = 86_400_000
_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_BASE_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


def base_url(text: str) -> str:
    """Check an address to which paths can be appended. Raises ValueError."""
    try:
        good = _BASE_URL.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:  # a port that is none
        good = False
    if not good:
        raise ValueError("write http://HOST:PORT")
    return text


def _no_storm(interval_s: float) -> float:
    if 0 < interval_s < _LEAST_INTERVAL_S:
        raise ValueError(f"write 0, or at least {_LEAST_INTERVAL_S}")
    return interval_s


def _registry_url(text: str) -> str:
    if "@" in base_url(text):
        raise ValueError("write user and password into SAGA_SCHEMA_REGISTRY_USER and SAGA_SCHEMA_REGISTRY_PASSWORD")
    return text


def _kept(text: str) -> str:
    read_kept(text)
    return text


def _duration(text: str) -> str:
    if parsed_duration(text) is None:
        raise ValueError("write a whole number with a unit: 7d, 12h, 5m, 1s")
    return text


def _interval(text: str) -> str:
    if not _LEAST_INTERVAL_MS <= (parsed_duration(_duration(text)) or 0) <= _LONGEST_INTERVAL_MS:
        raise ValueError("write at least 1s and at most 1d")
    return text


def _path_prefix(text: str) -> str:
    if _PATH_PREFIX.fullmatch(text) is None:
        raise ValueError("write a path without a slash at its end, as /ops")
    return text


def _confirmable(text: str) -> str:
    unknown = sorted(read_list(text) - CONFIRMABLE)
    if unknown:
        raise ValueError(
            f"unknown {', '.join(unknown)}; acts that a second person may confirm are {', '.join(sorted(CONFIRMABLE))}"
        )
    return text


def read_list(text: str) -> frozenset[str]:
    """The words of a list by commas."""
    return frozenset(word.strip() for word in text.split(",") if word.strip())


CONFIRMABLE: Final = frozenset({"waive", "terminate", "batch"})
KeptText = Annotated[str, AfterValidator(_kept)]
DurationText = Annotated[str, AfterValidator(_duration)]
IntervalText = Annotated[str, AfterValidator(_interval)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
RegistryUrl = Annotated[str, AfterValidator(_registry_url)]


def _tenant(text: str) -> str:
    if not valid_tenant(text):
        raise ValueError(f"write {TEXT_RULE}")
    return text


OtlpProtocol = Literal["grpc", "http/protobuf"]
_TRUE = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class Settings(BaseModel):
    """The settings of `saga serve`. Each time says its unit in its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = Field(description="sqlite+aiosqlite:///file or postgresql+asyncpg://user:password@host/database")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8700
    allow_unauthenticated: bool = False
    """Needed to listen on an address other than loopback: there is no login yet."""
    instance: GroupName | None = None
    """Static group membership under this name; two live instances of one name are refused."""
    tenant: Annotated[str, AfterValidator(_tenant)] = "default"
    token_keys: SecretStr | None = None
    """`id:base64,…`, first current, others only verify. Required on PostgreSQL."""
    roles: str = "api,replies,starts,timers,sweeper,projector,watchdog"
    accept_new_kafka: bool = False
    start_group: GroupName = "saga-coordinator-starts"
    reply_group: GroupName = "saga-coordinator-replies"
    starts_from_beginning: bool = False
    """A new store begins with the starts that Kafka still holds, instead of behind them."""
    batch_records: Annotated[int, Field(ge=1, le=5000)] = 500
    batch_sagas: Annotated[int, Field(ge=1, le=2000)] = 200
    """Sagas a timer batch takes."""
    sender_rows: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    sender_bytes: Annotated[int, Field(ge=1_000_000, le=2_000_000_000)] = 32_000_000
    start_queue: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """Starts over HTTP that may wait for a transaction; more are refused with 503 overloaded."""
    otlp_endpoint: BaseUrl | None = None
    """The collector that traces and metrics go to, as http://127.0.0.1:4317. None: nothing is sent,
    nothing is sampled."""
    otlp_protocol: OtlpProtocol = "grpc"
    """grpc (a collector's port 4317), or http/protobuf (4318)."""
    otlp_metrics_interval_s: Annotated[float, Field(ge=0, le=3600), AfterValidator(_no_storm)] = 60.0
    """How often the metrics go to the collector; 0: never, for a collector that takes only traces.
    """
    trace_sampling: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the sagas without a caller's decision that are traced; 1 where there is a collector.
    0 is off for all."""
    trace_sample_on_failure: bool = False
    """Export the coordinator's spans of sagas that were sampled out when they fail or need
    attention."""
    trace_baggage: str = ""
    """Keys of W3C Baggage that a start may pass on to all participants, by commas."""
    jaeger_url: BaseUrl | None = None
    """Where Jaeger's pages are, as http://127.0.0.1:16686: answers then carry a link to the trace.
    """
    schema_registry_url: RegistryUrl | None = None
    """A Confluent-compatible schema registry, as http://127.0.0.1:8081. None: the coordinator needs
    no other."""
    schema_registry_user: str | None = None
    schema_registry_password: SecretStr | None = None
    schema_registry_timeout_s: Annotated[float, Field(ge=0.1, le=30)] = 2.0
    """How long one call of the registry may take."""
    archive: Annotated[str, AfterValidator(checked_address)] | None = None
    """Where finished sagas are kept before they are removed: file:///PATH, or
    s3://BUCKET/PREFIX?endpoint=…&region=…. None: they are not kept."""
    log_level: LogLevel = "info"
    log_format: LogFormat = "auto"
    """json, console, or auto: console on a terminal."""
    start_patience_s: PatienceS = START_PATIENCE_S
    """How long a start waits for a database or a Kafka that is not up yet."""
    graceful_stop_s: Annotated[float, Field(ge=0, le=300)] = 10.0
    retention_sagas: KeptText = "30d"
    """How long finished sagas are kept, from their end on, as 30d, 12h or 5m; never: for ever."""
    retention_journals: KeptText | None = None
    """Their journals; none: as long as the saga. Not longer."""
    retention_keys: KeptText | None = None
    """Their request ids and business keys; none: as long as the saga. Not shorter."""
    retention_attention: KeptText = "400d"
    """Sagas that ended FORCED or ever needed a person, with their journals; never less than others.
    """
    retention_dead_letters: KeptText = "30d"
    """Dead letters that are on their topic, and orphan replies."""
    retention_audit: KeptText = "400d"
    """What operators did."""
    retention_ticks: KeptText = "400d"
    """What became of ticks; backfills that have ended, and versions of deleted schedules."""
    retention_rate: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Sagas, or rows of other tables, that are removed in a second at most."""
    horizon_restore_window: DurationText = "7d"
    """How old a backup of the coordinator's database is at most that may be restored."""
    horizon_clock_skew: DurationText = "5m"
    """How far the clocks of databases and services differ at most."""
    horizon_interval: IntervalText = "10m"
    """How often the horizon is raised and announced."""
    console_prefix: Annotated[str, AfterValidator(_path_prefix)] = ""
    """What a proxy puts before `/console`, as /ops; the links of the pages begin with it."""
    confirm_acts: Annotated[str, AfterValidator(_confirmable)] = ""
    """Acts that a second person confirms, by commas: waive, terminate, batch."""
    confirm_within: IntervalText = "1d"
    """How long such an act waits for a second person."""
    store_partitions: Literal["week", "month", "none"] = "month"
    """How much time a partition of the journal has on PostgreSQL; none: no more are made."""
    kafka: kafka.KafkaSettings

    @property
    def horizon(self) -> HorizonTerms:
        """How far the horizon lags, and how often it is announced."""
        return HorizonTerms(
            restore_window_ms=parsed_duration(self.horizon_restore_window) or 0,
            clock_skew_ms=parsed_duration(self.horizon_clock_skew) or 0,
            interval_ms=parsed_duration(self.horizon_interval) or 0,
        )

    @property
    def retention(self) -> Terms:
        """How long finished sagas are kept where their definition does not say."""
        journals, keys = self.retention_journals, self.retention_keys
        return Terms.of(
            read_kept(self.retention_sagas),
            None if journals is None else read_kept(journals),
            None if keys is None else read_kept(keys),
            read_kept(self.retention_attention),
        )

    @property
    def letters_kept_ms(self) -> int:
        return read_kept(self.retention_dead_letters)

    @property
    def audit_kept_ms(self) -> int:
        return read_kept(self.retention_audit)

    @property
    def ticks_kept_ms(self) -> int:
        return read_kept(self.retention_ticks)

    def shown(self) -> list[tuple[str, str]]:
        """What matters to those who watch an instance, by variable. No secrets, and of an address
        neither user nor password."""
        told = [(f"SAGA_{name.upper()}", getattr(self, name)) for name in _SHOWN]
        told += [("SAGA_KAFKA_BOOTSTRAP_SERVERS", self.kafka.bootstrap_servers), ("SAGA_TOPIC_PREFIX", self.kafka.topic_prefix)]
        return [(name, _without_login(str(value))) for name, value in told if value not in (None, "")]

    @property
    def embedded(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def role_set(self) -> frozenset[str]:
        return read_list(self.roles)

    @property
    def confirmed_acts(self) -> frozenset[str]:
        """Acts that a second person confirms."""
        return read_list(self.confirm_acts)

    @property
    def confirmed_within_ms(self) -> int:
        return parsed_duration(self.confirm_within) or 0

    @property
    def exports_metrics(self) -> bool:
        """Whether the metrics go to the collector."""
        return self.otlp_endpoint is not None and self.otlp_metrics_interval_s > 0

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **given: Any) -> Settings:
        """Read the settings from `SAGA_*` variables.

        Args:
            environ: Environment variables.
            given: Settings of the command line, which win; those that are None are left out.

        Raises:
            ConfigurationError: A setting is missing or wrong.
        """
        named = {f"SAGA_{name.upper()}": name for name in cls.model_fields if name != "kafka"}
        values: dict[str, Any] = {
            named[variable]: text for variable, text in environment.given(environ).items() if variable in named
        }
        values |= {name: _TRUE.get(values[name].lower(), values[name]) for name in _FLAGS & values.keys()}
        values |= {name: value for name, value in given.items() if value is not None}
        if "database_url" not in values:
            raise ConfigurationError("SAGA_DATABASE_URL is not set; write sqlite+aiosqlite:///saga.db or postgresql+asyncpg://…")
        values.setdefault("kafka", kafka.KafkaSettings.from_env(environ))
        return cls.checked(**values)

    @classmethod
    def checked(cls, **values: Any) -> Settings:
        """Validate the settings.

        Raises ConfigurationError, one line, also for a dangerous combination.
        """
        try:
            settings = cls(**values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = "SAGA_" + "_".join(str(part).upper() for part in first["loc"])
            raise ConfigurationError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
        settings._refuse_dangerous()
        return settings

    def _refuse_dangerous(self) -> None:
        if not self.database_url.startswith(("sqlite+aiosqlite:", "postgresql+asyncpg:")):
            raise ConfigurationError("SAGA_DATABASE_URL must start with sqlite+aiosqlite: or postgresql+asyncpg:")
        if not self.embedded and self.token_keys is None:
            raise ConfigurationError(
                "SAGA_TOKEN_KEYS is required on PostgreSQL: write id:base64 of 32 random bytes, the same for all instances"
            )
        if not _loopback(self.host) and not self.allow_unauthenticated:
            raise ConfigurationError(
                f"SAGA_HOST {self.host} is not loopback and there is no login yet: add --allow-unauthenticated if the network is trusted"
            )
        if self.otlp_endpoint is None and (self.trace_sampling or self.trace_sample_on_failure):
            raise ConfigurationError("SAGA_TRACE_SAMPLING needs SAGA_OTLP_ENDPOINT: the collector that the spans go to")
        if self.schema_registry_password is not None and self.schema_registry_user is None:
            raise ConfigurationError("SAGA_SCHEMA_REGISTRY_PASSWORD needs SAGA_SCHEMA_REGISTRY_USER")
        self._refuse_retention()
        unknown = self.role_set - ROLES
        if unknown or not self.role_set:
            raise ConfigurationError(
                f"SAGA_ROLES: unknown {', '.join(sorted(unknown)) or '(none given)'}; known are {', '.join(sorted(ROLES))}"
            )

    def _refuse_retention(self) -> None:
        """What belongs to a saga goes with it or before it, and its keys not before it."""
        sagas_ms = read_kept(self.retention_sagas)
        if self.retention_journals is not None and read_kept(self.retention_journals) > sagas_ms:
            raise ConfigurationError("SAGA_RETENTION_JOURNALS is longer than SAGA_RETENTION_SAGAS: a journal goes with its saga")
        if self.retention_keys is not None and read_kept(self.retention_keys) < sagas_ms:
            raise ConfigurationError(
                "SAGA_RETENTION_KEYS is shorter than SAGA_RETENTION_SAGAS: keys are kept as long as their saga"
            )


_SHOWN = (
    "instance",
    "roles",
    "tenant",
    "host",
    "port",
    "database_url",
    "archive",
    "otlp_endpoint",
    "trace_sampling",
    "schema_registry_url",
    "retention_sagas",
    "retention_journals",
    "retention_keys",
    "retention_attention",
    "retention_dead_letters",
    "retention_audit",
    "retention_ticks",
    "horizon_restore_window",
    "horizon_clock_skew",
    "horizon_interval",
    "store_partitions",
)
_LOGIN = re.compile(r"(?<=://).*@")
"""Up to the last `@`: a password may have one, or a slash."""


def _without_login(text: str) -> str:
    return _LOGIN.sub("", text).partition("?")[0]


ROLES = frozenset({"api", "replies", "starts", "timers", "sweeper", "projector", "watchdog"})
_FLAGS = frozenset({"allow_unauthenticated", "accept_new_kafka", "starts_from_beginning", "trace_sample_on_failure"})


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
