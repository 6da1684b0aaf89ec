"""The command line in this process: its exit code, and what it said where."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from saga_cli.main import main

# The test folders are no packages (pytest's importlib mode): the double is loaded by its path.
_SPEC = importlib.util.spec_from_file_location("fake_coordinator", Path(__file__).with_name("fake_coordinator.py"))
assert _SPEC and _SPEC.loader
_MODULE = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_coordinator"] = _MODULE
_SPEC.loader.exec_module(_MODULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Saga = Callable[..., Ended]


@pytest.fixture
def saga(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Saga:
    """Run a command line."""
    for name in ("SAGA_SERVER", "SAGA_DEBUG", "SAGA_DATABASE_URL", "SAGA_KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str) -> Ended:
        code = main(arguments)
        captured = capsys.readouterr()
        return Ended(code=int(code), out=captured.out, err=captured.err)

    return run


@pytest.fixture
def coordinator(monkeypatch: pytest.MonkeyPatch, saga: Saga) -> Iterator[Any]:
    """A coordinator of canned answers, which the commands find by SAGA_SERVER."""
    with _MODULE.FakeCoordinator() as fake:
        monkeypatch.setenv("SAGA_SERVER", fake.url)
        yield fake
