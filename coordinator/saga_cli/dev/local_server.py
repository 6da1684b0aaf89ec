"""A server on this machine: started, stopped, killed, started again on the same ports and data, and
closed."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from saga_cli.dev.process import ServerProcess


class LocalServer:
    """Common part of the servers. A subclass defines `start`, and what `close` leaves behind."""

    stop_grace_s: float
    log: Path

    def __init__(self) -> None:
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        raise AssertionError("a subclass defines it")

    def close(self) -> None:
        raise AssertionError("a subclass defines it")

    def stop(self) -> None:
        """Stop it in order. Ports and data stay for the next start."""
        if self._process:
            self._process.stop(grace_s=self.stop_grace_s)
            self._process = None

    def kill(self) -> None:
        """Kill it with SIGKILL. Ports and data stay for the next start."""
        if self._process:
            self._process.kill()
            self._process = None

    def restart(self) -> Self:
        """Stop it if it runs, then start it on the same ports and data."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
