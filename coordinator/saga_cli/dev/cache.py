"""The cache of programs that `saga dev` builds once, and the lock that lets one process at a time
add to a cache."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = "saga-coordinator"
_LOCK = ".saga-dev.lock"


def cache_folder() -> Path:
    """Return our folder in XDG_CACHE_HOME, or in `~/.cache` when that is not set.

    The folder may not exist yet.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / _FOLDER


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while the block runs. Prints a line on stderr when it has to wait.

    The lock ends with the process, even after a kill -9.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"saga: waiting for another process that fills {folder}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
