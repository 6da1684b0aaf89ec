"""`def lint|draw|json-schema` and `schema check`: no coordinator needed."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from saga_schemas.token import AnnouncementKeys, TokenKeys
from support.paths import DEMO

SHOP = DEMO
GOOD = (SHOP / "order.saga.yaml").read_text()


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def schema(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "Paid", "namespace": "shop", "fields": list(fields)})


def test_a_good_file_has_no_findings(saga: Any) -> None:
    told = saga("def", "lint", str(SHOP / "order.saga.yaml"))

    assert (told.code, told.out) == (0, "0 errors in 1 file\n")


def test_findings_have_place_code_and_step_and_end_1(saga: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "order.saga.yaml", GOOD.replace("participant: payment", "participant: payment\n    colour: red"))

    told = saga("def", "lint", file)

    assert told.code == 1
    finding, total = told.out.splitlines()
    line = GOOD.splitlines().index("    participant: payment") + 2
    assert finding.startswith(f"{file}:{line}:5  error  S")
    assert "step charge: " in finding
    assert total == "1 error in 1 file (exit 1)"


def test_all_findings_of_all_files_are_told_as_json_too(saga: Any, tmp_path: Path) -> None:
    files = [write(tmp_path / name, "saga: order\nsteps: []\n") for name in ("a.saga.yaml", "b.saga.yaml")]

    told = saga("def", "lint", *files, "-o", "json")

    assert told.code == 1
    assert {finding["file"] for finding in told.json} == set(files)
    assert all(finding["line"] and finding["code"] for finding in told.json)


def test_schemas_beside_the_file_go_before_the_demos(saga: Any, tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    write(tmp_path / "schemas" / "shop.Paid.avsc", schema())
    file = write(tmp_path / "order.saga.yaml", GOOD)

    assert saga("def", "lint", file).code == 1
    assert saga("def", "lint", file, "--schemas", str(SHOP / "schemas")).code == 0


def test_a_folder_of_schemas_that_is_none_ends_2(saga: Any, tmp_path: Path) -> None:
    told = saga("def", "lint", write(tmp_path / "x.saga.yaml", GOOD), "--schemas", str(tmp_path / "nowhere"))

    assert told.code == 2
    assert "nowhere" in told.err


def test_a_definition_is_drawn_as_mermaid(saga: Any) -> None:
    told = saga("def", "draw", str(SHOP / "order.saga.yaml"))

    assert told.code == 0
    assert "flowchart LR" in told.out
    assert "★ ship" in told.out


def test_the_json_schema_is_json(saga: Any) -> None:
    assert saga("def", "json-schema").json["required"] == ["saga", "version", "input", "steps"]


def test_compatible_versions_pass(saga: Any, tmp_path: Path) -> None:
    added = {"name": "receipt", "type": ["null", "string"], "default": None}
    write(tmp_path / "shop.Paid.1.avsc", schema())
    write(tmp_path / "shop.Paid.avsc", schema(added))

    told = saga("schema", "check", str(tmp_path))

    assert (told.code, told.out) == (0, "no incompatibilities among 2 schemas of 1 records\n")


def test_a_version_is_checked_against_all_before_it_not_only_the_last(saga: Any, tmp_path: Path) -> None:
    write(tmp_path / "shop.Paid.1.avsc", schema({"name": "at", "type": "string"}))
    write(tmp_path / "shop.Paid.2.avsc", schema({"name": "at", "type": "string", "default": ""}))
    write(tmp_path / "shop.Paid.avsc", schema())

    told = saga("schema", "check", str(tmp_path))

    assert told.code == 1
    findings = told.out.splitlines()[:-1]
    assert any("version 1 of shop.Paid" in finding for finding in findings)
    assert not any("version 2 of shop.Paid" in finding for finding in findings)


def test_a_schema_file_that_cannot_be_read_ends_1_and_is_named(saga: Any, tmp_path: Path) -> None:
    write(tmp_path / "shop.Paid.avsc", "{")

    told = saga("schema", "check", str(tmp_path))

    assert told.code == 1
    assert "shop.Paid.avsc" in told.err


# --- a definition in Python -----------------------------------------------------------------------

IN_PYTHON = """
from saga_coordinator.definitions import Saga

order = Saga("order", version=2, input="shop.PlaceOrder", key="${input.order_id}").step(
    "ship", to="shipping", command="shop.BookCarrier", pivot=True
)
broken = Saga("order", version=2, input="shop.PlaceOrder").step("ship", to="shipping", command="shop.NoSuchRecord", pivot=True)
"""


@pytest.fixture
def in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the current folder with definitions; its name."""
    name = f"sagas_{uuid4().hex}"
    write(tmp_path / f"{name}.py", IN_PYTHON)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return name


def test_a_definition_in_python_is_linted_and_drawn_like_a_file(saga: Any, in_python: str) -> None:
    good, bad, drawn = (
        saga("def", "lint", f"{in_python}:order"),
        saga("def", "lint", f"{in_python}:broken"),
        saga("def", "draw", f"{in_python}:order"),
    )

    assert (good.code, good.out) == (0, "0 errors in 1 file\n")
    assert bad.code == 1 and "shop.NoSuchRecord" in bad.out
    assert "ship" in drawn.out


def test_a_definition_in_python_is_checked_against_the_schemas_beside_its_module(
    saga: Any, in_python: str, tmp_path: Path
) -> None:
    (tmp_path / "schemas").mkdir()
    write(tmp_path / "schemas" / "shop.Paid.avsc", schema())

    told = saga("def", "lint", f"{in_python}:order")

    assert told.code == 1 and "shop.BookCarrier" in told.out


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("no_such_module:order", "there is no module 'no_such_module' here or installed"),
        ("{module}:nothing", "'nothing' of {module} is no such name"),
        ("{module}:Saga", "'Saga' of {module} is a type, not a Saga"),
    ],
)
def test_an_object_that_is_no_definition_says_which_half_is_wrong(saga: Any, in_python: str, target: str, said: str) -> None:
    told = saga("def", "register", target.format(module=in_python))

    assert told.code == 2
    assert said.format(module=in_python) in told.err


# --- token ----------------------------------------------------------------------------------------


def test_announcement_keys_are_printed_as_a_participant_reads_them(saga: Any) -> None:
    keys = "k1:" + base64.b64encode(b"1" * 32).decode()

    told = saga("token", "announcement-keys", "--token-keys", keys)

    assert told.code == 0
    assert AnnouncementKeys.parse(told.out.strip()) == TokenKeys.parse(keys).announcement_keys()


def test_token_keys_that_are_none_are_refused_by_name(saga: Any) -> None:
    told = saga("token", "announcement-keys", "--token-keys", "k1")

    assert told.code == 2
    assert "expected id:base64" in told.err
