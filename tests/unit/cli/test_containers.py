"""Containers without an engine: what they would start, that it is of loopback only, and that one
that never answers is ended."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, ClassVar, Self

import pytest

from saga_cli.dev import containers
from saga_cli.dev.containers import JaegerContainer, KafkaContainer, PostgresContainer
from saga_cli.dev.jaeger_build import JAEGER_VERSION
from saga_cli.dev.process import ServiceFailed


class FakeContainer:
    """Plays testcontainers' DockerContainer."""

    made: ClassVar[list[FakeContainer]] = []

    def __init__(self, image: str) -> None:
        self.image = image
        self.ports: dict[str, Any] = {}
        self.environment: dict[str, str] = {}
        self.running = False
        self.made.append(self)

    def with_envs(self, **environment: str) -> Self:
        self.environment |= environment
        return self

    def with_env(self, name: str, value: str) -> Self:
        return self.with_envs(**{name: value})

    def with_command(self, command: str) -> Self:
        return self

    def start(self) -> Self:
        self.running = True
        return self

    def stop(self) -> None:
        self.running = False


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> list[FakeContainer]:
    """An engine that starts everything; what runs in its containers answers."""
    module = ModuleType("testcontainers.core.container")
    module.DockerContainer = FakeContainer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "testcontainers.core.container", module)
    monkeypatch.setattr(FakeContainer, "made", [])
    monkeypatch.setattr(containers, "cluster_id", lambda address, timeout_s: "a-cluster")
    monkeypatch.setattr(containers, "ask", lambda url, statement: "18.6 (Debian)")
    monkeypatch.setattr(containers, "jaeger_release", lambda url: JAEGER_VERSION)
    return FakeContainer.made


@pytest.mark.parametrize("service", [KafkaContainer, PostgresContainer, JaegerContainer])
def test_a_container_is_reached_by_loopback_only_and_ends_when_closed(service: Any, engine: list[FakeContainer]) -> None:
    started = service().start()

    (container,) = engine
    assert container.running
    assert {address for address, _ in container.ports.values()} == {"127.0.0.1"}
    started.close()
    assert not container.running


def test_the_jaeger_in_a_container_is_the_release_that_is_built_elsewhere(engine: list[FakeContainer]) -> None:
    jaeger = JaegerContainer().start()

    (container,) = engine
    assert container.image == f"jaegertracing/jaeger:{JAEGER_VERSION}"
    outside = {inside: f"http://{address}:{port}" for inside, (address, port) in container.ports.items()}
    assert outside == {"4317": jaeger.otlp_grpc, "4318": jaeger.otlp_http, "16686": jaeger.query_url}
    assert jaeger.version == f"{JAEGER_VERSION} (container)"


def test_a_container_that_never_answers_is_ended_and_says_why(
    engine: list[FakeContainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(url: str) -> str:
        raise ServiceFailed(f"no Jaeger answers at {url}: refused")

    monkeypatch.setattr(containers, "jaeger_release", refused)
    monkeypatch.setattr(containers, "_READY_LIMIT_S", 0.01)

    with pytest.raises(ServiceFailed, match=r"the Jaeger container did not answer within 0 s: no Jaeger answers at .*: refused"):
        JaegerContainer().start()
    assert [container.running for container in engine] == [False]
