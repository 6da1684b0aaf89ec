"""The line that makes a shell find the `saga` that is running."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def shell_activation() -> str | None:
    """Return the line to type, or None where the shell finds this `saga` already or there is no
    such program.

    `make demo` runs the command from an environment that the shell does not know.
    """
    programs = Path(sys.prefix) / "bin"
    ours, found = programs / "saga", shutil.which("saga")
    if not ours.exists() or (found is not None and os.path.samefile(found, ours)):
        return None
    activate = programs / "activate"
    return f". {_near(activate)}" if activate.exists() else f'export PATH="{programs}:$PATH"'


def _near(path: Path) -> Path:
    """Return the path relative to the current folder where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
