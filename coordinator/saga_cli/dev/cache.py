"""Where what `saga dev` builds once is kept, and the lock that lets one process at a time add to a cache."""

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
    """Our folder in the user's cache: below XDG_CACHE_HOME if that is set, else below `~/.cache`. It need not exist yet."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / _FOLDER


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process however that ends; says so on stderr when it has to wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"saga: waiting for another process that fills {folder}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
