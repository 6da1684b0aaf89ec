"""B18: whatever is typed, the answer is one line that says what to do, and an exit code; never a
traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMANDS = [
    ("demo",),
    ("serve",),
    ("participant", "run"),
    ("dev", "kafka"),
    ("dev", "postgres"),
    ("dev", "jaeger"),
    ("start",),
    ("list",),
    ("show",),
    ("cancel",),
    ("pause",),
    ("resume",),
    ("terminate",),
    ("step", "retry"),
    ("restart",),
    ("step", "waive"),
    ("step", "limits"),
    ("trace", "show"),
    ("trace", "export"),
    ("archive", "list"),
    ("archive", "show"),
    ("archive", "export"),
    ("export",),
    ("import",),
    ("def", "lint"),
    ("def", "register"),
    ("def", "activate"),
    ("def", "list"),
    ("def", "show"),
    ("def", "draw"),
    ("def", "json-schema"),
    ("schedule", "lint"),
    ("schedule", "next"),
    ("schedule", "json-schema"),
    ("schema", "add"),
    ("schema", "check"),
    ("dlq", "list"),
    ("dlq", "show"),
    ("db", "upgrade"),
    ("purge",),
    ("recover",),
    ("recover", "status"),
    ("recover", "orphans"),
    ("doctor", "participant"),
]
BAD = [
    ("bogus",),
    ("--bogus",),
    ("purge", "--definition", "order"),
    ("purge", "--before", "90d"),
    ("purge", "--definition", "order@0", "--before", "90d", "--yes"),
    ("purge", "--definition", "No Name", "--before", "90d", "--yes"),
    ("list", "--phase", "DONE"),
    ("list", "--limit", "0"),
    ("list", "-o", "xml"),
    ("list", "open", "extra"),
    ("show",),
    ("start", "order"),
    ("start", "order", "--input", "{"),
    ("start", "order", "--input", "[]"),
    ("start", "order", "--input", '{"a": NaN}'),
    ("start", "order", "--input", '{"a": 1, "a": 2}'),
    ("start", "order", "--input", "[" * 100_000),
    ("start", "order", "--input", "@/nowhere/order.json"),
    ("start", "order", "--input", "{}", "--wait=soon"),
    ("start", "order", "--input", "{}", "--version", "0"),
    ("step", "retry", "o-17", "charge"),
    ("step", "waive", "o-17", "charge", "--reason", "no evidence"),
    ("schedule", "lint"),
    ("schedule", "lint", "/nowhere/settlement.schedule.yaml"),
    ("schedule", "next"),
    ("def", "lint"),
    ("def", "lint", "/nowhere/order.saga.yaml"),
    ("def", "activate", "order", "three"),
    ("schema", "check", "/nowhere"),
    ("serve", "--port", "99999"),
    ("dev", "jaeger", "--query-port", "0"),
    ("participant", "run", "no-colon"),
    ("participant", "run", "no_such_module_anywhere:x"),
    ("participant", "run", "json:loads"),
    ("demo", "--orders", "0"),
    ("trace", "show"),
    ("trace", "export", "o-17", "--otlp", "127.0.0.1:4317"),
    ("trace", "export", "o-17", "--otlp", "http://127.0.0.1:port"),
    ("trace", "export", "o-17", "--otlp", "http://a b"),
    ("trace", "export", "o-17", "--protocol", "udp"),
    ("recover",),
    ("recover", "--reason", " "),
    ("recover", "--reason", "why", "--sagas-per-s", "0"),
    ("recover", "adopt"),
    ("doctor", "participant", "payment"),
    ("doctor", "participant", "payment", "--database", "sqlite+aiosqlite:///x.db", "--limit", "0"),
    ("recover", "--database", "sqlite+aiosqlite:///x.db", "status"),
    ("list", "--server", "not an address"),
    ("list", "--server", "ftp://127.0.0.1"),
    ("list", "--server", "http://127.0.0.1:port"),
]

OF_TYPER = {"annotated_doc", "attr", "click", "markdown_it", "mdurl", "pygments", "rich", "shellingham", "typing_extensions"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_examples_in_its_help(saga: Any, words: tuple[str, ...]) -> None:
    told = saga(*words, "--help")

    assert told.code == 0
    assert f"$ saga {' '.join(words)}" in told.out or f"saga {' '.join(words)}" in told.out.partition("Examples")[2]
    assert told.err == ""


@pytest.mark.parametrize("words", BAD, ids=lambda words: " ".join(words)[:60])
def test_what_cannot_be_meant_ends_2_with_one_line(saga: Any, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("SAGA_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    told = saga(*words)

    assert told.code == 2, told.err
    assert told.out == ""
    assert told.err.startswith("saga: ")
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err


def test_a_noun_alone_lists_its_verbs_and_ends_2(saga: Any) -> None:
    told = saga("step")

    assert told.code == 2
    assert "retry" in told.out
    assert told.err == "saga: saga step needs a command; `saga step --help` lists them\n"


def test_no_coordinator_ends_69_and_says_how_to_start_one(saga: Any) -> None:
    told = saga("list", "--server", "http://127.0.0.1:1")

    assert told.code == 69
    assert told.err == (
        "saga: no coordinator answers at http://127.0.0.1:1: start one (`saga serve`, `saga demo --keep`), "
        "or name another with --server or SAGA_SERVER\n"
    )


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"\xff", b""])
def test_an_answer_that_is_no_coordinators_ends_69(saga: Any, coordinator: Any, answer: bytes) -> None:
    coordinator.answer("GET", "/v1/sagas", answer)

    told = saga("list")

    assert told.code == 69
    assert "is not a saga coordinator" in told.err


def test_serve_without_settings_ends_78_and_names_the_setting(saga: Any) -> None:
    told = saga("serve")

    assert told.code == 78
    assert told.err.startswith("saga: SAGA_DATABASE_URL is not set")


def test_a_setting_nobody_reads_ends_78(saga: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_DATABASE", "sqlite+aiosqlite:///x")

    told = saga("serve")

    assert (told.code, told.err.partition(" ")[2].partition(" ")[0]) == (78, "SAGA_DATABASE")


def test_listening_to_the_world_without_saying_so_ends_78(saga: Any) -> None:
    told = saga("serve", "--database", "sqlite+aiosqlite:///x", "--bootstrap-servers", "127.0.0.1:1", "--host", "0.0.0.0")

    assert told.code == 78
    assert "--allow-unauthenticated" in told.err


@pytest.mark.parametrize(("option", "setting"), [("--otlp", "SAGA_OTLP_ENDPOINT"), ("--jaeger-url", "SAGA_JAEGER_URL")])
@pytest.mark.parametrize("url", ["127.0.0.1:4317", "http://", "http://127.0.0.1:70000", "http://h/x?y", "http://h\n"])
def test_an_address_that_is_none_ends_78_and_says_what_to_write(saga: Any, option: str, setting: str, url: str) -> None:
    told = saga("serve", "--database", "sqlite+aiosqlite:///x", "--bootstrap-servers", "127.0.0.1:1", option, url)

    assert (told.code, told.err) == (78, f"saga: {setting}: write http://HOST:PORT\n")


def test_db_upgrade_without_a_database_ends_78(saga: Any) -> None:
    assert saga("db", "upgrade").code == 78


def test_a_bug_is_one_line_and_its_traceback_is_asked_for(saga: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("saga_cli.client.Client.__init__", broken)
    told = saga("list")

    assert told.code == 1
    assert told.err == "saga: RuntimeError: two lines  (a bug; SAGA_DEBUG=1 shows where)\n"

    monkeypatch.setenv("SAGA_DEBUG", "1")
    with pytest.raises(RuntimeError):
        saga("list")


def test_without_its_packages_the_command_names_the_extra(tmp_path: Path) -> None:
    """As after `pip install saga-coordinator`: site-packages hidden, our own roots on the path."""
    roots = [str(path) for path in map(Path, sys.path) if path.name in {"schemas", "messaging", "coordinator", "participants"}]
    assert roots
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}

    told = subprocess.run(
        [sys.executable, "-S", "-m", "saga_cli.main", "list"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 78
    assert told.stderr == "saga: the command line needs typer, rich, httpx: pip install 'saga-coordinator[server]'\n"


def test_the_help_is_there_at_once() -> None:
    """It imports what parses and prints, and no more: what a command needs it imports when it
    runs."""
    bare, helping = imported_by("import sys"), imported_by("import sys; from saga_cli.main import main; main(['--help'])")

    assert "saga_cli" in helping
    assert helping - bare <= {"saga_cli", "typer", *OF_TYPER}


def imported_by(code: str) -> set[str]:
    """The packages, but those of the standard library."""
    told = f"{code}; print(*{{name.partition('.')[0] for name in sys.modules}} - sys.stdlib_module_names)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_version_is_the_distributions(saga: Any) -> None:
    assert saga("--version").out == "saga 0.1.0\n"


def test_completion_is_offered_for_commands_and_values() -> None:
    environment = {**os.environ, "_SAGA_COMPLETE": "complete_bash", "COMP_WORDS": "saga list --phase COMPENS", "COMP_CWORD": "3"}

    told = subprocess.run([Path(sys.executable).with_name("saga")], env=environment, capture_output=True, text=True, check=False)

    assert told.stdout.split() == ["COMPENSATING", "COMPENSATED"]
