"""An archive, on a directory and on a real S3 API: what is kept is read back, once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from saga_coordinator.archive.address import open_files
from saga_coordinator.archive.container import write_container
from saga_coordinator.archive.entry import Entry
from saga_coordinator.archive.files import Files
from saga_coordinator.archive.keeping import FileArchive, keep_entries
from saga_coordinator.archive.names import day_of, file_name
from saga_coordinator.archive.port import ArchiveError
from saga_coordinator.archive.reading import ArchiveReader, DamagedFile, Found
from support.archived import DAY_US, NOON_US, archived, describe, described, saga_id
from support.s3 import BUCKET, CREDENTIALS, s3_server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as started:
        yield started


@pytest.fixture
def bucket_address(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}?endpoint={endpoint}&region=eu-west-1"


@pytest.fixture(params=["directory", "bucket"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty archive."""
    if request.param == "directory":
        return (tmp_path / "archive").as_uri()
    return str(request.getfixturevalue("bucket_address"))


@pytest.fixture
def files(address: str, tmp_path: Path) -> Files:
    (tmp_path / "archive").mkdir()
    return open_files(address)


async def everything(files: Files, day: str | None = None) -> list[Found | DamagedFile]:
    return [found async for found in ArchiveReader(files).entries(day)]


async def entries(files: Files, day: str | None = None) -> list[Entry]:
    found = await everything(files, day)
    return [one.entry for one in found if isinstance(one, Found)]


async def test_an_empty_archive_has_nothing(files: Files) -> None:
    assert await files.days() == []
    assert await files.names("2026-11-03") == []
    assert await everything(files) == []
    assert await ArchiveReader(files).find(saga_id()) is None


async def test_what_is_kept_is_read_back(files: Files) -> None:
    sagas = [archived(), archived(key=None), archived(NOON_US + 5)]

    await FileArchive(files, describe).keep(sagas)

    read = await entries(files)
    expected = [described(saga) for saga in sorted(sagas, key=lambda saga: saga.row.id, reverse=True)]
    assert [without_definition_id(one) for one in expected] == read


def without_definition_id(entry: Entry) -> Entry:
    """The id of a definition is of one store only."""
    return replace(entry, saga=replace(entry.saga, row=replace(entry.saga.row, definition_id=0)))


async def test_sagas_stand_in_the_folder_of_the_day_they_closed(files: Files) -> None:
    midnight = NOON_US + DAY_US // 2
    before, after = archived(NOON_US, midnight - 1), archived(NOON_US, midnight)

    await FileArchive(files, describe).keep([after, before])

    days = await files.days()
    assert days == [day_of(NOON_US), day_of(NOON_US + DAY_US)]
    assert [[entry.id for entry in await entries(files, day)] for day in days] == [[before.row.id], [after.row.id]]


async def test_a_saga_that_was_kept_twice_is_read_once(files: Files) -> None:
    saga = archived()
    for at_us in (1, 3, 2):
        entry = described(saga, archived_at_us=NOON_US + at_us)
        await keep_entries(files, day_of(entry.closed_at_us), [entry])

    assert [entry.archived_at_us for entry in await entries(files)] == [NOON_US + 3]
    found = await ArchiveReader(files).find(saga.row.id)
    assert found is not None and found.entry.archived_at_us == NOON_US + 3


async def test_a_saga_is_found_by_its_id_on_whatever_day_it_closed(files: Files) -> None:
    late = archived(NOON_US, NOON_US + 9 * DAY_US)
    others = [archived(NOON_US + n * DAY_US) for n in range(10)]
    archive = FileArchive(files, describe)
    for saga in [*others, late]:
        await archive.keep([saga])

    for saga in [*others, late]:
        found = await ArchiveReader(files).find(saga.row.id)
        assert found is not None and found.entry.id == saga.row.id
        assert found.day == day_of(found.entry.closed_at_us)
    assert await ArchiveReader(files).find(saga_id()) is None


async def test_a_look_for_an_id_reads_only_files_that_may_hold_it(files: Files) -> None:
    saga = archived()
    await FileArchive(files, describe).keep([saga])
    day = day_of(NOON_US)
    read: list[str] = []

    class Watched:
        where = files.where
        check, put, days, names = files.check, files.put, files.days, files.names

        async def get(self, day: str, name: str) -> bytes:
            read.append(name)
            return await files.get(day, name)

    for n in range(1, 5):
        await FileArchive(files, describe).keep([archived(NOON_US + n * 1_000_000, NOON_US + 60_000_000)])

    found = await ArchiveReader(Watched()).find(saga.row.id)

    assert found is not None
    assert len(await files.names(day)) == 5
    assert read == [found.name]


async def test_what_is_no_file_of_ours_is_passed_over(files: Files) -> None:
    saga = archived()
    await FileArchive(files, describe).keep([saga])
    await files.put(day_of(NOON_US), "README.txt", b"somebody's")
    await files.put("notes", "x.avro", b"somebody's")

    assert [entry.id for entry in await entries(files)] == [saga.row.id]


async def test_a_damaged_file_is_named_and_hides_no_other(files: Files) -> None:
    saga, lost = archived(), archived()
    await FileArchive(files, describe).keep([saga])
    name = file_name(NOON_US, b"abcd", [lost.row.id])
    await files.put(day_of(NOON_US), name, write_container([described(lost)])[:-20])

    found = await everything(files)

    assert [one.entry.id for one in found if isinstance(one, Found)] == [saga.row.id]
    assert [str(one) for one in found if isinstance(one, DamagedFile)] == [
        f"{day_of(NOON_US)}/{name} is damaged: a block does not end where it should; bring it back from a copy of the archive"
    ]
    with pytest.raises(ArchiveError, match="is damaged"):
        await ArchiveReader(files).find(lost.row.id)


async def test_plain_fastavro_reads_it(files: Files) -> None:
    saga = archived()
    await FileArchive(files, describe).keep([saga])
    day = day_of(NOON_US)
    (name,) = await files.names(day)

    reader = fastavro.reader(BytesIO(await files.get(day, name)))
    (read,) = list[Any](reader)

    assert reader.codec == "zstandard"
    assert (read["id"], read["key"], read["view"]) == (saga.row.id, "o-17", '{"phase": "FORCED"}')
    assert [one["facts"] for one in read["journal"]] == [b"[]", b"[]"]


async def test_a_file_that_is_not_there_is_an_error_of_one_line(files: Files) -> None:
    with pytest.raises(ArchiveError) as missing:
        await files.get("2026-11-03", "none.avro")

    assert "\n" not in str(missing.value)
    assert len(str(missing.value)) < 500
