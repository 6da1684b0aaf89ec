"""`saga diagnose` and `saga list instances`: what people and programs get."""

from __future__ import annotations

from typing import Any

ID = "0198c1a2-7b3e-7d2a-9f00-5c1e2d3f4a5b"
PATH = f"/v1/sagas/{ID}/diagnosis"
LINE = {"check": "kafka", "verdict": "ok", "step": None, "evidence": "well", "cause": None, "way_out": None, "runbook": None}
UNREAD = {
    "check": "command-topics",
    "verdict": "found",
    "step": "charge",
    "evidence": "no consumer on saga.cmd.payment\x1b[2J",
    "cause": "payment is not running",
    "way_out": "start payment",
    "runbook": "docs/operations.md#nobody-reads-the-commands",
}
UNSURE = LINE | {"check": "roles", "verdict": "cannot_tell", "evidence": "an earlier release does not say"}
FOUND = {
    "id": ID,
    "key": "o-17",
    "definition": "order",
    "phase": "RUNNING",
    "at": "2026-03-01T10:00:00.000000Z",
    "found": 1,
    "summary": "charge: no consumer on saga.cmd.payment",
    "lines": [UNREAD, UNSURE, LINE],
}


def test_what_was_found_has_its_cause_and_way_out_and_exits_1(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, FOUND)
    told = saga("diagnose", ID)
    assert told.code == 1
    assert told.err == ""
    head, identity, found, cause, way_out, see, unsure, well = told.out.splitlines()
    assert head == "order o-17   RUNNING   charge: no consumer on saga.cmd.payment"
    assert identity == f"id {ID}"
    assert found == "✗  command-topics    charge: no consumer on saga.cmd.payment\N{REPLACEMENT CHARACTER}[2J"
    assert cause.split() == ["cause", "payment", "is", "not", "running"]
    assert way_out.split() == ["way", "out", "start", "payment"]
    assert see.split() == ["see", "docs/operations.md#nobody-reads-the-commands"]
    assert unsure == "?  roles             an earlier release does not say"
    assert well == "nothing found by kafka"


def test_the_schedule_that_started_it_is_named(saga: Any, coordinator: Any) -> None:
    by = {"schedule": "settlement", "tick": "2027-03-28T01:00:00Z", "ticks_waiting": 0, "runbook": "docs/operations.md#x"}
    coordinator.answer("GET", PATH, FOUND | {"started_by": by})
    assert saga("diagnose", ID).out.splitlines()[2] == "started by schedule settlement for the tick 2027-03-28T01:00:00Z"


def test_ticks_that_wait_for_its_sagas_are_told(saga: Any, coordinator: Any) -> None:
    by = {"schedule": "settlement", "tick": "2027-03-28T01:00:00Z", "ticks_waiting": 2, "runbook": "docs/operations.md#x"}
    coordinator.answer("GET", PATH, FOUND | {"started_by": by})
    assert "; 2 more ticks wait for its sagas" in saga("diagnose", ID).out


def test_where_nothing_is_found_it_exits_0(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, FOUND | {"found": 0, "key": None, "summary": "nothing is wrong", "lines": [LINE]})
    told = saga("diagnose", ID)
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[0] == f"order {ID}   RUNNING   nothing is wrong"


def test_programs_get_what_the_coordinator_says_and_pipes_the_checks(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", PATH, FOUND)
    told = saga("diagnose", ID, "-o", "json")
    assert (told.code, told.json) == (1, FOUND)
    told = saga("diagnose", ID, "-o", "ids")
    assert (told.code, told.out) == (1, "command-topics\n")


def test_a_saga_that_is_unknown_or_archived_is_not_found(saga: Any, coordinator: Any) -> None:
    coordinator.refuse("GET", PATH, 404, "saga_unknown")
    told = saga("diagnose", ID)
    assert (told.code, told.out) == (4, "")
    assert told.err.startswith("saga: saga_unknown")


INSTANCE = {
    "name": "east-1",
    "alive": True,
    "roles": ["api", "projector", "replies", "starts", "sweeper", "timers", "watchdog"],
    "since": "2026-03-01T10:00:00.000000Z",
    "seen_at": "2026-03-01T10:00:00.000000Z",
    "feature_level": 1,
    "problems": [],
    "note": None,
}


def test_each_instance_has_a_line_with_what_it_does_not_do_well(saga: Any, coordinator: Any) -> None:
    part = INSTANCE | {"name": "east-2", "roles": ["api"], "problems": ["topics: topic_missing"], "note": "start it again"}
    old = INSTANCE | {"name": "west-1", "roles": None, "since": None}
    coordinator.answer("GET", "/v1/instances", {"items": [INSTANCE, part, old]})
    told = saga("list", "instances")
    assert told.code == 0, told.err
    header, first, second, third = told.out.splitlines()
    assert header.split() == ["INSTANCE", "ROLES", "RUNS", "FOR", "SEEN", "LEVEL", "NOTE"]
    assert first.split()[:2] == ["east-1", "all"]
    assert second.split()[:2] == ["east-2", "api"]
    assert second.endswith("topics: topic_missing; start it again")
    assert "not known" in third
    assert saga("list", "instances", "-o", "ids").out.split() == ["east-1", "east-2", "west-1"]
    assert saga("list", "instances", "-o", "json").json == [INSTANCE, part, old]


def test_filters_of_sagas_are_refused_for_instances(saga: Any, coordinator: Any) -> None:
    told = saga("list", "instances", "--attention")
    assert told.code == 2
    assert "are for sagas" in told.err
    coordinator.answer("GET", "/v1/instances", {"items": []})
    assert "no instance is registered" in saga("list", "instances").err
