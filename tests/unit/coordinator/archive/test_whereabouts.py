"""A look into the archive for whoever asks: bounded, and honest about what it did not see."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

from saga_coordinator.archive.directory import Directory
from saga_coordinator.archive.files import Files
from saga_coordinator.archive.keeping import FileArchive
from saga_coordinator.archive.whereabouts import Whereabouts
from support.archived import archived, describe, saga_id


class Hanging:
    """Files that never answer."""

    where = "s3://away"

    def __init__(self) -> None:
        self.asked = 0

    async def check(self) -> None: ...

    async def put(self, day: str, name: str, content: bytes) -> None: ...

    async def days(self) -> list[str]:
        self.asked += 1
        await asyncio.Event().wait()
        return []

    async def names(self, day: str) -> list[str]:
        return []

    async def get(self, day: str, name: str) -> bytes:
        return b""


async def test_a_saga_that_is_there_is_named_with_its_file(tmp_path: Path) -> None:
    files: Files = Directory(tmp_path)
    saga = archived()
    await FileArchive(files, describe).keep([saga])

    look = await Whereabouts(files).of(saga.row.id)

    (day,) = await files.days()
    (name,) = await files.names(day)
    assert look.file == f"{tmp_path.as_uri()}/{day}/{name}"
    assert look.text == f"It stands in {look.file}: `saga archive show {saga.row.id}` shows it."


async def test_a_saga_that_is_not_there_is_nowhere(tmp_path: Path) -> None:
    look = await Whereabouts(Directory(tmp_path)).of(saga_id())

    assert (look.file, look.text) == (None, f"It is neither here nor in the archive {tmp_path.as_uri()}.")


async def test_an_id_of_no_time_is_nowhere(tmp_path: Path) -> None:
    look = await Whereabouts(Directory(tmp_path)).of(UUID("ffffffff-ffff-7000-8000-000000000000"))

    assert look.file is None


async def test_a_look_has_an_end_and_says_so() -> None:
    look = await Whereabouts(Hanging(), limit_s=0.05).of(saga_id())

    assert look.file is None
    assert "was not looked through (that takes more than 0.05 s): `saga archive show" in look.text


async def test_few_look_at_a_time() -> None:
    files = Hanging()
    whereabouts = Whereabouts(files, limit_s=0.2)

    looks = await asyncio.gather(*(whereabouts.of(saga_id()) for _ in range(10)))

    assert files.asked == 2
    assert ["others are looking" in look.text for look in looks].count(True) == 8


async def test_an_archive_that_fails_is_named(tmp_path: Path) -> None:
    look = await Whereabouts(Directory(tmp_path / "none")).of(saga_id())

    assert "cannot be read (No such file or directory)" in look.text
