"""The project's own promises: what a source root may hold, what the wheel carries, what a participant must install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
from hypothesis import settings

from support.paths import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {
    "schemas": {"saga_schemas"},
    "messaging": {"saga_messaging"},
    "coordinator": {"saga_coordinator", "saga_cli"},
    "participants": {"saga_participant", "saga_demo"},
}
LEFT_BY_TOOLS = {"__pycache__"}


@pytest.mark.parametrize("root", PACKAGES)
def test_a_source_root_holds_only_import_packages_and_a_readme(root: str) -> None:
    assert {entry.name for entry in (ROOT / root).iterdir()} - LEFT_BY_TOOLS - {"README.md"} == PACKAGES[root]


@pytest.mark.parametrize("package", [f"{root}/{name}" for root, names in PACKAGES.items() for name in sorted(names)])
def test_every_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


def test_the_base_installs_what_a_participant_needs_and_no_more() -> None:
    names = {re.split(r"[<>=\s]", requirement, maxsplit=1)[0] for requirement in PYPROJECT["project"]["dependencies"]}

    assert names == {"aiokafka[lz4,snappy,zstd]", "fastavro", "pydantic", "sqlalchemy[asyncio]", "opentelemetry-api"}


def test_every_requirement_has_a_lowest_version() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    requirements = [*PYPROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]

    assert [line for line in requirements if ">=" not in line and not line.startswith("saga-coordinator[")] == []


def test_the_wheel_carries_exactly_our_packages_and_their_data(wheel_names: set[str]) -> None:
    on_disk = {
        path.relative_to(ROOT / root).as_posix()
        for root, names in PACKAGES.items()
        for name in names
        for path in (ROOT / root / name).rglob("*")
        if path.is_file() and not LEFT_BY_TOOLS & set(path.parts)
    }

    assert {name for name in wheel_names if ".dist-info/" not in name} == on_disk
    assert "saga_cli/dev/kafka-jars.txt" in wheel_names


def test_the_wheel_carries_licence_and_command(wheel_names: set[str]) -> None:
    told = {name.partition(".dist-info/")[2] for name in wheel_names if ".dist-info/" in name}

    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= told


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in a wheel built as a release is, by hatchling, without the network."""
    target = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_no_property_is_judged_by_the_clock() -> None:
    assert settings().deadline is None
