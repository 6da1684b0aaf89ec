"""deploy/ without an engine: what compose.yaml and the Dockerfile name exists, and their addresses
fit together."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.paths import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "saga-coordinator"}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def test_the_parts_of_a_whole_system_are_there() -> None:
    assert set(OURS) == {"db-upgrade", "coordinator-a", "coordinator-b", "inventory", "payment", "shipping"}
    assert {"kafka", "postgres", "jaeger"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_foreign_image_is_pinned(name: str) -> None:
    assert name in OURS or re.search(r":\d", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_published_port_is_on_loopback_and_given_once(name: str) -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))
    assert len({port.split(":")[1] for port in published}) == len(published)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_is_there_and_can_become_so(name: str) -> None:
    for needed, wait in SERVICES[name].get("depends_on", {}).items():
        assert wait["condition"] != "service_healthy" or "healthcheck" in SERVICES[needed]
        assert needed in SERVICES


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if service["command"][0] in ("serve", "participant")])
def test_what_goes_on_is_probed_at_the_port_it_is_told_to_serve(name: str) -> None:
    command: list[str] = OURS[name]["command"]
    port = command[command.index("--port" if command[0] == "serve" else "--health-port") + 1]

    assert f"http://127.0.0.1:{port}/readyz" in OURS[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", OURS)
def test_a_command_and_its_options_are_those_of_saga(name: str) -> None:
    command: list[str] = OURS[name]["command"]
    options = [word for word in command if word.startswith("--")]
    words = [word for word in command[: command.index(options[0]) if options else None] if ":" not in word]

    told = subprocess.run(
        [Path(sys.executable).with_name("saga"), *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
    )

    assert told.returncode == 0, told.stderr
    assert [option for option in options if option not in told.stdout] == []


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if service["command"][0] == "participant"])
def test_a_participant_to_run_exists(name: str) -> None:
    module, _, attribute = OURS[name]["command"][-1].partition(":")

    assert hasattr(importlib.import_module(module), attribute)


def test_the_settings_of_the_coordinators_exist() -> None:
    from saga_coordinator.settings import Settings
    from saga_messaging.settings import known_variables

    known = {f"SAGA_{field.upper()}" for field in Settings.model_fields} | known_variables()

    assert set(OURS["coordinator-a"]["environment"]) <= known


@pytest.mark.parametrize("name", OURS)
def test_the_addresses_a_service_is_given_are_those_of_the_others(name: str) -> None:
    environment = OURS[name]["environment"]
    made = re.findall(r"DATABASE (\w+);", COMPOSE["configs"]["databases"]["content"])
    url = re.fullmatch(r"postgresql\+asyncpg://(\w+):(\w+)@(\w+):5432/(\w+)", database_of(name))
    assert url
    user, password, host, database = url.groups()

    assert (user, password) == tuple(SERVICES["postgres"]["environment"][key] for key in ("POSTGRES_USER", "POSTGRES_PASSWORD"))
    assert host in SERVICES
    assert database in {SERVICES["postgres"]["environment"]["POSTGRES_DB"], *made}
    if kafka := environment.get("SAGA_KAFKA_BOOTSTRAP_SERVERS"):
        assert f"INSIDE://{kafka}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]


def test_the_settings_of_the_participants_exist() -> None:
    from saga_cli import otlp
    from saga_demo.settings import VARIABLES
    from saga_messaging.settings import known_variables

    for service in OURS.values():
        if service["command"][0] == "participant":
            assert set(service["environment"]) <= VARIABLES | otlp.VARIABLES | known_variables()


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if service["command"][0] in ("serve", "participant")])
def test_spans_go_to_the_jaeger_beside_and_links_to_where_its_page_is_published(name: str) -> None:
    from saga_cli.otlp import Otlp, collector

    environment: dict[str, str] = OURS[name]["environment"]
    published = dict(port.rsplit(":", 1)[::-1] for port in SERVICES["jaeger"]["ports"])

    assert collector(None, None, environment) == Otlp(endpoint="http://jaeger:4317")
    assert "4317" in published, "where Jaeger takes OTLP by gRPC"
    if OURS[name]["command"][0] == "serve":
        assert environment["SAGA_JAEGER_URL"] == f"http://{published['16686']}"


def database_of(name: str) -> str:
    environment: dict[str, str] = OURS[name]["environment"]
    return environment.get("SAGA_DATABASE_URL") or environment["SAGA_PARTICIPANT_DATABASE_URL"]


def test_every_service_owns_its_database() -> None:
    owners = {name: database_of(name) for name in OURS}
    coordinator = {owners.pop("coordinator-a"), owners.pop("coordinator-b"), owners.pop("db-upgrade")}

    assert len({*coordinator, *owners.values()}) == 1 + len(owners)


def test_the_image_runs_as_another_than_root_and_starts_our_command() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\d+)$", last_stage, re.MULTILINE)
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert user
    assert int(user[1]) > 0
    assert re.findall(r'^ENTRYPOINT \["(\w+)"\]$', last_stage, re.MULTILINE) == [*script]


def test_the_image_copies_what_is_there_and_is_not_ignored() -> None:
    copied = [source for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]]
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}

    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert set(copied) == kept
    assert {"schemas", "messaging", "coordinator", "participants", "pyproject.toml"} <= set(copied)
