"""What a process that serves loads when it starts, and how."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

from saga_cli import main
from saga_cli.application import application
from saga_cli.garbage import loading
from saga_cli.signals import tune_garbage_collection


@pytest.fixture
def collections() -> Iterator[list[str]]:
    """The collector's runs while the test goes on; afterwards it is as it was."""
    runs: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        runs.append(phase)

    threshold = gc.get_threshold()
    gc.callbacks.append(note)
    yield runs
    gc.callbacks.remove(note)
    gc.set_threshold(*threshold)
    gc.unfreeze()
    gc.enable()


def test_what_is_loaded_is_never_walked_by_the_collector(collections: list[str]) -> None:
    gc.collect()
    gc.set_threshold(5_000)
    collections.clear()
    with loading():
        loaded = [[number] for number in range(20_000)]
    frozen = gc.get_freeze_count()
    tune_garbage_collection()
    assert collections == []
    assert frozen >= len(loaded)
    assert gc.isenabled()


def test_it_collects_again_when_loading_has_failed(collections: list[str]) -> None:
    with pytest.raises(ImportError), loading():
        raise ImportError("no such module")
    assert gc.isenabled()


@pytest.mark.parametrize("name", sorted(main._SERVERS))
def test_a_server_alone_is_the_command_that_the_whole_tree_has(name: str) -> None:
    whole = typer.main.get_command(application())
    alone = main._command(name)
    assert list(alone.commands) == [name]
    assert _described(alone.commands[name]) == _described(whole.commands[name])  # type: ignore[attr-defined]


def _described(command: object) -> object:
    """Its help and parameters, and those of its commands."""
    shown = [getattr(command, "help", None), [(one.name, one.opts) for one in command.params]]  # type: ignore[attr-defined]
    return [*shown, {name: _described(one) for name, one in getattr(command, "commands", {}).items()}]


@pytest.mark.parametrize(
    ("arguments", "whole"), [(["serve", "--help"], False), (["participant", "--help"], False), (["--help"], True)]
)
def test_a_server_does_not_read_the_other_commands(arguments: list[str], whole: bool) -> None:
    script = f"import sys; from saga_cli.main import main; main({arguments}); print('saga_cli.application' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == str(whole)
