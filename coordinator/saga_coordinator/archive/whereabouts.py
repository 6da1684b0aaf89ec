"""Where a saga is that the store does not have: a look into the archive, for whoever asks for it.

Anybody can invent ids, so a look has a bound, and there are few at a time.
"""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

from saga_coordinator.archive.files import Files
from saga_coordinator.archive.port import ArchiveError
from saga_coordinator.archive.reading import ArchiveReader
from saga_schemas.record_class import record

LIMIT_S: Final = 5.0
"""How long a look may take."""
_LOOKS: Final = 2
"""So many at a time; who comes then is told to look himself."""


@record
class Whereabout:
    """What a look found."""

    text: str
    """One line for a person."""
    file: str | None = None
    """The file that the saga stands in."""


class Whereabouts:
    """Looks for sagas in one archive."""

    def __init__(self, files: Files, *, limit_s: float = LIMIT_S) -> None:
        self._files = files
        self._reader = ArchiveReader(files)
        self._limit_s = limit_s
        self._places = asyncio.Semaphore(_LOOKS)

    async def of(self, saga_id: UUID) -> Whereabout:
        """Look for one saga."""
        if self._places.locked():
            return self._not_seen(saga_id, "others are looking")
        try:
            async with self._places, asyncio.timeout(self._limit_s):
                found = await self._reader.find(saga_id)
        except TimeoutError:
            return self._not_seen(saga_id, f"that takes more than {self._limit_s:g} s")
        except ArchiveError as error:
            return self._not_seen(saga_id, str(error))
        if found is None:
            return Whereabout(text=f"It is neither here nor in the archive {self._files.where}.")
        file = f"{self._files.where}/{found.day}/{found.name}"
        return Whereabout(text=f"It stands in {file}: `saga archive show {saga_id}` shows it.", file=file)

    def _not_seen(self, saga_id: UUID, why: str) -> Whereabout:
        return Whereabout(
            text=f"It is not here. The archive was not looked through ({why}): `saga archive show {saga_id}` does that."
        )
