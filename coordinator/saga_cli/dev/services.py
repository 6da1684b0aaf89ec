"""Which Kafka and which PostgreSQL: a given address, else a container where a Docker engine answers, else by pip alone.

A given address that does not answer is an error with one line, never a reason to take the next way.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from saga_cli.dev.containers import KafkaContainer, PostgresContainer, docker_answers
from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService
from saga_cli.dev.process import ServiceFailed
from saga_cli.dev.release import kafka_release
from saga_cli.dev.sql import ask, shown, sibling

_GIVEN_LIMIT_S = 5.0


class _KafkaLike(Protocol):
    version: str

    @property
    def bootstrap_servers(self) -> str: ...

    def close(self) -> None: ...


class _PostgresLike(Protocol):
    version: str

    @property
    def url(self) -> str: ...

    def close(self) -> None: ...


class GivenKafka:
    """A Kafka somebody else runs; asked once that it is there."""

    def __init__(self, address: str) -> None:
        self.bootstrap_servers = address
        try:
            self.version = kafka_release(address, timeout_s=_GIVEN_LIMIT_S)
        except (OSError, ValueError) as error:
            raise ServiceFailed(f"no Kafka answers at the given address {address}: {error}") from error

    def close(self) -> None:
        """Not ours to end."""


class GivenPostgres:
    """A PostgreSQL somebody else runs; asked once that it is there."""

    def __init__(self, url: str) -> None:
        self.url = _with_driver(url)
        self.version = str(ask(self.url, "SHOW server_version")).split()[0]

    def close(self) -> None:
        """Not ours to end."""


class Kafka:
    """A Kafka to use, however it came to be: `bootstrap_servers`, `version`, `close()`."""

    def __init__(self, service: _KafkaLike) -> None:
        self._service = service
        self.bootstrap_servers = service.bootstrap_servers
        self.version = service.version

    def close(self) -> None:
        self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Postgres:
    """A PostgreSQL to use, however it came to be: `url`, `version`, databases made and dropped, `close()`."""

    def __init__(self, service: _PostgresLike) -> None:
        self._service = service
        self.url = service.url
        self.version = service.version

    @property
    def address(self) -> str:
        """Host, port and database, without credentials."""
        return shown(self.url)

    def database_url(self, name: str) -> str:
        return sibling(self.url, name)

    def create_database(self, name: str) -> str:
        """Create an empty database; its SQLAlchemy URL."""
        ask(self.url, f'CREATE DATABASE "{name}"')
        return self.database_url(name)

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is connected."""
        ask(self.url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self) -> None:
        self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def resolve_kafka(given: str | None = None) -> Kafka:
    """The Kafka at `given` (host:port), else one in a container, else one by pip alone; started and answering."""
    if given:
        return Kafka(GivenKafka(given))
    if docker_answers():
        return Kafka(KafkaContainer().start())
    return Kafka(KafkaService().__enter__())


def resolve_postgres(given: str | None = None) -> Postgres:
    """The PostgreSQL at `given` (a URL), else one in a container, else one by pip alone; started and answering."""
    if given:
        return Postgres(GivenPostgres(given))
    if docker_answers():
        return Postgres(PostgresContainer().start())
    return Postgres(PostgresService().__enter__())


def _with_driver(url: str) -> str:
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return url.replace(prefix, "postgresql+asyncpg://", 1)
    return url
