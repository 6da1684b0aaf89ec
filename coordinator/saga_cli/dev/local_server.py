"""The life of a server we run: started, stopped, killed and started again on the same ports and data, closed for good."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from saga_cli.dev.process import ServerProcess


class LocalServer:
    """What every such server shares; a server itself says how it starts and what `close` leaves behind."""

    stop_grace_s: float
    log: Path

    def __init__(self) -> None:
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        raise AssertionError("a server says how it starts")

    def close(self) -> None:
        raise AssertionError("a server says how it ends")

    def stop(self) -> None:
        """An orderly end; ports and data stay for the next start."""
        if self._process:
            self._process.stop(grace_s=self.stop_grace_s)
            self._process = None

    def kill(self) -> None:
        """`kill -9`; ports and data stay for the next start."""
        if self._process:
            self._process.kill()
            self._process = None

    def restart(self) -> Self:
        """Stop if running, then start on the same ports and data."""
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
