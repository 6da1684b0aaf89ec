"""Pausing, resuming and terminating from the command line."""

from __future__ import annotations

import io
from typing import Any

import pytest

ID = "0190a000-0000-7000-8000-000000000001"
SAGA = f"/v1/sagas/{ID}"


@pytest.mark.parametrize("act", ["pause", "resume"])
def test_who_and_why_go_with_the_act(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    coordinator.answer("POST", f"{SAGA}/{act}", {"id": ID, "phase": "RUNNING"}, 202)

    told = saga(act, ID, "--reason", "the bank is down")

    assert (told.code, coordinator.asked[-1].body) == (0, {"reason": "the bank is down", "actor": "ada"})
    assert ID in told.out


@pytest.mark.parametrize(
    ("option", "path"),
    [(("--definition", "order"), "definitions/order"), (("--participant", "../x"), "participants/..%2Fx")],
)
def test_a_definition_or_a_participant_is_paused(saga: Any, coordinator: Any, option: tuple[str, str], path: str) -> None:
    coordinator.answer("POST", f"/v1/{path}/pause", {"paused": True}, 202)

    told = saga("pause", *option, "--reason", "the bank is down")

    assert (told.code, coordinator.asked[-1].path) == (0, f"/v1/{path}/pause")
    assert f"{path.split('s/')[0]} {option[1]} is paused" in told.out


@pytest.mark.parametrize("named", [(), (ID, "--definition", "order"), ("--definition", "order", "--participant", "payment")])
def test_one_thing_is_paused_at_a_time(saga: Any, coordinator: Any, named: tuple[str, ...]) -> None:
    told = saga("pause", *named, "--reason", "r")

    assert (told.code, coordinator.asked) == (2, [])
    assert "name one" in told.err


def test_resuming_what_is_not_paused_is_refused(saga: Any, coordinator: Any) -> None:
    coordinator.refuse("POST", f"{SAGA}/resume", 409, "not_paused", detail="the saga itself is not paused")

    told = saga("resume", ID, "--reason", "r")

    assert (told.code, told.out) == (5, "")
    assert "the saga itself is not paused" in told.err


@pytest.fixture
def previewed(coordinator: Any) -> Any:
    said = ["the saga would end FORCED; nobody would be asked any more", "one effect would stay: \x1b[31mcharge"]
    coordinator.answer("GET", f"{SAGA}/preview", {"sentences": said})
    coordinator.answer("POST", f"{SAGA}/terminate", {"id": ID, "phase": "FORCED"}, 202)
    return coordinator


@pytest.mark.parametrize(("typed", "code", "posts"), [("y\n", 0, 1), ("n\n", 130, 0), ("\n", 130, 0), ("", 130, 0)])
def test_terminating_names_the_effects_and_asks_first(
    saga: Any, previewed: Any, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, posts: int
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))

    told = saga("terminate", ID, "--reason", "burnt down")

    assert told.code == code
    assert "would end FORCED" in told.err and "would stay: \N{REPLACEMENT CHARACTER}[31mcharge" in told.err
    assert [asked.method for asked in previewed.asked].count("POST") == posts


def test_with_yes_it_does_not_ask(saga: Any, previewed: Any) -> None:
    assert saga("terminate", ID, "--reason", "burnt down", "--yes", "-o", "ids").out == f"{ID}\n"
    assert f"{SAGA}/preview" not in [asked.path for asked in previewed.asked]


def test_a_restart_names_the_saga_that_it_began(saga: Any, coordinator: Any) -> None:
    other = ID[:-1] + "2"
    coordinator.answer("POST", f"{SAGA}/restart", {"id": other, "created": True, "request_id": ID}, 201)
    coordinator.answer("POST", f"{SAGA}/restart", {"id": other, "created": False, "request_id": ID}, 200)

    assert f"is restarted as {other}" in saga("restart", ID, "--reason", "again").out
    assert f"was restarted before as {other}" in saga("restart", ID, "--reason", "again").out


def test_limits_are_durations_and_numbers(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    coordinator.answer("POST", f"{SAGA}/steps/charge/limits", {"id": ID, "phase": "RUNNING"}, 202)

    told = saga("step", "limits", ID, "charge", "--attempts", "20", "--time", "2h", "--cap", "500ms", "--reason", "slow")

    assert told.code == 0
    assert coordinator.asked[-1].body == {"attempts": 20, "step_ms": 7_200_000, "cap_ms": 500, "reason": "slow", "actor": "ada"}


@pytest.mark.parametrize("given", [(), ("--time", "soon"), ("--attempts", "-1")])
def test_limits_that_are_none_are_refused_here(saga: Any, coordinator: Any, given: tuple[str, ...]) -> None:
    told = saga("step", "limits", ID, "charge", *given, "--reason", "slow")

    assert (told.code, coordinator.asked) == (2, [])
