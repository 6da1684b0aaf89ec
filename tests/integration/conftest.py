"""Real processes for the tests that speak the wire, once a module, under topic names and databases
of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from saga_cli.dev.services import Postgres
from support.wire_services import Coordinator, ParticipantProcesses, WireServices, wire_services


@pytest.fixture(scope="module")
def services(kafka_address: str, postgres_service: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WireServices]:
    """Starts coordinators and participants that end with the module."""
    with wire_services(kafka_address, postgres_service, tmp_path_factory.mktemp("wire")) as started:
        yield started


@pytest.fixture(scope="module")
def coordinator(services: WireServices) -> Coordinator:
    """A `saga serve` on the session's Kafka and a database of its own."""
    return services.coordinator()


@pytest.fixture(scope="module")
def participants(services: WireServices) -> ParticipantProcesses:
    """Two processes of support/booking, which share one database."""
    return services.participants(2)
