"""What is done to the participant from outside, by commands of the shell that the check was given:
kill it, start it, count its effects."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass, field
from typing import Final

from saga_cli.exits import CommandFailed, ExitCode

LIMIT_S: Final = 30.0
_AT_ONCE: Final = 4
_STOP_S: Final = 10.0
_SETTLED_S: Final = 0.2


@dataclass(kw_only=True)
class Shell:
    """Use it with `async with`: what `start` has left running ends with the block."""

    kill_command: str | None = None
    start_command: str | None = None
    effects_query: str | None = None
    """`{saga_id}` and `{unique}` in it are replaced."""
    _started: list[Process] = field(default_factory=list)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def __aenter__(self) -> Shell:
        return self

    async def __aexit__(self, *error: object) -> None:
        for process in self._started:
            await _end(process)

    @property
    def counts_effects(self) -> bool:
        return self.effects_query is not None

    @property
    def kills(self) -> bool:
        return self.kill_command is not None and self.start_command is not None

    async def kill(self) -> None:
        """Run the kill command to its end. Raises CommandFailed when it fails."""
        await _output("--kill-command", self.kill_command or "")

    async def start(self) -> None:
        """Run the start command. It may end, or stay as the participant itself.

        Raises:
            CommandFailed: It ended with an error.
        """
        process = await asyncio.create_subprocess_shell(
            self.start_command or "", stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _SETTLED_S)
        if process.returncode:
            raise CommandFailed(f"--start-command ended with {process.returncode}", ExitCode.USAGE)
        self._started.append(process)

    async def count_effects(self, saga_id: str, unique: str) -> list[int]:
        """The numbers that the query prints: effects of the action, and of the compensation.

        Raises:
            CommandFailed: It fails or prints no number.
        """
        query = (self.effects_query or "").replace("{saga_id}", saga_id).replace("{unique}", unique)
        async with self._turns:
            printed = await _output("--effects-query", query)
        numbers = [int(number) for number in re.findall(r"\d+", printed)]
        if not numbers:
            raise CommandFailed(f"--effects-query printed no number: {printed.strip()[:200]!r}", ExitCode.USAGE)
        return numbers[:2]


async def _output(option: str, command: str) -> str:
    process = await asyncio.create_subprocess_shell(command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    except TimeoutError:
        process.kill()
        raise CommandFailed(f"{option} did not end within {LIMIT_S:g} s", ExitCode.USAGE) from None
    if process.returncode:
        said = err.decode("utf-8", "replace").strip().splitlines()
        raise CommandFailed(f"{option} ended with {process.returncode}: {said[-1] if said else 'no message'}", ExitCode.USAGE)
    return out.decode("utf-8", "replace")


async def _end(process: Process) -> None:
    """SIGTERM to its group, then SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_S)
