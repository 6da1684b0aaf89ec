"""An archive that is away, full, or answers nonsense: one error of one line, in time; and a process
that is killed while it archives loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from saga_coordinator.archive.bucket import Bucket
from saga_coordinator.archive.directory import Directory
from saga_coordinator.archive.port import ArchiveError
from saga_coordinator.archive.reading import ArchiveReader, Found
from support.loopback import LoopbackServer
from support.paths import ROOT
from support.s3 import CREDENTIALS, s3_server

KILLS = 20
FULL_AT = 300_000
"""Bytes of a file, for a process whose files may not grow beyond."""


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


async def failure(call: Awaitable[object], within_s: float = 10) -> str:
    """The one line that it fails with."""
    began = time.monotonic()
    with pytest.raises(ArchiveError) as failed:
        await call
    assert time.monotonic() - began < within_s
    assert "\n" not in str(failed.value)
    assert len(str(failed.value)) < 500
    return str(failed.value)


# --- an object store ------------------------------------------------------------------------------


async def test_a_store_that_is_away_is_told() -> None:
    bucket = Bucket("sagas", endpoint="http://127.0.0.1:9", region="eu-west-1")

    said = await failure(bucket.put("2026-11-03", "x.avro", b"x"))

    assert said.startswith("the object store at http://127.0.0.1:9 did not do as asked for s3://sagas: ")


class Stranger(LoopbackServer):
    """Answers every request with the same thing, whatever is asked."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str], hang_s: float) -> None:
        super().__init__()
        self.answer = (status, body, hang_s, headers)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        status, body, hang_s, headers = self.answer

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                time.sleep(hang_s)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_HEAD = _take

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def store_that(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, limit_s: float = 5, hang_s: float = 0
) -> Iterator[Bucket]:
    with Stranger(status, body, headers or {}, hang_s) as server:
        yield Bucket("sagas", endpoint=server.url, region="eu-west-1", limit_s=limit_s)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"<html>log in here</html>", {}),
        (200, b"<html>log in here</html>", {"ETag": '"x"', "Last-Modified": "Tue, 03 Nov 2026 12:00:00 GMT"}),
        (301, b"", {"Location": "http://127.0.0.1:9/"}),
        (400, b"\xff\xfe", {}),
        (404, b"<Error><Code>NoSuchBucket</Code></Error>", {}),
        (507, b"<Error><Code>InsufficientStorage</Code></Error>", {}),
    ],
)
async def test_a_store_that_answers_nonsense_or_is_full_keeps_nothing(status: int, body: bytes, headers: dict[str, str]) -> None:
    with store_that(status, body, headers, limit_s=3) as bucket:
        assert "did not do as asked" in await failure(bucket.put("2026-11-03", "x.avro", b"kept"))


async def test_a_store_that_refuses_us_names_what_to_see_to() -> None:
    with store_that(403, b"<Error><Code>AccessDenied</Code></Error>") as bucket:
        assert "it refuses us" in (said := await failure(bucket.put("2026-11-03", "x.avro", b"x")))
        assert "AWS_ACCESS_KEY_ID" in said


async def test_a_list_of_nonsense_is_told() -> None:
    with store_that(200, b"log in here") as bucket:
        await failure(bucket.days())
        await failure(bucket.names("2026-11-03"))


async def test_a_store_that_hangs_is_given_up() -> None:
    with store_that(200, limit_s=0.5, hang_s=3) as bucket:
        await failure(bucket.put("2026-11-03", "x.avro", b"x"), within_s=2.5)


async def test_a_bucket_that_is_not_there_is_told() -> None:
    with s3_server() as endpoint:
        bucket = Bucket("nowhere", endpoint=endpoint, region="eu-west-1")

        assert "there is no such bucket" in await failure(bucket.put("2026-11-03", "x.avro", b"x"))


# --- a directory ----------------------------------------------------------------------------------


async def test_a_directory_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: time.sleep(1))

    said = await failure(Directory(tmp_path, limit_s=0.1).put("2026-11-03", "x.avro", b"x"))

    assert "does not answer within 0.1 s" in said


async def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, did = Directory(tmp_path), list[str]()
    await directory.put("2026-11-03", "first.avro", b"x")
    fsync, rename = os.fsync, Path.rename

    def syncing(descriptor: int) -> None:
        did.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).relative_to(tmp_path)}")
        fsync(descriptor)

    def renaming(path: Path, target: Path) -> Path:
        did.append(f"rename to {target.relative_to(tmp_path)}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "rename", renaming)

    await directory.put("2026-11-03", "second.avro", b"x")

    synced = "sync unfinished/2026-11-03-second.avro"
    assert did == [synced, "rename to 2026-11-03/second.avro", "sync 2026-11-03"]


WRITER = """
import asyncio, sys, pathlib, resource, signal
from saga_coordinator.archive.directory import Directory
from saga_coordinator.archive.port import ArchiveError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    asyncio.run(Directory(pathlib.Path(sys.argv[1])).put("2026-11-03", "x.avro", bytes(int(sys.argv[2]) * 2)))
except ArchiveError as error:
    print(error)
"""


def test_a_full_disk_keeps_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    done = run(WRITER, str(tmp_path), str(FULL_AT))

    assert done.stdout == f"{tmp_path} cannot be written to (File too large): see to its disk and its rights\n", done.stderr
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


ARCHIVER = """
import asyncio, sys, pathlib
from saga_coordinator.archive.directory import Directory
from saga_coordinator.archive.keeping import FileArchive
from support.archived import archived, described
async def describe(sagas):
    return [described(saga, view='"' + saga.row.id.hex * 20_000 + '"') for saga in sagas]
async def main():
    archive = FileArchive(Directory(pathlib.Path(sys.argv[1])), describe)
    while True:
        sagas = [archived() for _ in range(5)]
        await archive.keep(sagas)
        print(*(saga.row.id for saga in sagas), flush=True)
asyncio.run(main())
"""
"""Prints the ids of what is kept, once it is kept: then the rows would be removed."""


def test_a_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    kept: list[str] = []
    for n in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", ARCHIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=env()
        ) as child:
            assert child.stdout is not None
            kept += child.stdout.readline().split()
            time.sleep(n * 0.003)
            child.send_signal(signal.SIGKILL)
            kept += child.stdout.read().rpartition("\n")[0].split()

    found = asyncio.run(ids(tmp_path))

    assert len(kept) >= 5 * KILLS
    assert set(kept) <= found


async def ids(root: Path) -> set[str]:
    read = [one async for one in ArchiveReader(Directory(root)).entries()]
    assert [str(one) for one in read if not isinstance(one, Found)] == [], "no file is damaged"
    return {str(one.entry.id) for one in read if isinstance(one, Found)}


def env() -> dict[str, str]:
    paths = [ROOT / name for name in ("schemas", "messaging", "coordinator", "tests")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=env(), check=False)
