"""The demo's folder.

It is emptied at the start unless `--keep` left something there, and two demos never share it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saga_messaging.errors import ConfigurationError

LOCK, KEPT = "lock", "kept"
_OURS = ("*.sqlite", "*.sqlite-*", "*.sqlite.faults", "*.sqlite.faults-*", "*.sqlite.lock", "*.log", KEPT)
"""Files that a demo writes. Nothing else is ever deleted."""


@contextmanager
def locked_directory(directory: Path, *, keep: bool) -> Iterator[None]:
    """Lock the folder for one run.

    Args:
        directory: The folder; it is made if missing.
        keep: Whether the next run must leave these files alone.

    Raises:
        ConfigurationError: Another demo has the folder.
    """
    directory.mkdir(exist_ok=True)
    with (directory / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"a demo is running in {directory}/ (saga demo --keep): end it, or start this one in another folder"
            raise ConfigurationError(message) from None
        if not (directory / KEPT).exists():
            _empty(directory)
        if keep:
            (directory / KEPT).touch()
        yield
        if not keep:
            (directory / KEPT).unlink(missing_ok=True)


def _empty(directory: Path) -> None:
    for pattern in _OURS:
        for path in directory.glob(pattern):
            path.unlink()
