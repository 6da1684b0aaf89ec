"""An archive read: all of it, newest first, or one saga by its id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from saga_coordinator.archive.container import Damaged, read_container
from saga_coordinator.archive.entry import Entry
from saga_coordinator.archive.files import Files
from saga_coordinator.archive.names import day_of, read_name
from saga_coordinator.archive.port import ArchiveError
from saga_schemas.ids import uuid7_unix_ms
from saga_schemas.record_class import record
from saga_schemas.times import LAST_US


@record
class Found:
    """An entry, and where it stands."""

    entry: Entry
    day: str
    name: str


@record
class DamagedFile:
    """A file that cannot be read."""

    day: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.day}/{self.name} is damaged: {self.why}; bring it back from a copy of the archive"


class ArchiveReader:
    """Reads what stands at one place."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def entries(self, day: str | None = None) -> AsyncIterator[Found | DamagedFile]:
        """Every saga once, those of later days and files first; of one day, or of all.

        An archive that was stopped in the middle may hold a saga twice: the later one counts.
        Raises ArchiveError.
        """
        for one in [day] if day is not None else reversed(await self._files.days()):
            seen: set[UUID] = set()
            for name in reversed(await self._names(one)):
                read = await self._read(one, name)
                if isinstance(read, DamagedFile):
                    yield read
                    continue
                for entry in reversed(read):
                    if entry.id not in seen:
                        seen.add(entry.id)
                        yield Found(entry=entry, day=one, name=name)

    async def find(self, saga_id: UUID) -> Found | None:
        """One saga. It closed on the day it started or later.

        Raises:
            ArchiveError: It was not found, and may stand in a file that cannot be read.
        """
        started_us = uuid7_unix_ms(saga_id) * 1000
        if started_us > LAST_US:
            return None  # no id that a saga has
        damaged: DamagedFile | None = None
        first = day_of(started_us)
        for day in await self._files.days():
            for name in reversed(await self._names(day, saga_id)) if day >= first else ():
                read = await self._read(day, name)
                if isinstance(read, DamagedFile):
                    damaged = damaged or read
                    continue
                for entry in read:
                    if entry.id == saga_id:
                        return Found(entry=entry, day=day, name=name)
        if damaged is not None:
            raise ArchiveError(str(damaged))
        return None

    async def _names(self, day: str, saga_id: UUID | None = None) -> list[str]:
        """The names of our files of a day, in order; those that may hold a saga."""
        named = [name for text in await self._files.names(day) if (name := read_name(text)) is not None]
        return [name.text for name in named if saga_id is None or name.may_hold(saga_id)]

    async def _read(self, day: str, name: str) -> list[Entry] | DamagedFile:
        content = await self._files.get(day, name)
        try:
            return await asyncio.to_thread(read_container, content)
        except Damaged as damaged:
            return DamagedFile(day=day, name=name, why=str(damaged))
