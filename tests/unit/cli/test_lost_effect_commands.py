"""`saga recover keep|undo|adopt|skip-participant`: what they send, and what bad input gets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

LOST = "0190a000-0000-7000-8000-000000000001"
BASE = f"/v1/lost-effects/{LOST}"
SHOP = ("--definition", "shop@3", "--reason", "started again")


@pytest.fixture
def acted(saga: Any, coordinator: Any) -> Any:
    """Runs a command; the path, the body without the actor, and what was printed."""

    def run(*words: str, path: str) -> tuple[dict[str, Any], str]:
        coordinator.answer("POST", path, {})
        told = saga("recover", *words)
        assert told.code == 0, told.err
        body = dict(coordinator.asked[-1].body)
        assert body.pop("actor")
        return body, told.out

    return run


def test_an_effect_is_kept(acted: Any) -> None:
    body, out = acted("keep", LOST, "charge", "--reason", "it has left", path=f"{BASE}/steps/charge/keep")
    assert body == {"reason": "it has left"}
    assert out == f"step charge of {LOST} stays as it is\n"


def test_an_effect_is_undone_by_a_definition_with_the_fields_that_are_given(acted: Any, tmp_path: Path) -> None:
    path = f"{BASE}/steps/charge/undo"
    body, out = acted("undo", LOST, "charge", *SHOP, path=path)
    assert body == {"definition": "shop", "version": 3, "command": {}, "reason": "started again"}
    assert "is being undone" in out
    (tmp_path / "c.json").write_text('{"order": "o-17"}')
    body, _ = acted("undo", LOST, "charge", *SHOP, "--command", f"@{tmp_path}/c.json", path=path)
    assert body["command"] == {"order": "o-17"}


def test_a_saga_is_adopted_from_its_input(acted: Any) -> None:
    words = ("adopt", LOST, "--definition", "shop", "--input", '{"order": "o-17"}', "--reason", "it is good")
    body, out = acted(*words, path=f"{BASE}/adopt")
    assert body == {"definition": "shop", "input": {"order": "o-17"}, "reason": "it is good"}
    assert f"saga show {LOST}" in out


def test_a_participant_is_skipped_by_who_has_read_what_it_risks(
    saga: Any, acted: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    refused = saga("recover", "skip-participant", "fax", "--reason", "gone")
    assert (refused.code, coordinator.asked) == (130, [])
    assert "What fax holds for lost sagas will be on no list" in refused.err
    body, out = acted("skip-participant", "fax", "--reason", "gone", "--yes", path="/v1/sweeps/fax/skip")
    assert (body, out) == ({"reason": "gone"}, "fax is not asked any more\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("undo", LOST, "charge", "--definition", "Shop!", "--reason", "x"), "NAME or NAME@VERSION"),
        (("undo", LOST, "charge", *SHOP, "--command", "[1]"), "fields of the compensation"),
        (("undo", LOST, "charge", *SHOP, "--command", "{"), "a file is given as @FILE"),
        (("adopt", LOST, *SHOP, "--input", "7"), "fields of the input record"),
    ],
)
def test_bad_input_is_one_clear_error(saga: Any, words: tuple[str, ...], says: str) -> None:
    told = saga("recover", *words)
    assert told.code == 2
    assert says in told.err


def test_what_the_coordinator_refuses_is_said(saga: Any, coordinator: Any) -> None:
    coordinator.refuse(
        "POST", f"{BASE}/steps/charge/undo", 422, "undo_incomplete", detail="payment does not hold all: give order (string)"
    )
    told = saga("recover", "undo", LOST, "charge", *SHOP)
    assert told.code == 2
    assert "give order (string)" in told.err
