"""What a peer needs is installed once for each content of its files, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from peers import programs
from peers.programs import DTM_SERVER

from saga_cli.dev.process import ServiceFailed

PEERS = Path(programs.__file__).parent


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "wanted.txt"
    file.write_text("one")
    return file


class Installer:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.fails = False

    def __call__(self, folder: Path) -> None:
        self.found.append((folder / "wanted.txt").read_text())
        if self.fails:
            raise ServiceFailed("no network")


def test_it_is_installed_once_for_each_content(wanted: Path) -> None:
    install = Installer()

    first, again = (programs._installed("peer", [wanted], install) for _ in range(2))
    wanted.write_text("two")
    other = programs._installed("peer", [wanted], install)

    assert first == again != other
    assert install.found == ["one", "two"]


def test_what_failed_is_tried_again(wanted: Path) -> None:
    install = Installer()
    install.fails = True
    with pytest.raises(ServiceFailed, match="no network"):
        programs._installed("peer", [wanted], install)

    install.fails = False
    programs._installed("peer", [wanted], install)

    assert install.found == ["one", "one"]


def test_a_command_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailed, match=r"^sh -c .* failed: no such package$"):
        programs._run(["sh", "-c", "echo no such package; exit 1"], tmp_path)


def test_every_version_is_pinned() -> None:
    given = json.loads((PEERS / "restate_server" / "package.json").read_text())["optionalDependencies"]
    locked = json.loads((PEERS / "restate_server" / "package-lock.json").read_text())["packages"]
    requirements = (PEERS / "restate-requirements.txt").read_text().splitlines()

    assert {name: locked[f"node_modules/{name}"]["version"] for name in given} == given
    assert all(locked[f"node_modules/{name}"]["integrity"].startswith("sha512-") for name in given)
    assert all("==" in line for line in requirements)
    assert DTM_SERVER.checksum.startswith("h1:")
