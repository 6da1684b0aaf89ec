"""A real Jaeger v2 for development and tests: the program that `jaeger_build.py` builds.

It keeps spans in memory or in a directory.

    with JaegerService() as jaeger:
        jaeger.otlp_grpc     # "http://127.0.0.1:23456", for OTLP over gRPC; over HTTP: `otlp_http`
        jaeger.query_url     # "http://127.0.0.1:23458", for /api/traces/{id} and /api/services

A span can be read as soon as it is accepted, because there is no batch processor. Ports survive
`restart()`. Spans survive it only in a directory, and then a kill -9 too. Jaeger listens on
loopback only: on these ports, and on any free one for the query API's gRPC. It ends with the
process that started it.
"""

from __future__ import annotations

import re
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Self

from saga_cli.dev.jaeger_build import JAEGER_VERSION, jaeger_program
from saga_cli.dev.local_server import LocalServer
from saga_cli.dev.process import ServerProcess, ServiceFailed, answers, free_ports

MAX_TRACES = 100_000
"""Most traces kept in memory; the oldest are dropped."""

_START_LIMIT_S = 30.0
_POLL_INTERVAL_S = 0.02
_READY = "Everything is ready."
"""Logged once all its listeners are bound."""

_CONFIG = """\
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [jaeger_storage_exporter]
  telemetry:
    metrics:
      level: none
extensions:
  jaeger_storage:
    backends:
      kept:
        {storage}
  jaeger_query:
    storage:
      traces: kept
    http:
      endpoint: 127.0.0.1:{query}
    grpc:
      endpoint: 127.0.0.1:0
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:{otlp_grpc}
      http:
        endpoint: 127.0.0.1:{otlp_http}
exporters:
  jaeger_storage_exporter:
    trace_storage: kept
"""


_IN_MEMORY = "memory: {{max_traces: {max_traces}}}"
_IN_DIRECTORY = "badger: {{ephemeral: false, directories: {{keys: {directory}/keys, values: {directory}/values}}}}"


class JaegerService(LocalServer):
    """One Jaeger.

    Its directory holds only settings and log, and is deleted by `close()` or with this process.
    `data` stays.
    """

    stop_grace_s = 5.0

    def __init__(
        self,
        data: Path | None = None,
        *,
        otlp_port: int | None = None,
        otlp_http_port: int | None = None,
        query_port: int | None = None,
    ) -> None:
        super().__init__()
        self._data = data
        free = free_ports(3)
        self._otlp_port = otlp_port or free[0]
        self._otlp_http_port = otlp_http_port or free[1]
        self._query_port = query_port or free[2]
        self.directory = Path(tempfile.mkdtemp(prefix="saga-jaeger-"))
        self.log = self.directory / "server.log"
        self.version = JAEGER_VERSION

    @property
    def otlp_grpc(self) -> str:
        return f"http://127.0.0.1:{self._otlp_port}"

    @property
    def otlp_http(self) -> str:
        """Base URL of OTLP over HTTP; exporters add `/v1/traces`."""
        return f"http://127.0.0.1:{self._otlp_http_port}"

    @property
    def query_url(self) -> str:
        return f"http://127.0.0.1:{self._query_port}"

    def start(self) -> Self:
        """Start and wait until it answers.

        Raises ServiceFailed, with the end of the log, when it does not.
        """
        program = jaeger_program()
        settings = self._write_settings()
        logged = self.log.stat().st_size if self.log.exists() else 0
        command = [str(program), "--config", str(settings)]
        self._process = ServerProcess(f"Jaeger {JAEGER_VERSION}", command, log=self.log, stop_signal=signal.SIGTERM)
        self._process.start(remove=self.directory)
        try:
            self._wait_until_ready(self._process, logged)
            self.version = jaeger_release(self.query_url)
        except BaseException:
            self.kill()
            raise
        return self

    def close(self) -> None:
        """Kill it and delete its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write_settings(self) -> Path:
        settings = self.directory / "jaeger.yaml"
        if self._data is None:
            storage = _IN_MEMORY.format(max_traces=MAX_TRACES)
        else:
            self._data.mkdir(parents=True, exist_ok=True)
            storage = _IN_DIRECTORY.format(directory=self._data)
        settings.write_text(
            _CONFIG.format(storage=storage, otlp_grpc=self._otlp_port, otlp_http=self._otlp_http_port, query=self._query_port)
        )
        return settings

    def _wait_until_ready(self, process: ServerProcess, logged: int) -> None:
        """Wait for the line of this start in its log.

        An answer alone proves nothing: another Jaeger may have the port.
        """
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline:
            if not process.running:
                raise process.failure("ended while starting")
            if _READY.encode() in self.log.read_bytes()[logged:] and answers(self._query_port):
                return
            time.sleep(_POLL_INTERVAL_S)
        raise process.failure(f"was not ready within {_START_LIMIT_S:.0f} s")


def jaeger_release(query_url: str, *, timeout_s: float = 5.0) -> str:
    """Return the release that answers there, such as "2.13.0".

    Raises ServiceFailed when no Jaeger does.
    """
    import httpx

    try:
        with httpx.Client(base_url=query_url, timeout=timeout_s, follow_redirects=True, trust_env=False) as client:
            services, page = client.get("/api/services"), client.get("/")
        answer = services.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ServiceFailed(f"no Jaeger answers at {query_url}: {' '.join(str(error).split())}") from error
    if not isinstance(answer, dict) or "data" not in answer:
        raise ServiceFailed(f"no Jaeger answers at {query_url}: /api/services is not a list of services")
    found = re.search(r'"gitVersion" *: *"v?([^"]+)"', page.text)  # the web page holds it, be it the placeholder or the real one
    return found[1] if found else "of unknown release"
