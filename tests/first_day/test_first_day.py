"""docs/first-day.md as a newcomer types it: from a fresh clone, in one shell, with what it prints
compared.

The page holds files (a block below `<!-- file: NAME -->`) and what is typed (`console` blocks). A
line that begins with `$ ` is typed; the lines below it are what the command prints, where `…`
stands for anything, and a line of its own for any lines.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import pytest

from support.pages import blocks_of
from support.paths import ROOT

PAGE = ROOT / "docs" / "first-day.md"
LIMIT_S = 300.0
"""Of one command, on a machine three times slower than ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """One command, and what it must print."""

    command: str
    printed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file, below the folder the shell is in."""

    name: str
    text: str


def acts_of(page: str) -> list[Typed | Written]:
    """What the page makes a reader do, in its order."""
    acts: list[Typed | Written] = []
    for block in blocks_of(page):
        if block.file is not None:
            acts.append(Written(name=block.file, text=block.text))
        elif block.language == "console":
            acts += [
                Typed(command=command, printed=printed)
                for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
            ]
    return acts


def pattern_of(printed: str) -> str:
    """A regular expression: `…` alone on a line is any lines, elsewhere anything within one."""
    lines = (r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"[ ]*\n" for line in printed.splitlines())
    return "".join(lines)


class Shell:
    """One interactive shell: folder, variables and background jobs stay from one command to the
    next."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )

    def type(self, command: str) -> tuple[int, str]:
        """Run it; its exit code and what it printed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f'{command}\necho "=== $? ==="\n')
        self._process.stdin.flush()
        printed: list[str] = []
        limit = Timer(LIMIT_S, os.killpg, (self._process.pid, signal.SIGKILL))
        limit.start()
        try:
            for line in self._process.stdout:
                if ended := re.fullmatch(r"(.*)=== (\d+) ===\n", line):
                    return int(ended[2]), "".join([*printed, ended[1]])
                printed.append(line)
        finally:
            limit.cancel()
        raise AssertionError(f"`{command}` did not end within {LIMIT_S:.0f} s, or the shell did:\n" + "".join(printed))

    def close(self) -> None:
        """End it and all that it left in the background."""
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate(timeout=60)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter: under root a PostgreSQL runs as somebody else."""
    with tempfile.TemporaryDirectory(prefix="saga-first-day-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def shell(folder: Path) -> Iterator[Shell]:
    """In a clone of what is committed; no variable of ours, no environment of ours on the path."""
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", folder / "clone"], check=True)
    ours = str(ROOT / ".venv")
    path = os.pathsep.join(entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.startswith(ours))
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("SAGA_", "VIRTUAL_ENV", "PYTHON"))}
    opened = Shell(folder / "clone", {**kept, "PATH": path})
    yield opened
    opened.close()


def test_the_first_day_goes_as_its_page_says(shell: Shell) -> None:
    for act in acts_of(PAGE.read_text()):
        match act:
            case Written(name=name, text=text):
                _, folder = shell.type("pwd")
                (Path(folder.strip()) / name).write_text(text)
            case Typed(command=command, printed=expected):
                code, printed = shell.type(command)
                print(f"$ {command}\n{printed}", end="")
                assert code == 0, f"`{command}` ended {code}:\n{printed}\n{logs(shell)}"
                if expected:
                    assert re.fullmatch(pattern_of(expected), printed), f"`{command}` printed\n{printed}\n{logs(shell)}"


def logs(shell: Shell) -> str:
    """The ends of the logs in the folder, for who has to find out."""
    return shell.type("tail -n 15 *.log 2>/dev/null")[1]


def test_the_page_has_files_and_commands_of_all_its_parts() -> None:
    acts = acts_of(PAGE.read_text())

    assert {"flights.py", "hotels.py", "cars.py", "trip.saga.yaml"} <= {act.name for act in acts if isinstance(act, Written)}
    typed = "\n".join(act.command for act in acts if isinstance(act, Typed))
    for part in ("make demo", "make wheel", "saga def register", "saga start", "saga show"):
        assert part in typed, part
