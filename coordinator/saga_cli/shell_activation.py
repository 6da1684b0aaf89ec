"""How a person types `saga` where this process was started."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def shell_activation() -> str | None:
    """The line that makes the shell find this `saga`; None where it does already, or where nothing would.

    `make demo` runs the command out of an environment that the shell knows nothing of.
    """
    programs = Path(sys.prefix) / "bin"
    ours, found = programs / "saga", shutil.which("saga")
    if not ours.exists() or (found is not None and os.path.samefile(found, ours)):
        return None
    activate = programs / "activate"
    return f". {_near(activate)}" if activate.exists() else f'export PATH="{programs}:$PATH"'


def _near(path: Path) -> Path:
    """Relative where it lies below the current folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
