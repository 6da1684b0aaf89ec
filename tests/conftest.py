"""What all tests share: the real Kafka, PostgreSQL and Jaeger of the session, fresh databases, and
that nothing is skipped.

The services start on first use. `SAGA_TEST_KAFKA` (host:port), `SAGA_TEST_POSTGRES` (a URL whose
user may create databases) and `SAGA_TEST_JAEGER` (http://host:16686, with ?otlp=…&otlp_http=… where
OTLP is on other ports than 4317 and 4318) name others to use instead; one that does not answer
fails the tests that need it. Tests that restart or wipe a service start their own (`own_kafka`,
`kept_kafka`, `own_postgres`, `own_jaeger`).
"""

from __future__ import annotations

import gc
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from saga_cli.dev import process
from saga_cli.dev.jaeger import JaegerService
from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService
from saga_cli.dev.process import ServiceFailed, free_port
from saga_cli.dev.services import Jaeger, Kafka, Postgres, resolve_jaeger, resolve_kafka, resolve_postgres
from saga_cli.dev.sql import ask
from support.hangs import told_after
from support.kafka_classes import java_options

# How long an example takes says nothing about the code: with hypothesis' own limit of 200 ms a busy
# machine fails tests by chance.
settings.register_profile("without a clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without a clock")

# A shell starts its background jobs with SIGINT ignored, which every process a test starts would
# inherit: none would heed a Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("JDK_JAVA_OPTIONS", java_options())

# Workers look for free ports in different places: a port that one has found, and does not listen on
# yet, is free for another.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
process.PORTS = process.PORTS[_WORKER % 8 :: 8]

_TOLD_AT = 0.9
"""Of the time limit of a test: what hangs is told before its process is ended."""

Service = TypeVar("Service")
_used_services = pytest.StashKey[dict[str, str]]()
_deselected = pytest.StashKey[int]()
_stderr = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def kafka_service(pytestconfig: pytest.Config) -> Iterator[Kafka]:
    """The session's Kafka. It is shared: use topics of your own, never wipe or restart it."""
    with _started(resolve_kafka, "SAGA_TEST_KAFKA") as kafka:
        pytestconfig.stash[_used_services]["kafka"] = f"Kafka {kafka.version} at {kafka.bootstrap_servers}"
        yield kafka


@pytest.fixture(scope="session")
def kafka_address(kafka_service: Kafka) -> str:
    """Bootstrap servers of the session's Kafka."""
    return kafka_service.bootstrap_servers


@pytest.fixture(scope="session")
def postgres_service(pytestconfig: pytest.Config) -> Iterator[Postgres]:
    """The session's PostgreSQL. It is shared: use databases of your own, never restart it."""
    with _started(resolve_postgres, "SAGA_TEST_POSTGRES") as postgres:
        pytestconfig.stash[_used_services]["postgres"] = f"PostgreSQL {postgres.version} at {postgres.address}"
        if "SAGA_TEST_POSTGRES" not in os.environ:
            _spare_the_disk(postgres)
        yield postgres


@pytest.fixture(scope="session")
def jaeger_service(pytestconfig: pytest.Config) -> Iterator[Jaeger]:
    """The session's Jaeger. It is shared: use trace ids of your own, never restart it."""
    with _started(resolve_jaeger, "SAGA_TEST_JAEGER") as jaeger:
        pytestconfig.stash[_used_services]["jaeger"] = f"Jaeger {jaeger.version} at {jaeger.query_url}"
        yield jaeger


def _spare_the_disk(postgres: Postgres) -> None:
    """Let our own server leave writing to the system. What it committed outlives its processes all
    the same, and the machine's end is the session's too."""
    ask(postgres.url, "ALTER SYSTEM SET fsync = off")
    ask(postgres.url, "SELECT pg_reload_conf()")


@pytest.fixture
def postgres_url(postgres_service: Postgres) -> Iterator[Callable[[], str]]:
    """Makes a fresh, empty PostgreSQL database at each call; all are dropped after the test."""
    with ExitStack() as dropped:

        def fresh() -> str:
            name = f"test_{uuid.uuid4().hex[:16]}"
            url = postgres_service.create_database(name)
            dropped.callback(postgres_service.drop_database, name)
            return url

        yield fresh


@pytest.fixture
def database_url(postgres_url: Callable[[], str]) -> str:
    """SQLAlchemy URL of a fresh, empty PostgreSQL database."""
    return postgres_url()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """SQLAlchemy URL of a SQLite file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite'}"


@pytest.fixture
def own_kafka() -> Iterator[Callable[[], KafkaService]]:
    """Starts a Kafka for this test alone, which it may kill, restart and wipe."""
    with ExitStack() as stopped:
        yield lambda: stopped.enter_context(KafkaService())


@pytest.fixture(scope="module")
def _kafka_of_the_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaService]:
    kafka = KafkaService(tmp_path_factory.mktemp("kafka") / "kafka", port=free_port())
    yield kafka
    kafka.kill()


@pytest.fixture
def kept_kafka(_kafka_of_the_module: KafkaService) -> KafkaService:
    """A running Kafka of the module's own, which a test may kill, restart and stop; what earlier
    tests sent to it is still there. Cheaper than `own_kafka`."""
    return _kafka_of_the_module if _kafka_of_the_module.pid else _kafka_of_the_module.start()


@pytest.fixture
def own_postgres() -> Iterator[Callable[[], PostgresService]]:
    """Starts a PostgreSQL for this test alone, which it may kill and restart."""
    with ExitStack() as stopped:
        yield lambda: stopped.enter_context(PostgresService())


@pytest.fixture
def own_jaeger() -> Iterator[Callable[..., JaegerService]]:
    """Starts a Jaeger for this test alone, which it may kill and restart; with a directory (`data`)
    it then still knows its spans."""
    with ExitStack() as stopped:
        yield lambda data=None: stopped.enter_context(JaegerService(data))


def _started(resolve: Callable[[str | None], Service], variable: str) -> Service:
    try:
        return resolve(os.environ.get(variable))
    except ServiceFailed as failed:
        reason = f"{variable}: {failed}" if variable in os.environ else str(failed)
    pytest.fail(reason, pytrace=False)  # outside the handler, so that the one line stands alone


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--nothing-skipped",
        action="store_true",
        help="fail the session when any test was skipped, expected to fail, or deselected",
    )
    parser.addoption(
        "--one-kafka",
        action="store_true",
        help="start one Kafka before the workers, for all of them, where each else starts its own",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_used_services] = {}
    config.stash[_deselected] = 0
    config.stash[_stderr] = os.dup(2)  # captured later; a worker that dies hands on nothing that was captured
    if config.getoption("--one-kafka") and "SAGA_TEST_KAFKA" not in os.environ:
        _start_kafka_for_all(config)


def _start_kafka_for_all(config: pytest.Config) -> None:
    """Workers find it in the environment that they inherit. With it all tests took 750 s on two
    cores, where they took 855 s with four brokers that each compiled their own code."""
    try:
        kafka = resolve_kafka()
    except ServiceFailed as failed:
        raise pytest.UsageError(str(failed)) from failed
    os.environ["SAGA_TEST_KAFKA"] = kafka.bootstrap_servers
    config.add_cleanup(kafka.close)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while thousands of tests are collected, and leave them and all modules
    out of every later look: they stay until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    limit_s = float(item.config.getoption("timeout") or item.config.getini("timeout"))
    with told_after(_TOLD_AT * limit_s, item.nodeid, item.config.stash[_stderr]):
        return (yield)


def pytest_deselected(items: list[pytest.Item]) -> None:
    if items:
        items[0].config.stash[_deselected] += len(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (output := getattr(session.config, "workeroutput", None)) is not None:  # one of several workers: its services are its own
        output["services"] = sorted(session.config.stash[_used_services].values())
    if session.config.getoption("--nothing-skipped") and _not_run(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended: what it used is told with the rest."""
    for service in getattr(node, "workeroutput", {}).get("services", ()):
        node.config.stash[_used_services][f"{node.gateway.id} {service}"] = service


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for service in config.stash[_used_services].values():
        terminalreporter.write_line(f"real services: {service}")
    if config.getoption("--nothing-skipped") and (missing := _not_run(config)):
        terminalreporter.write_line(f"FAILED: every test has to run and to count, but there were {missing}", red=True)


def _not_run(config: pytest.Config) -> str:
    """What kept tests from running or counting, as "2 skipped, 1 deselected"; empty when all
    ran."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    counts = {kind: len(reporter.stats.get(kind, ())) for kind in ("skipped", "xfailed", "xpassed")} if reporter else {}
    counts["deselected"] = config.stash[_deselected]
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
