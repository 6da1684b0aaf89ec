"""The last server of a data directory, and whether it still runs.

A killed `saga dev` leaves a server that its supervisor is still ending. That server holds data and
port for some seconds more. A new `saga dev` waits for its end and takes its port.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from saga_cli.dev.process import ServiceFailed

UNUSED_LIMIT_S: Final = 15.0
_POLL_INTERVAL_S: Final = 0.05


def wait_until_unused(directory: Path, used: Callable[[Path], bool], *, limit_s: float = UNUSED_LIMIT_S) -> None:
    """Wait until no server uses the directory.

    Args:
        directory: The data directory.
        used: Returns whether a server uses it.
        limit_s: How long to wait.

    Raises:
        ServiceFailed: A server still uses it after `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while used(directory):
        if time.monotonic() >= deadline:
            raise ServiceFailed(f"{directory} is in use by another server: end that one, or give another --data")
        time.sleep(_POLL_INTERVAL_S)


def kafka_uses(directory: Path) -> bool:
    """Return whether a Kafka uses the directory: it locks a file beside its logs."""
    with contextlib.suppress(FileNotFoundError), (directory / "data" / ".lock").open("r+b") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def postgres_uses(directory: Path) -> bool:
    """Return whether a PostgreSQL uses the directory: the process runs whose id is written there.

    A killed PostgreSQL leaves its process id behind.
    """
    try:
        os.kill(int(_postmaster(directory)[0]), 0)
    except (OSError, ValueError, IndexError):
        return False
    return True


def kafka_port(directory: Path) -> int | None:
    """Return the port of the last Kafka of this directory; None when there is none."""
    with contextlib.suppress(OSError):
        found = re.search(r"^listeners=PLAINTEXT://127\.0\.0\.1:(\d+),", (directory / "server.properties").read_text(), re.M)
        return int(found[1]) if found else None
    return None


def _postmaster(directory: Path) -> list[str]:
    try:
        return (directory / "data" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []
