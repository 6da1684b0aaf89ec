"""The project's own promises: what a source root may hold, what the wheel carries, what a
participant must install."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
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


def test_the_source_distribution_carries_what_its_readme_links_to(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    links = re.findall(r"\]\(([^)\s:#]+)[^)\s:]*\)", (ROOT / "README.md").read_text())

    assert len(links) > 10
    assert [link for link in links if not any(name == link or name.startswith(link.rstrip("/") + "/") for name in names)] == []


def test_no_property_is_judged_by_the_clock() -> None:
    assert settings().deadline is None


# --- make env -------------------------------------------------------------------------------------

FAKE = """#!/bin/sh
case "$*" in
    *version_info*) echo "$0" ;;
    "-m venv .venv") echo "made by ${0##*/}"; exit 1 ;;
esac
"""
"""A Python >= 3.11 that says so, and makes no environment, so that nothing is installed."""
BROKEN = "#!/bin/sh\nexit 127\n"


def make_env(folder: Path, pythons: dict[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run tools/environment.sh where the PATH has these Pythons and no other."""
    for name in ("tools", "bin"):
        (folder / name).mkdir()
    shutil.copy(ROOT / "tools" / "environment.sh", folder / "tools")
    for name, script in pythons.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    for tool in ("sh", "dirname", "rm", "sed"):
        (folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
    command = [str(folder / "tools" / "environment.sh"), "test"]
    return subprocess.run(command, env={"PATH": str(folder / "bin"), **variables}, capture_output=True, text=True, check=False)


def test_make_env_takes_the_newest_name_that_runs(tmp_path: Path) -> None:
    done = make_env(tmp_path, {"python3.14": BROKEN, "python3.12": FAKE, "python3.11": FAKE, "python3": FAKE})

    assert done.stdout == "made by python3.12\n"


def test_make_env_takes_the_python_it_is_told(tmp_path: Path) -> None:
    assert make_env(tmp_path, {"python3.12": FAKE, "python3": FAKE}, PYTHON="python3").stdout == "made by python3\n"


def test_make_env_takes_no_other_than_it_is_told(tmp_path: Path) -> None:
    done = make_env(tmp_path, {"python3.12": FAKE}, PYTHON="python3.14")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "saga: PYTHON=python3.14 is no Python >= 3.11 that runs\n")


def test_make_env_takes_what_pyenv_has_where_it_lacks_the_version_of_the_project(tmp_path: Path) -> None:
    shim = BROKEN.replace("exit", '[ "$PWD" = / ] && echo "$(dirname "$0")/python" || exit')

    assert make_env(tmp_path, {"python3.12": shim, "python": FAKE}).stdout == "made by python\n"


def test_make_env_says_what_it_looked_for(tmp_path: Path) -> None:
    done = make_env(tmp_path, {"python3": BROKEN})

    assert done.returncode == 1
    assert "looked for python3.14, python3.13, python3.12, python3.11, python3; PYTHON=... names another" in done.stderr


# --- versions of Python ---------------------------------------------------------------------------

CLASSIFIED = re.findall(r"Python :: (3\.\d+)", "\n".join(PYPROJECT["project"]["classifiers"]))
"""Those that the tests have run on."""
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def test_the_workflow_runs_every_python_that_is_classified() -> None:
    assert WORKFLOW["jobs"]["run"]["strategy"]["matrix"]["python"] == CLASSIFIED
    assert WORKFLOW["jobs"]["coverage"]["env"]["PYTHON"] == f"python{CLASSIFIED[-1]}"


def test_the_project_is_developed_on_the_oldest() -> None:
    oldest = CLASSIFIED[0]

    assert (ROOT / ".python-version").read_text().split() == [oldest]
    assert PYPROJECT["project"]["requires-python"] == f">={oldest}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


def test_make_env_looks_for_every_python_that_is_classified() -> None:
    names = re.findall(r"python(3\.\d+) ", (ROOT / "tools" / "environment.sh").read_text())

    assert names == CLASSIFIED[::-1]


def test_the_image_has_a_python_that_the_tests_run_on() -> None:
    images = re.findall(r"^FROM python:(3\.\d+)", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)

    assert len(set(images)) == 1
    assert set(images) <= set(CLASSIFIED)


# --- the code host --------------------------------------------------------------------------------


def test_actions_are_pinned_to_a_commit() -> None:
    used = [step["uses"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "uses" in step]

    assert used
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []


@pytest.mark.parametrize("form", ["bug.yml", "feature.yml"])
def test_an_issue_form_has_what_the_code_host_asks_for(form: str) -> None:
    said = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / form).read_text())
    ids = [field["id"] for field in said["body"]]

    assert {"name", "description", "body"} <= set(said)
    assert len(ids) == len(set(ids))


def test_a_commit_is_held_to_what_make_lint_and_make_types_run() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipes = re.findall(r"^(lint|types): .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    run = {line.strip() for _, lines in recipes for line in lines.splitlines()}

    assert {hook["entry"].replace(" --force-exclude", "") for hook in hooks if hook["id"] != "whitespace"} == run


# --- the docs site --------------------------------------------------------------------------------


class Tagged(yaml.SafeLoader):
    """Reads over tags of Python objects, which mkdocs.yml has."""


Tagged.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def navigated(nav: Any) -> Iterator[str]:
    """Every page of the site's navigation, or its folder."""
    if isinstance(nav, str):
        yield nav
    else:
        for inner in nav.values() if isinstance(nav, dict) else nav:
            yield from navigated(inner)


def test_the_navigation_of_the_site_has_every_page() -> None:
    nav = set(navigated(yaml.load((ROOT / "mkdocs.yml").read_text(), Tagged)["nav"]))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}

    assert sorted(page for page in pages if page not in nav and f"{page.rpartition('/')[0]}/*" not in nav) == []
    assert [page for page in nav if not page.endswith("/*") and page not in pages and not (ROOT / page).is_file()] == []


def test_the_script_of_the_diagrams_is_the_version_that_the_page_names() -> None:
    (named,) = re.findall(r"\[Mermaid\]\(\S+\) (\d+\.\d+\.\d+)", (ROOT / "docs" / "index.md").read_text())

    assert f'"{named}"' in (ROOT / "docs" / "assets" / "mermaid.tiny.js").read_text()


def test_no_test_module_is_imported() -> None:
    """What two of them use stands beside them, or in tests/support."""
    importing = re.compile(r"^\s*(?:from [\w.]*\btest_\w+ import|import [\w.]*\btest_\w+)", re.MULTILINE)
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py") if importing.search(path.read_text())}

    assert found - {"tests/unit/project/test_examples.py"} == set()  # it collects the example's own tests
