"""Backups of a coordinator's database, made while it is served, and brought back: `pg_dump` with
`pg_restore`, a base backup with the write-ahead log, and SQLite's own online copy."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from saga_cli.dev.postgres import PostgresService, installed_binaries
from saga_cli.dev.sql import ask, sibling

LIMIT_S = 120.0


def run(program: str, *arguments: str | Path) -> str:
    """One of PostgreSQL's programs; what it printed."""
    command = [installed_binaries() / program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{program} ended {done.returncode}: {done.stderr}"
    return done.stdout


def server_url(url: str) -> str:
    """The URL as PostgreSQL's programs know it."""
    return url.replace("+asyncpg", "", 1)


class Backup:
    """A copy of the database at `url`, made now, in a file of `folder`."""

    def __init__(self, url: str, folder: Path, name: str = "backup") -> None:
        self.url = url
        self.file = folder / name
        if url.startswith("postgresql"):
            run("pg_dump", "--format=custom", "--file", self.file, server_url(url))
        else:
            with sqlite3.connect(_path(url)) as source, sqlite3.connect(self.file) as target:
                source.backup(target)

    def restore(self) -> None:
        """Drop the database, with whoever is connected, and make it anew from the copy."""
        if not self.url.startswith("postgresql"):
            path = _path(self.url)
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.write_bytes(self.file.read_bytes())
            return
        name, maintenance = self.url.rpartition("/")[2].partition("?")[0], sibling(self.url, "postgres")
        ask(maintenance, f'DROP DATABASE "{name}" WITH (FORCE)')
        ask(maintenance, f'CREATE DATABASE "{name}"')
        run("pg_restore", "--exit-on-error", "--dbname", server_url(self.url), self.file)


async def backed_up(url: str, folder: Path) -> Backup:
    return await asyncio.to_thread(Backup, url, folder)


def _path(url: str) -> Path:
    return Path(url.partition(":///")[2])


ARCHIVING: Final = {"archive_mode": "on", "wal_level": "replica"}


class PointInTime:
    """A PostgreSQL of the test's own, whose disk is lost; base backup and write-ahead log are
    elsewhere.

    Made before the coordinator's database has anything worth keeping, as a nightly one is.
    """

    def __init__(self, server: PostgresService) -> None:
        self.server = server
        self._base, self._log = server.directory / "base", server.directory / "wal"
        self._log.mkdir(mode=0o777)
        self._log.chmod(0o777)
        ask(server.url, f"ALTER SYSTEM SET archive_command = 'test ! -f {self._log}/%f && cp %p {self._log}/%f'")
        ask(server.url, "SELECT pg_reload_conf()")
        run("pg_basebackup", "--pgdata", self._base, "--checkpoint=fast", "--dbname", server_url(server.url))
        self._until = ""

    def remember(self) -> None:
        """This is the moment that is brought back."""
        self._until = str(ask(self.server.url, "SELECT clock_timestamp()::text"))

    def restore(self) -> None:
        """The disk is lost, but for what was archived: the base backup goes on to the moment."""
        ask(self.server.url, "SELECT pg_switch_wal()")
        archived = "SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver"
        _wait_until(lambda: ask(self.server.url, archived) is True)
        data = self.server.directory / "data"
        owner = data.stat()
        self.server.kill()
        shutil.rmtree(data)
        shutil.copytree(self._base, data)
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"restore_command = 'cp {self._log}/%f %p'\n")
            settings.write(f"recovery_target_time = '{self._until}'\nrecovery_target_action = 'promote'\n")
        (data / "recovery.signal").touch()
        data.chmod(0o700)
        for path in [data, *data.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid)
        self.server.start()
        _wait_until(lambda: ask(self.server.url, "SELECT pg_is_in_recovery()") is False)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "PostgreSQL did not get there"
        time.sleep(0.1)
