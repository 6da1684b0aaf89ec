"""Chooses a Kafka, PostgreSQL or Jaeger: at a given address, else in a container, else as pip
installed it.

A given address that does not answer is an error of one line; no other service is tried.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self
from urllib.parse import parse_qsl, urlsplit

from saga_cli.dev.containers import JaegerContainer, KafkaContainer, PostgresContainer, docker_answers
from saga_cli.dev.jaeger import JaegerService, jaeger_release
from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.kafka_release import kafka_release
from saga_cli.dev.postgres import PostgresService
from saga_cli.dev.process import ServiceFailed, answers
from saga_cli.dev.sql import ask, shown, sibling

_GIVEN_LIMIT_S = 5.0


_OTLP_PORTS = {"otlp": 4317, "otlp_http": 4318}
_JAEGER_SYNTAX = "write http://host:16686, or http://host:16686?otlp=4317&otlp_http=4318 where OTLP is on other ports"


class _Service(Protocol):
    version: str

    def close(self) -> None: ...


class _KafkaLike(_Service, Protocol):
    @property
    def bootstrap_servers(self) -> str: ...


class _PostgresLike(_Service, Protocol):
    @property
    def url(self) -> str: ...


class _JaegerLike(_Service, Protocol):
    @property
    def query_url(self) -> str: ...

    @property
    def otlp_grpc(self) -> str: ...

    @property
    def otlp_http(self) -> str: ...


class GivenKafka:
    """A Kafka at a given address. The constructor checks that it answers."""

    def __init__(self, address: str) -> None:
        self.bootstrap_servers = address
        try:
            self.version = kafka_release(address, timeout_s=_GIVEN_LIMIT_S)
        except (OSError, ValueError) as error:
            raise ServiceFailed(f"no Kafka answers at the given address {address}: {error}") from error

    def close(self) -> None:
        """Not ours to end."""


class GivenPostgres:
    """A PostgreSQL at a given address. The constructor checks that it answers."""

    def __init__(self, url: str) -> None:
        self.url = _with_driver(url)
        self.version = str(ask(self.url, "SHOW server_version")).split()[0]

    def close(self) -> None:
        """Not ours to end."""


class GivenJaeger:
    """A Jaeger at a given address: the URL of its query API, which may name the OTLP ports.

    The constructor checks that all answer.
    """

    def __init__(self, address: str) -> None:
        server, host, ports = _jaeger_parts(address)
        self.query_url = server
        self.version = jaeger_release(server, timeout_s=_GIVEN_LIMIT_S)
        for name, port in ports.items():
            if not answers(port, host, timeout_s=_GIVEN_LIMIT_S):
                raise ServiceFailed(f"the Jaeger at {server} takes no OTLP at {host}:{port} ({name}): {_JAEGER_SYNTAX}")
        scheme, bracketed = urlsplit(server).scheme, f"[{host}]" if ":" in host else host
        self.otlp_grpc = f"{scheme}://{bracketed}:{ports['otlp']}"
        self.otlp_http = f"{scheme}://{bracketed}:{ports['otlp_http']}"

    def close(self) -> None:
        """Not ours to end."""


class _InUse:
    """A service in use. Leaving the `with` block ends it unless its address was given."""

    def __init__(self, service: _Service) -> None:
        self._service = service
        self.version = service.version

    def close(self) -> None:
        self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Kafka(_InUse):
    """A Kafka: `bootstrap_servers`, `version`, `close()`."""

    def __init__(self, service: _KafkaLike) -> None:
        super().__init__(service)
        self.bootstrap_servers = service.bootstrap_servers


class Jaeger(_InUse):
    """A Jaeger: `query_url`, `otlp_grpc`, `otlp_http` (URLs without a path of theirs), `version`,
    `close()`."""

    def __init__(self, service: _JaegerLike) -> None:
        super().__init__(service)
        self.query_url = service.query_url
        self.otlp_grpc = service.otlp_grpc
        self.otlp_http = service.otlp_http


class Postgres(_InUse):
    """A PostgreSQL: `url`, `version`, `create_database()`, `drop_database()`, `close()`."""

    def __init__(self, service: _PostgresLike) -> None:
        super().__init__(service)
        self.url = service.url

    @property
    def address(self) -> str:
        """Host, port and database, without credentials."""
        return shown(self.url)

    def database_url(self, name: str) -> str:
        return sibling(self.url, name)

    def create_database(self, name: str) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        ask(self.url, f'CREATE DATABASE "{name}"')
        return self.database_url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, even one with open connections."""
        ask(self.url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def resolve_kafka(given: str | None = None) -> Kafka:
    """Return the Kafka at `given` (host:port), else start one in a container, else as pip installed
    it. Raises ServiceFailed."""
    if given:
        return Kafka(GivenKafka(given))
    if docker_answers():
        return Kafka(KafkaContainer().start())
    return Kafka(KafkaService().__enter__())


def resolve_postgres(given: str | None = None) -> Postgres:
    """Return the PostgreSQL at `given` (a URL), else start one in a container, else as pip
    installed it. Raises ServiceFailed."""
    if given:
        return Postgres(GivenPostgres(given))
    if docker_answers():
        return Postgres(PostgresContainer().start())
    return Postgres(PostgresService().__enter__())


def resolve_jaeger(given: str | None = None) -> Jaeger:
    """Return the Jaeger at `given` (`http://host:16686`), else start one in a container, else our
    build. Raises ServiceFailed."""
    if given:
        return Jaeger(GivenJaeger(given))
    if docker_answers():
        return Jaeger(JaegerContainer().start())
    return Jaeger(JaegerService().__enter__())


def _jaeger_parts(address: str) -> tuple[str, str, dict[str, int]]:
    """Return the query API's URL, the host, and the OTLP ports by name."""
    try:
        url = urlsplit(address)
        named = dict(parse_qsl(url.query, strict_parsing=True, keep_blank_values=True)) if url.query else {}
        ports = _OTLP_PORTS | {name: int(port) for name, port in named.items()}
        all_ports = [*ports.values(), url.port or 80]
    except ValueError as error:
        raise ServiceFailed(f"{shown(address)!r} is not the address of a Jaeger ({error}): {_JAEGER_SYNTAX}") from error
    known = set(ports) == set(_OTLP_PORTS) and all(0 < port < 65536 for port in all_ports)
    if not known or url.scheme not in ("http", "https") or not url.hostname or url.username is not None or url.fragment:
        raise ServiceFailed(f"{shown(address)!r} is not the address of a Jaeger: {_JAEGER_SYNTAX}")
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}", url.hostname, ports


def _with_driver(url: str) -> str:
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return url.replace(prefix, "postgresql+asyncpg://", 1)
    return url
