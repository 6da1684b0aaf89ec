"""An archive in a directory.

A file is written under another name in `unfinished/`, synced, and renamed; then its folder is
synced. So whatever stops the process, a file that has its name is whole, and stays.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from saga_coordinator.archive.names import is_day
from saga_coordinator.archive.port import ArchiveError

R = TypeVar("R")

LIMIT_S: Final = 30.0
"""How long one call may take: a network's directory may hang for ever."""
_UNFINISHED: Final = "unfinished"
_LEFT_OVER_S: Final = 24 * 3600.0
"""Unfinished files older than this were left by a process that was killed."""


class Directory:
    """Files below one directory."""

    def __init__(self, root: Path, *, limit_s: float = LIMIT_S) -> None:
        self._root = root
        self._limit_s = limit_s
        # Threads of its own: those of a directory that hangs are missed by nobody else.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="archive")

    @property
    def where(self) -> str:
        return self._root.as_uri()

    async def check(self) -> None:
        """Make the directory where it is not there, and write to it. Raises ArchiveError."""
        await self._do("written to", self._check)

    def _check(self) -> None:
        _make(self._root / _UNFINISHED)
        with tempfile.TemporaryFile(dir=self._root / _UNFINISHED):
            pass
        for left in (self._root / _UNFINISHED).iterdir():
            if time.time() - left.stat().st_mtime > _LEFT_OVER_S:
                left.unlink(missing_ok=True)

    async def put(self, day: str, name: str, content: bytes) -> None:
        await self._do("written to", lambda: self._put(day, name, content))

    def _put(self, day: str, name: str, content: bytes) -> None:
        unfinished, folder = self._root / _UNFINISHED / f"{day}-{name}", self._root / day
        _make(unfinished.parent)
        _make(folder)
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(folder / name)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync(folder)

    async def days(self) -> list[str]:
        return await self._do("read", lambda: sorted(one.name for one in self._root.iterdir() if is_day(one.name)))

    async def names(self, day: str) -> list[str]:
        def listed() -> list[str]:
            folder = self._root / day
            return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []

        return await self._do("read", listed)

    async def get(self, day: str, name: str) -> bytes:
        return await self._do("read", (self._root / day / name).read_bytes)

    async def _do(self, what: str, act: Callable[[], R]) -> R:
        try:
            async with asyncio.timeout(self._limit_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, act)
        except TimeoutError:
            raise ArchiveError(
                f"{self._root} does not answer within {self._limit_s:g} s: is its disk or network there?"
            ) from None
        except OSError as error:
            path = error.filename or self._root
            raise ArchiveError(f"{path} cannot be {what} ({error.strerror}): see to its disk and its rights") from None


def _make(folder: Path) -> None:
    """Make a folder; the folder that it stands in knows of it for good."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
