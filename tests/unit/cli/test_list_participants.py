"""`saga list participants`: who takes part, and what each has heard of the horizon."""

from __future__ import annotations

from typing import Any

PATH = "/v1/participants"
HEARD = {
    "name": "payment",
    "command_topic": "saga.cmd.payment",
    "reply_topic": "saga.reply.payment",
    "definitions": ["order", "refund"],
    "asked": True,
    "horizon": "2026-03-01T10:00:00.000000Z",
    "heard_at": "2026-03-08T10:12:08.000000Z",
    "behind_s": 600.0,
    "note": None,
}
SILENT = HEARD | {"name": "inventory", "horizon": None, "heard_at": None, "behind_s": None, "note": "has never said it"}
FORMER = SILENT | {"name": "fax", "asked": False, "note": None}
PAGE = {"horizon": "2026-03-01T10:10:00.000000Z", "exceptions": 2, "announced_at": HEARD["heard_at"]}


def test_each_has_a_line_and_the_horizon_is_said_beside_them(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, PAGE | {"items": [FORMER, SILENT, HEARD]})
    told = saga("list", "participants")
    assert told.code == 0, told.err
    header, fax, inventory, payment = told.out.splitlines()
    assert header.split() == ["PARTICIPANT", "DEFINITIONS", "HORIZON", "HEARD", "BEHIND", "NOTE"]
    assert "no active definition names it" in fax
    assert "never" in inventory
    assert "has never said it" in inventory
    assert "order, refund" in payment
    assert "10 min" in payment
    assert "sagas that started before may be forgotten, but for 2 of them; announced" in told.err


def test_programs_get_what_the_coordinator_says_and_pipes_the_names(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, PAGE | {"items": [HEARD]})
    assert saga("list", "participants", "-o", "json").json == [HEARD]
    assert saga("list", "participants", "-o", "ids").out == "payment\n"


def test_before_the_first_look_there_is_none(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, {"horizon": None, "exceptions": 0, "announced_at": None, "items": []})
    told = saga("list", "participants")
    assert told.code == 0
    assert "no definition names a participant" in told.err
    assert "the horizon was not looked for yet" in told.err


def test_filters_of_sagas_are_refused(saga: Any, coordinator: Any) -> None:
    for option in (["--phase", "RUNNING"], ["--attention"], ["--definition", "order"], ["--key", "k"]):
        told = saga("list", "participants", *option)
        assert told.code == 2
        assert "are for sagas" in told.err
    assert coordinator.asked == []
