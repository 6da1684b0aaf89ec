"""The real services of `saga dev` and the tests: they start, keep their data over kills, and never
outlive who started them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from saga_cli.dev.data_directory import kafka_uses, wait_until_unused
from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService, _temporary_directory
from saga_cli.dev.process import ServiceFailed, free_port
from saga_cli.dev.services import Kafka, Postgres, resolve_kafka, resolve_postgres
from saga_cli.dev.sql import ask
from support.processes import gone_in_time

SAGA = Path(sys.executable).with_name("saga")
GONE_LIMIT_S = 60.0

STARTER = """
import sys
from saga_cli.dev.{module} import {service}
service = {service}().start()
print(service.pid, service.directory, flush=True)
sys.stdin.read()
"""


async def produce(address: str, topic: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, value)


async def first_value(address: str, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        value: bytes | None = (await consumer.getone()).value
        return value
    finally:
        await consumer.stop()


async def test_the_kafka_of_the_session_carries_a_record_and_says_it_is_4_1(kafka_service: Kafka) -> None:
    await produce(kafka_service.bootstrap_servers, "dev-services-carries", b"there and back")

    assert await first_value(kafka_service.bootstrap_servers, "dev-services-carries") == b"there and back"
    assert kafka_service.version.startswith("4.1")


def test_the_postgresql_of_the_session_is_18(postgres_service: Postgres, database_url: str) -> None:
    assert str(ask(database_url, "SELECT version()")).startswith("PostgreSQL 18")
    assert postgres_service.version.startswith("18.")


def test_every_test_database_is_fresh(postgres_url: Callable[[], str]) -> None:
    first, second = postgres_url(), postgres_url()
    ask(first, "CREATE TABLE stock (sku text)")

    assert ask(second, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'stock'") == 0


async def test_a_killed_kafka_comes_back_on_its_address_with_its_records(kept_kafka: KafkaService) -> None:
    address = kept_kafka.bootstrap_servers
    await produce(address, "kept", b"still here")

    kept_kafka.kill()
    kept_kafka.restart()

    assert kept_kafka.bootstrap_servers == address
    assert await first_value(address, "kept") == b"still here"


def test_a_killed_postgresql_comes_back_on_its_address_with_its_rows(own_postgres: Callable[[], PostgresService]) -> None:
    postgres = own_postgres()
    url = postgres.create_database("shop")
    ask(url, "CREATE TABLE stock AS SELECT 7 AS left_over")
    assert ask(url, "SHOW fsync") == "on"  # the machine's end would not lose it either

    postgres.kill()
    postgres.restart()

    assert ask(url, "SELECT left_over FROM stock") == 7


@pytest.mark.parametrize(
    ("module", "service"), [("kafka", "KafkaService"), ("postgres", "PostgresService"), ("jaeger", "JaegerService")]
)
def test_a_service_ends_and_cleans_up_when_its_starter_is_killed(module: str, service: str) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER.format(module=module, service=service)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert starter.stdout is not None
    pid, directory = starter.stdout.readline().decode().split()
    assert is_there(int(pid))

    starter.send_signal(signal.SIGKILL)
    starter.communicate()

    assert gone_in_time(lambda: not is_there(int(pid))), f"process {pid} outlived its starter"
    assert gone_in_time(lambda: not Path(directory).exists()), f"{directory} was left behind"


def test_a_given_kafka_that_does_not_answer_fails_soon_with_one_line() -> None:
    began = time.monotonic()

    with pytest.raises(ServiceFailed, match=r"no Kafka answers at the given address 127\.0\.0\.1:1: ") as failure:
        resolve_kafka("127.0.0.1:1")

    assert "\n" not in str(failure.value)
    assert time.monotonic() - began < 15


def test_a_given_address_that_is_no_kafka_is_told_apart(postgres_service: Postgres) -> None:
    with pytest.raises(ServiceFailed, match="no Kafka answers at the given address"):
        resolve_kafka(postgres_service.address.partition("/")[0])


def test_a_given_postgresql_that_does_not_answer_fails_soon_and_hides_the_password() -> None:
    with pytest.raises(ServiceFailed, match=r"PostgreSQL at 127\.0\.0\.1:1/x: ") as failure:
        resolve_postgres("postgresql://me:secret@127.0.0.1:1/x")

    assert "secret" not in str(failure.value)


def test_given_services_are_used_and_left_running(kafka_service: Kafka, postgres_service: Postgres) -> None:
    with resolve_kafka(kafka_service.bootstrap_servers) as kafka, resolve_postgres(postgres_service.url) as postgres:
        assert kafka.version.startswith("4.1")
        assert postgres.version == postgres_service.version

    assert ask(postgres_service.url, "SELECT 1") == 1
    resolve_kafka(kafka_service.bootstrap_servers)


def test_a_kafka_that_cannot_start_says_why_in_one_line(kept_kafka: KafkaService) -> None:
    port = int(kept_kafka.bootstrap_servers.rpartition(":")[2])

    with pytest.raises(ServiceFailed, match=r"(?i)already in use|bind") as failure, KafkaService(port=port):
        pass

    assert "\n" not in str(failure.value)


def test_another_postgresql_on_our_port_is_not_taken_for_ours(own_postgres: Callable[[], PostgresService]) -> None:
    """It answers, it lets us in, and it is not the server of our directory."""
    theirs = own_postgres()
    port = int(theirs.url.rpartition(":")[2].partition("/")[0])
    before = ask(theirs.url, "SELECT count(*) FROM pg_database")

    with pytest.raises(ServiceFailed, match=r"already in use by another server") as failure, PostgresService(port=port) as ours:
        ours.create_database("coordinator")

    assert "\n" not in str(failure.value)
    assert ask(theirs.url, "SELECT count(*) FROM pg_database") == before


def test_postgres_takes_further_settings() -> None:
    with PostgresService(settings={"max_connections": "7"}) as postgres:
        assert ask(postgres.url, "SHOW max_connections") == "7"


def test_a_folder_that_postgresqls_user_may_not_enter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, who has to become somebody else."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tmp_path.chmod(0o700)
    with pytest.raises(ServiceFailed, match=r"may not enter .*: name a folder with --data"), PostgresService(tmp_path / "data"):
        pass


async def test_a_kafka_directory_can_be_used_again_on_another_port(kept_kafka: KafkaService) -> None:
    await produce(kept_kafka.bootstrap_servers, "moved", b"still here")
    kept_kafka.close()
    port = free_port()

    with KafkaService(kept_kafka.directory, port=port) as again:
        assert again.bootstrap_servers == f"127.0.0.1:{port}"
        assert await first_value(again.bootstrap_servers, "moved") == b"still here"


def test_databases_made_for_services_leave_the_coordinators_url_alone(tmp_path: Path) -> None:
    command = [str(SAGA), "dev", "postgres", "--create", "payment", "--port", str(free_port()), "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as running:
        assert running.stdout is not None
        said, _ = json.JSONDecoder().raw_decode(_until_closed(running.stdout))
        names = ask(said["environment"]["SAGA_DATABASE_URL"], "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database")
        running.send_signal(signal.SIGTERM)

    assert said["environment"]["SAGA_DATABASE_URL"].endswith("/coordinator")
    assert said["payment"].endswith("/payment")
    assert names == "coordinator payment postgres template0 template1"


def _until_closed(stdout: IO[str]) -> str:
    """The lines of one indented JSON object."""
    lines: list[str] = []
    while not lines or lines[-1] != "}\n":
        lines.append(stdout.readline())
        assert lines[-1], "".join(lines)
    return "".join(lines)


def is_there(pid: int) -> bool:
    """Whether the process exists, zombies included: none may be left either."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def started(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """`saga dev …`, and the address it says."""
    running = subprocess.Popen(
        [SAGA, "dev", *arguments, "--output", "ids"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert running.stdout is not None
    return running, running.stdout.readline().strip()


@pytest.mark.parametrize("service", ["kafka", "postgres"])
def test_a_service_whose_command_was_killed_is_there_again_at_once_on_its_data_and_its_port(service: str) -> None:
    """Its supervisor is still ending the first one: that one holds the data and the port."""
    folder = _temporary_directory()  # which the user `nobody` may enter, as PostgreSQL needs it under root
    port = ["--port", str(free_port())] if service == "postgres" else []
    try:
        first, address = started(service, "--data", str(folder), *port)
        first.kill()
        first.communicate()
        second, again = started(service, "--data", str(folder), *port)
        second.terminate()
        second.communicate()
    finally:
        shutil.rmtree(folder)

    assert "127.0.0.1" in address
    assert again == address


def test_a_directory_that_somebody_uses_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".lock").touch()
    hold = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "data" / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(ServiceFailed, match="is in use by another server"):
        wait_until_unused(tmp_path, kafka_uses, limit_s=0.2)
    holder.communicate()
    wait_until_unused(tmp_path, kafka_uses)
