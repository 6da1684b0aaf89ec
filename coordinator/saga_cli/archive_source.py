"""The archive as commands read it: at its own address, without a coordinator."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saga_cli.exits import CommandFailed, ExitCode

if TYPE_CHECKING:
    from saga_coordinator.archive.reading import Found

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which sagas of an archive."""

    day: str | None = None
    definition: str | None = None
    key: str | None = None
    limit: int | None = None

    def takes(self, found: Found) -> bool:
        saga = found.entry.saga
        return self.definition in (None, saga.definition) and self.key in (None, saga.row.business_key)


@dataclass(slots=True)
class Source:
    """One archive. Files that are damaged are told on stderr, and the rest is read."""

    address: str | None
    damaged: int = field(default=0, init=False)

    def each(self, wanted: Wanted, take: Callable[[Found], None]) -> int:
        """Hand on the sagas, those that closed last first. Returns their number."""
        return asyncio.run(self._each(wanted, take))

    async def _each(self, wanted: Wanted, take: Callable[[Found], None]) -> int:
        from saga_coordinator.archive.port import ArchiveError
        from saga_coordinator.archive.reading import DamagedFile

        taken = 0
        try:
            async for found in self._reader().entries(wanted.day):
                if isinstance(found, DamagedFile):
                    self.damaged += 1
                    print(f"saga: {found}", file=sys.stderr)
                elif wanted.takes(found):
                    take(found)
                    taken += 1
                    if taken == wanted.limit:
                        break
        except ArchiveError as error:
            raise CommandFailed(str(error), ExitCode.NO_SERVER) from None
        return taken

    def found(self, ids: Sequence[str]) -> list[Found]:
        """These sagas. Raises CommandFailed where one is not there."""
        return asyncio.run(self._found(ids))

    async def _found(self, ids: Sequence[str]) -> list[Found]:
        from saga_coordinator.archive.port import ArchiveError
        from saga_schemas.ids import parse_saga_id

        found: list[Found] = []
        for text in ids:
            saga_id = parse_saga_id(text.lower())
            if saga_id is None:
                message = f"{text[:80]!r} is no saga's id; `saga archive list --key KEY` looks for a business key"
                raise CommandFailed(message, ExitCode.USAGE)
            try:
                one = await self._reader().find(saga_id)
            except ArchiveError as error:
                raise CommandFailed(str(error), ExitCode.NO_SERVER) from None
            if one is None:
                raise CommandFailed(f"the archive has no saga {saga_id}", ExitCode.NOT_FOUND)
            found.append(one)
        return found

    def _reader(self) -> Any:
        from saga_coordinator.archive.address import open_files
        from saga_coordinator.archive.reading import ArchiveReader
        from saga_messaging.errors import ConfigurationError

        if not self.address:
            raise ConfigurationError("SAGA_ARCHIVE is not set: give --archive file:///PATH or s3://BUCKET/PREFIX")
        return ArchiveReader(open_files(self.address))

    def fail_if_damaged(self) -> None:
        """Raises CommandFailed where files could not be read."""
        if self.damaged:
            raise CommandFailed(f"{self.damaged} files could not be read: what is in them is missing here", ExitCode.FINDINGS)


def line_of(found: Found) -> Json:
    """One saga as lists show it, and the file that it stands in."""
    from saga_schemas.times import format_us

    saga, row = found.entry.saga, found.entry.saga.row
    return {
        "id": str(row.id),
        "key": row.business_key,
        "definition": saga.definition,
        "definition_version": saga.definition_version,
        "phase": row.phase,
        "attention": [f"{one.step}: {one.reason}" if one.step else one.reason for one in found.entry.attention],
        "started_at": format_us(row.started_at_us),
        "closed_at": format_us(found.entry.closed_at_us),
        "version": row.version,
        "trace_id": row.trace_id,
        "file": f"{found.day}/{found.name}",
    }


def view_of(found: Found) -> Json:
    """What `saga show -o json` said of it."""
    view: Json = json.loads(found.entry.view)
    return view
