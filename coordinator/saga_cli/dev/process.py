"""One server process of `saga dev` and of the tests: started under a supervisor, stopped, killed,
and its log.

This module knows nothing of Kafka, PostgreSQL or Jaeger. `supervisor.py` ends the server when this
process dies.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_REPORT_LIMIT = 32
_LOG_TAIL_LINES = 3
_WAIT_OVER_GRACE_S = 5.0
_PORT_TRIES = 200
# Below Linux's ephemeral range (32768 up). A client that dials the port of a stopped server could
# otherwise be given that port as its source, connect to itself, and keep a restart from its port.
PORTS = range(20_000, 32_000)
"""Where `free_port` looks."""
_given: deque[int] = deque(maxlen=500)
"""Ports that this process was given lately: whoever asked for one may not listen on it yet."""


class ServiceFailed(RuntimeError):
    """A service could not be started or reached. The message is one line that says which and
    why."""


class ServerProcess:
    """A server process. Its output is appended to `log`."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, stop_signal: signal.Signals) -> None:
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._stop_signal = stop_signal
        self._supervisor: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None

    def start(self, *, environment: Mapping[str, str] | None = None, user: str | None = None, remove: Path | None = None) -> None:
        """Start it.

        Args:
            environment: Its environment variables. None: ours.
            user: The user it runs as. None: ours.
            remove: A folder that is deleted when this process dies before it stops the server.

        Raises:
            ServiceFailed: It could not be started.
        """
        assert self._supervisor is None, f"{self.name} is running"
        options = [*(["--remove", str(remove)] if remove else []), self._stop_signal.name]
        with self.log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SUPERVISOR), *options, "--", *as_user(self._command, user)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(environment) if environment is not None else None,
                cwd="/",
                start_new_session=True,
            )
        assert self._supervisor.stdout is not None
        report = self._supervisor.stdout.readline(_REPORT_LIMIT).strip()
        if not report:
            raise self.failure("could not be started")
        self.pid = int(report)

    @property
    def running(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is None

    def wait(self, *, limit_s: float) -> int:
        """Wait for a program that ends by itself and return its exit status.

        Raises:
            ServiceFailed: It did not end within `limit_s`; it is ended then.
        """
        assert self._supervisor is not None, f"{self.name} is not running"
        supervisor = self._supervisor
        try:
            return supervisor.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise self.failure(f"did not end within {limit_s:.0f} s") from None
        finally:
            self.stop(grace_s=_WAIT_OVER_GRACE_S)

    def stop(self, *, grace_s: float) -> None:
        """Send its stop signal, and kill it when it has not ended after `grace_s`."""
        self._signal(self._stop_signal)
        self._reap(grace_s)

    def kill(self) -> None:
        """Send SIGKILL and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self._reap(grace_s=10)

    def failure(self, what: str) -> ServiceFailed:
        """Return an error of one line: what went wrong, and the end of the log."""
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            what = f"{what}; end of {self.log}: {' | '.join(lines[-_LOG_TAIL_LINES:]) or '(empty)'}"
        return ServiceFailed(f"{self.name} {what}")

    def _signal(self, number: signal.Signals) -> None:
        # The pid is safe to signal while the supervisor lives: it alone reaps the server, and ends
        # right after.
        if self.pid is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _reap(self, grace_s: float) -> None:
        if self._supervisor is None:
            return
        try:
            self._supervisor.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._supervisor.wait(10)
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe is not None:
                pipe.close()
        self._supervisor = self.pid = None


def as_user(command: Sequence[str], user: str | None) -> list[str]:
    """Return the command that runs `command` as another user, which only root may.

    None is our own user.

    It uses Python, because `setpriv` is not on every machine.
    """
    if user is None:
        return list(command)
    become = "import os,pwd,sys; u=pwd.getpwnam(sys.argv[1]); os.setgroups([]); os.setgid(u.pw_gid); os.setuid(u.pw_uid)"
    return [sys.executable, "-I", "-S", "-c", f"{become}; os.execv(sys.argv[2], sys.argv[2:])", user, *command]


def free_port() -> int:
    """Return a loopback port that nobody listens on, outside the range of outgoing connections.

    It is none that was returned lately.
    """
    for _ in range(_PORT_TRIES):
        port = random.choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.append(port)
            return port
    raise ServiceFailed(f"no free port between {PORTS[0]} and {PORTS[-1]} on 127.0.0.1")


def is_free(port: int) -> bool:
    """Return whether nobody listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Return `count` different free ports."""
    return [free_port() for _ in range(count)]


def answers(port: int, host: str = "127.0.0.1", *, timeout_s: float = 0.5) -> bool:
    """Return whether a TCP connection is accepted there."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True
