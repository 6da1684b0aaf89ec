"""Where an archive's files are: a directory, or a bucket."""

from __future__ import annotations

from typing import Protocol


class Files(Protocol):
    """Files in folders of days. Every method raises ArchiveError, within a bounded time."""

    @property
    def where(self) -> str:
        """The address, as a person reads it."""
        ...

    async def check(self) -> None:
        """Whether files can be written; once, before anything relies on it."""
        ...

    async def put(self, day: str, name: str, content: bytes) -> None:
        """Write a file. It is durable when this returns; there is never half of one."""
        ...

    async def days(self) -> list[str]:
        """The days that have a folder, in order."""
        ...

    async def names(self, day: str) -> list[str]:
        """The names of a day's files, in order. A day without a folder has none."""
        ...

    async def get(self, day: str, name: str) -> bytes:
        """The content of a file."""
        ...
