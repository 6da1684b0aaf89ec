"""The archive that the retention loop is given: entries made, grouped by day, written as files."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence

from saga_coordinator.archive.address import open_files
from saga_coordinator.archive.container import write_container
from saga_coordinator.archive.entry import Entry
from saga_coordinator.archive.files import Files
from saga_coordinator.archive.names import day_of, file_name
from saga_coordinator.archive.port import ArchivedSaga
from saga_coordinator.archive.whereabouts import Whereabouts

Describe = Callable[[Sequence[ArchivedSaga]], Awaitable[Sequence[Entry]]]


class FileArchive:
    """An archive of files. It is the port's `Archive`."""

    def __init__(self, files: Files, describe: Describe) -> None:
        self._files = files
        self._describe = describe

    async def keep(self, sagas: Sequence[ArchivedSaga]) -> None:
        by_day: dict[str, list[Entry]] = {}
        for entry in await self._describe(sagas):
            by_day.setdefault(day_of(entry.closed_at_us), []).append(entry)
        for day, entries in sorted(by_day.items()):
            await keep_entries(self._files, day, entries)


def archived(address: str | None, describe: Describe) -> tuple[Whereabouts | None, FileArchive | None]:
    """What looks into the archive at an address, and what writes it; None where there is none."""
    files = None if address is None else open_files(address)
    return (None, None) if files is None else (Whereabouts(files), FileArchive(files, describe))


async def keep_entries(files: Files, day: str, entries: list[Entry]) -> str:
    """Write one file of a day and return its name. Raises ArchiveError."""
    entries.sort(key=lambda entry: entry.id)
    name = file_name(max(entry.archived_at_us for entry in entries), secrets.token_bytes(4), (entry.id for entry in entries))
    await files.put(day, name, await asyncio.to_thread(write_container, entries))
    return name
