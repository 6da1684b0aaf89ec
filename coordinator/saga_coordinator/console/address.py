"""Where the console is."""

from __future__ import annotations


def root_of(prefix: str) -> str:
    """Where the browser sees the console. `prefix` is what a proxy puts before `/console`."""
    return f"{prefix}/console"
