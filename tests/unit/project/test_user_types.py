"""The public API as the type checker of a user sees it: mypy --strict, without our configuration
and our plugin.

`tests/user_code` holds a user's modules. A line there that has to be refused says by which rule (`#
type: ignore[rule]`); strict mypy reports such a comment when it has nothing to ignore any more. The
Python of the pages and of the example passes as it stands.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import Block, blocks_of
from support.paths import ROOT

USER_CODE = ROOT / "tests" / "user_code"
LOYALTY = ROOT / "examples" / "loyalty"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CACHE = ROOT / ".mypy_cache" / "user"
LIMIT_S = 500.0
"""Without a cache, on a machine that has other work."""
WRONG = """\
from saga_participant import Rejected

Rejected(404)
Rejected("over_limit")  # type: ignore[arg-type]
reveal_type(Rejected("over_limit").code)
"""
_FINDING = re.compile(r"(?P<file>[^:]+):(?P<said>\d+: .+)")


def modules_of(page: Path) -> dict[str, str]:
    """Each block that is a file of its own, and all others as one module; a line of code keeps its
    number on the page."""
    python = [block for block in blocks_of(page.read_text()) if block.language == "python"]
    together = [block for block in python if block.file is None]
    found = {f"{_stem(page)}_{block.file}": _in_place([block]) for block in python if block.file is not None}
    return found | ({f"{_stem(page)}_page.py": _in_place(together)} if together else {})


def _stem(page: Path) -> str:
    return re.sub(r"\W", "_", page.stem.lower())


def _in_place(blocks: list[Block]) -> str:
    lines: list[str] = []
    for block in blocks:
        lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    return "\n".join(lines) + "\n"


def user_modules() -> dict[str, str]:
    """Everything a user may have written, by the name of its file."""
    written = {path.name: path.read_text() for path in [*USER_CODE.glob("*.py"), *LOYALTY.glob("*.py")]}
    return written | {name: text for page in PAGES for name, text in modules_of(page).items()}


MODULES = user_modules()


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy says of each file, from one run in a folder outside the project."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in (MODULES | {"wrong.py": WRONG}).items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={CACHE}", "--no-error-summary", "."]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MYPY")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.stderr == ""

    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        finding = _FINDING.fullmatch(line)
        assert finding is not None, line
        found.setdefault(finding["file"], []).append(finding["said"])
    return found


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_users_strict_mypy_has_nothing_to_say(name: str, findings: dict[str, list[str]]) -> None:
    assert findings.get(name, []) == []


def test_a_refusal_that_is_not_foreseen_is_seen_and_so_is_one_that_is_gone(findings: dict[str, list[str]]) -> None:
    assert [re.sub(r":.*\[", ": [", said) for said in findings["wrong.py"] if "note" not in said] == [
        "3: [arg-type]",
        "4: [unused-ignore]",
    ]
    assert findings["wrong.py"][-1].endswith('str"')  # the package's own types are read


def test_the_pages_with_python_are_among_them() -> None:
    assert {
        "readme_page.py",
        "participants_page.py",
        "definitions_page.py",
        "first_day_flights.py",
        "loyalty.py",
    } <= MODULES.keys()
