"""The programs of examples/payment-go, built from their source and kept in the user's cache by what
they were built from.

`make payment-go` does it before the tests. Modules and compiled packages are in Go's own caches.
go.sum pins every module, so no other Go and no other version of a module is ever fetched.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from saga_cli.dev.cache import cache_folder, locked
from saga_cli.dev.go_toolchain import go_of_the_wheel, version_of
from support.paths import PAYMENT_GO

LEAST_GO: Final = (1, 26, 0)
"""The `go` line of go.mod."""
BUILD_LIMIT_S: Final = 1800.0
_KEPT_S: Final = 30 * 24 * 3600.0
_PARTS: Final = ("**/*.go", "**/*.sql", "**/*.avsc", "go.mod", "go.sum")


def payment_go() -> Path:
    """The built program. The first call for a version of the source builds it: about a minute."""
    return _built("payment-go", PAYMENT_GO)


def cloudevents_check() -> Path:
    """The program beside it that reads messages by the official SDK of CloudEvents, built alike."""
    return _built("cloudevents-check", PAYMENT_GO / "cloudevents")


def go_command(*arguments: str, folder: Path = PAYMENT_GO) -> subprocess.CompletedProcess[str]:
    """`go …` in a folder, with what go.sum pins and nothing else."""
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}
    command = [_go(), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
    )


def build(source: Path, program: Path) -> None:
    """Build one version of the source, whichever. Nothing is kept but what Go keeps."""
    flags = ("-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(program))
    done = go_command("build", *flags, ".", folder=source)
    if done.returncode != 0:
        raise RuntimeError(f"{source.name} cannot be built: {done.stderr.strip()}")


def _built(name: str, source: Path) -> Path:
    kept = cache_folder() / f"{name}-{_digest(source)}-{sys.platform}-{platform.machine()}"
    if kept.exists():
        return kept
    with locked(kept.parent):
        if not kept.exists():  # another process may have built it while we waited
            print(f"saga: building {name} from {source}, about a minute the first time", file=sys.stderr, flush=True)
            unfinished = kept.with_suffix(".unfinished")
            build(source, unfinished)
            for older in kept.parent.glob(f"{name}-*"):
                if older.stat().st_mtime < time.time() - _KEPT_S:
                    older.unlink()
            unfinished.replace(kept)  # whole or not at all
    return kept


def _digest(source: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(path for pattern in _PARTS for path in source.glob(pattern) if not path.name.endswith("_test.go")):
        found.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def _go() -> str:
    """The first Go that is new enough: the machine's, else the wheel's."""
    for go in (shutil.which("go"), go_of_the_wheel()):
        if go and version_of(go) >= LEAST_GO:
            return go
    least = ".".join(map(str, LEAST_GO))
    raise RuntimeError(f"to build payment-go takes Go {least} or newer: install it, or pip install 'saga-coordinator[dev]'")


if __name__ == "__main__":
    print(payment_go(), cloudevents_check(), sep="\n")
