"""Processes started by the public commands, each killed by its own pid, and gone when the test is,
however the test went.

Knows nothing of sagas. What a process says goes to a file of its own, whose end is shown when it
did not behave.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

import httpx

from saga_cli.dev.process import ServerProcess

SAGA = str(Path(sys.executable).parent / "saga")
START_LIMIT_S = 60.0
"""Until a process answers; eight start at once on two cores."""
STOP_LIMIT_S = 60.0
_LOOK_EVERY_S = 0.1
_TAIL_LINES = 25


class SagaProcess:
    """One `saga …` process that can be killed and started again; `program` is another one."""

    def __init__(
        self, name: str, *command: str, environ: Mapping[str, str], folder: Path, ready_url: str, program: str = SAGA
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.kills = 0
        self._environ = dict(environ)
        self._ready_url = ready_url
        self._process = ServerProcess(name, [program, *command], log=self.log, stop_signal=signal.SIGTERM)

    def with_settings(self, **settings: str) -> Self:
        """Itself, whose next start has these variables too."""
        self._environ |= settings
        return self

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def pid(self) -> int:
        assert self._process.pid is not None, f"{self.name} is not started"
        return self._process.pid

    async def start(self) -> None:
        await asyncio.to_thread(self._process.start, environment=self._environ)

    async def kill(self) -> None:
        """`kill -9`. It must have been alive: a process that ended by itself is a finding."""
        assert self.running, f"{self.name} had ended by itself:\n{self.tail()}"
        await asyncio.to_thread(self._process.kill)
        self.kills += 1

    async def stop(self) -> None:
        """SIGTERM, and `kill -9` when that does not end it in time."""
        await asyncio.to_thread(self._process.stop, grace_s=STOP_LIMIT_S)

    async def ready(self, limit_s: float = START_LIMIT_S) -> None:
        """Until it says that it can do its work."""
        deadline = time.monotonic() + limit_s
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            while not await _answers(http, self._ready_url):
                assert self.running, f"{self.name} ended while it started:\n{self.tail()}"
                assert time.monotonic() < deadline, f"{self.name} is not ready after {limit_s:.0f} s:\n{self.tail()}"
                await asyncio.sleep(_LOOK_EVERY_S)

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def tail(self) -> str:
        """The end of what it said."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"  {self.name}: {line[:300]}" for line in lines[-_TAIL_LINES:])


def ended_by_themselves(processes: Iterable[SagaProcess]) -> str:
    """Empty when all are alive; else who is not, and its last words."""
    return "\n".join(f"{process.name} ended by itself:\n{process.tail()}" for process in processes if not process.running)


def clean_environ() -> dict[str, str]:
    """Ours without any setting of the system's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SAGA_")}


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx.HTTPError:
        return False


def gone_in_time(gone: Callable[[], bool]) -> bool:
    """Whether what a process leaves goes away within the time that a stop may take."""
    deadline = time.monotonic() + STOP_LIMIT_S
    while not gone():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True
