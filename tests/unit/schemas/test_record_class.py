"""`@record` is `@dataclass(frozen=True, slots=True, kw_only=True)` in everything but the cost of
making one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from saga_schemas.record_class import record
from support.paths import ROOT


@record
class Ours:
    name: str
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    name: str
    size: int = 1


def test_it_is_equal_hashed_and_shown_by_its_fields() -> None:
    one = Ours(name="a", size=2)
    assert one == Ours(name="a", size=2)
    assert one != Ours(name="a")
    assert hash(one) == hash(Theirs(name="a", size=2))
    assert repr(one).replace("Ours", "Theirs") == repr(Theirs(name="a", size=2))
    assert replace(one, size=3) == Ours(name="a", size=3)
    assert [each.name for each in fields(one)] == ["name", "size"]


def test_it_takes_its_fields_by_name_only_and_has_room_for_no_other() -> None:
    with pytest.raises(TypeError):
        Ours("a")  # type: ignore[call-arg]
    assert not hasattr(Ours(name="a"), "__dict__")


ASSIGNING_AT_RUN_TIME = """
from dataclasses import FrozenInstanceError
from {module} import {decorator}

@{decorator}
class Ours:
    name: str

one = Ours(name="a")
try:
    one.name = "b"
except FrozenInstanceError:
    print("frozen")
else:
    print("changed to", one.name)
"""


@pytest.mark.parametrize(
    ("module", "decorator"), [("saga_schemas.record_class", "record"), ("saga_coordinator.engine.copying", "copyable")]
)
@pytest.mark.parametrize(("given", "told"), [("1", "frozen"), ("", "changed to b")])
def test_at_run_time_it_is_frozen_only_for_a_test_run_that_says_so(module: str, decorator: str, given: str, told: str) -> None:
    code = ASSIGNING_AT_RUN_TIME.format(module=module, decorator=decorator)
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "SAGA_TEST_FROZEN": given}, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == told


ASSIGNING = """
from {module} import {decorator}

@{decorator}
class Ours:
    name: str
    size: int = 1

Ours(name="a").size = 5
"""


@pytest.mark.parametrize(
    ("module", "decorator"), [("saga_schemas.record_class", "record"), ("saga_coordinator.engine.copying", "copyable")]
)
def test_the_type_checker_refuses_who_assigns_to_a_field(module: str, decorator: str, tmp_path: Path) -> None:
    code = ASSIGNING.format(module=module, decorator=decorator)
    roots = os.pathsep.join(str(ROOT / root) for root in ("schemas", "coordinator"))
    command = [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", f"--cache-dir={tmp_path}", "-c", code]
    told = subprocess.run(
        command, env={**os.environ, "MYPYPATH": roots}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "read-only" in told.stdout, told.stdout + told.stderr
    assert "Found 1 error" in told.stdout
