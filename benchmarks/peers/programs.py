"""The peers' programs, built or installed once and kept in the user's cache.

`make bench-peers` does it before the run, so that its minutes are not the run's.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from saga_cli.dev.cache import cache_folder, locked
from saga_cli.dev.go_program import GoProgram
from saga_cli.dev.process import ServiceFailed

_HERE: Final = Path(__file__).parent
_LIMIT_S: Final = 900.0

DTM_TABLES: Final = "sqls/dtmsvr.storage.postgres.sql"
DTM_SERVER: Final = GoProgram(
    name="DTM",
    version="1.19.0",
    module="github.com/dtm-labs/dtm",
    module_version="v1.19.0",
    checksum="h1:TKRf21MkelOR6PPGLT9QzNs0ZJF/RLz+zZPkeOwzPPU=",
    package=".",
    version_variable="main.Version",
    least_go=(1, 22),
    takes="about 3 minutes on two cores (2 GB of disk meanwhile)",
    kept_files=(DTM_TABLES,),
)


def restate_server() -> Path:
    """The program in Restate's npm package, whose lock file pins it. npm's scripts are not run.

    Raises:
        ServiceFailed: It cannot be installed; the message says what is missing.
    """
    files = [_HERE / "restate_server" / name for name in ("package.json", "package-lock.json")]
    folder = _installed("restate-server", files, _by_npm)
    found = sorted(folder.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"))
    if not found:
        raise ServiceFailed(f"npm has no Restate for {sys.platform} on {platform.machine()}")
    return found[0]


def restate_python() -> Path:
    """The Python of an environment with Restate's SDK, of which the service is.

    Raises:
        ServiceFailed: It cannot be made; the message says why.
    """
    return _installed("restate-python", [_HERE / "restate-requirements.txt"], _by_pip) / "bin" / "python"


def _by_npm(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ServiceFailed("Restate's server comes by npm: install Node.js")
    _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)


def _by_pip(folder: Path) -> None:
    _run([sys.executable, "-m", "venv", str(folder)], folder)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "-r", str(folder / "restate-requirements.txt")], folder)


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode != 0:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ServiceFailed(f"{' '.join(command[:3])} failed: {' | '.join(said[-3:])}")


def _installed(name: str, files: Sequence[Path], install: Callable[[Path], None]) -> Path:
    """The folder where these files were put and the installer ran, once for each content."""
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = cache_folder() / f"{name}-{digest}"
    done = folder / ".installed"
    if not done.exists():
        with locked(folder.parent):
            if not done.exists():  # another process may have installed it while we waited
                print(f"saga: installing {name} once: {folder}", file=sys.stderr, flush=True)
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                for file in files:
                    shutil.copy(file, folder)
                install(folder)
                done.touch()
    return folder


if __name__ == "__main__":
    print(DTM_SERVER.program(), restate_server(), restate_python(), sep="\n")
