"""What a start over HTTP becomes, and what comes back; what operators' acts become."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from saga_coordinator.definitions.document import canonical_json
from saga_coordinator.starts.preparation import body_hash
from saga_coordinator.store.recovering import Recovering
from saga_schemas.trace_context import parse_context
from support.saga_rows import SAGA
from unit.coordinator.api.conftest import START, ScriptedCoordinator

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_start_is_handed_on_as_it_was_asked(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    body = START | {"version": 3, "key": "o-17", "on_open": "reject", "on_closed": "allow"}
    response = await http.post("/v1/sagas", json=body, headers={"Idempotency-Key": "req-1"})
    asked = coordinator.starts[0]
    assert (asked.definition, asked.version, asked.input, asked.key) == ("order", 3, {"order_id": "o-17"}, "o-17")
    assert (asked.request_id, asked.source, asked.tenant, asked.on_open, asked.on_closed) == (
        "req-1",
        "http",
        "default",
        "reject",
        "allow",
    )
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/sagas/{SAGA}"
    assert response.headers["idempotency-key"] == "req-1"
    assert response.json() == {"id": str(SAGA), "created": True, "request_id": "req-1"}


async def test_labels_are_handed_on_by_their_kind(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    given = {"customer": "c-1", "total": 12, "vip": True, "due": "2026-11-01T00:00:00Z", "none": None}
    assert (await http.post("/v1/sagas", json=START | {"labels": given})).status_code == 201
    time = datetime(2026, 11, 1, tzinfo=UTC)
    assert coordinator.starts[0].labels == {"customer": "c-1", "due": time, "total": 12.0, "vip": True}


@pytest.mark.parametrize("labels", [{"a b": 1}, {"a": []}, {"a": {"b": 1}}, {"a": "x" * 300}, {"a": 2**60}])
async def test_labels_that_are_none_are_refused(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, labels: object
) -> None:
    said = (await http.post("/v1/sagas", json=START | {"labels": labels})).json()
    assert (said["status"], said["code"]) == (422, "labels_invalid")
    assert coordinator.starts == []


async def test_labels_are_part_of_the_request_and_their_absence_is_as_it_was(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator
) -> None:
    given: tuple[dict[str, object], ...] = ({}, {"labels": {}}, {"labels": {"a": 1}}, {"labels": {"a": 2}})
    for labels in given:
        await http.post("/v1/sagas", json=START | labels)
    none, empty, one, two = (start.body_hash for start in coordinator.starts)
    assert none == empty
    assert len({none, one, two}) == 3
    asked = {"key": None, "on_closed": "reject", "on_open": "return_existing", "version": None} | START
    assert none == body_hash(canonical_json(asked)), "what earlier releases stored of the same request"


async def test_a_start_known_before_is_answered_200(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    coordinator.created = False
    response = await http.post("/v1/sagas", json=START)
    assert (response.status_code, response.json()["created"]) == (200, False)


async def test_a_request_id_is_made_when_none_is_given(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    first = await http.post("/v1/sagas", json=START)
    second = await http.post("/v1/sagas", json=START)
    assert first.headers["idempotency-key"] == coordinator.starts[0].request_id
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


async def test_the_same_request_written_differently_is_the_same(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator
) -> None:
    headers = {"content-type": "application/json"}
    await http.post("/v1/sagas", content=b'{"definition": "order", "input": {"a": 1, "b": 2}}', headers=headers)
    await http.post("/v1/sagas", content=b'{"input":{"b":2,"a":1},"definition":"order","version":null}', headers=headers)
    await http.post("/v1/sagas", content=b'{"definition": "order", "input": {"a": 1, "b": 3}}', headers=headers)
    first, again, other = (start.body_hash for start in coordinator.starts)
    assert first == again != other


async def test_the_callers_trace_is_handed_on(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    await http.post("/v1/sagas", json=START, headers={"traceparent": TRACE, "tracestate": "a=1"})
    assert coordinator.starts[0].trace == parse_context(TRACE, "a=1")


@pytest.mark.parametrize(
    "broken", ["", "nonsense", TRACE.upper(), TRACE.replace("00-", "ff-", 1), "00-" + "0" * 32 + "-00f067aa0ba902b7-01"]
)
async def test_a_malformed_trace_is_ignored_and_counted(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, broken: str
) -> None:
    response = await http.post("/v1/sagas", json=START, headers={"traceparent": broken, "tracestate": "a=1"})
    assert response.status_code == 201
    assert coordinator.starts[0].trace is None
    assert coordinator.traces_ignored == 1


async def test_two_traces_are_none(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    await http.post("/v1/sagas", json=START, headers=[("traceparent", TRACE), ("traceparent", TRACE)])
    assert (coordinator.starts[0].trace, coordinator.traces_ignored) == (None, 1)


async def test_acts_carry_who_and_why(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    why = {"reason": "bank is back", "actor": "ada"}
    for path, body in [
        ("cancel", why),
        ("steps/charge/retry", why),
        ("steps/charge/waive", {"evidence": "receipt 12", "actor": "ada", "unsafe": True}),
        ("steps/charge/waive", {"evidence": "receipt 12", "reason": "bank closed"}),
        ("steps/charge/waive", {"evidence": "receipt 12", "reason": "receipt 12"}),
    ]:
        response = await http.post(f"/v1/sagas/{SAGA}/{path}", json=body)
        assert (response.status_code, response.json()) == (202, {"id": str(SAGA), "phase": "RUNNING"})
    assert coordinator.acts == [
        ("cancel", SAGA, "bank is back", "ada"),
        ("retry", SAGA, "charge", "bank is back", "ada"),
        ("waive", SAGA, "charge", "receipt 12", "ada", True),
        ("waive", SAGA, "charge", "bank closed: receipt 12", "anonymous", False),
        ("waive", SAGA, "charge", "receipt 12", "anonymous", False),
    ]


async def test_limits_of_a_step_are_changed(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    path, why = f"/v1/sagas/{SAGA}/steps/charge/limits", {"reason": "slow", "actor": "ada"}
    assert (await http.post(path, json={**why, "attempts": 20, "step_ms": 0})).status_code == 202
    assert coordinator.acts == [("limits", SAGA, "charge", {"attempts": 20, "step_ms": 0}, "slow", "ada")]
    for wrong in ({}, {"attempts": -1}, {"reask_ms": 0}, {"attempts": True}, {"hurry": 1}):
        assert (await http.post(path, json={**why, **wrong})).status_code == 422


async def test_a_restart_names_the_new_saga(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    response = await http.post(f"/v1/sagas/{SAGA}/restart", json={"reason": "again", "actor": "ada"})
    assert (response.status_code, response.headers["location"]) == (201, f"/v1/sagas/{SAGA}")
    assert coordinator.acts == [("restart", SAGA, "again", "ada")]
    coordinator.created = False
    assert (await http.post(f"/v1/sagas/{SAGA}/restart", json={"reason": "again"})).status_code == 200


@pytest.mark.parametrize(("noun", "scope"), [("definitions", "definition"), ("participants", "participant")])
async def test_definitions_and_participants_are_paused_too(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, noun: str, scope: str
) -> None:
    why = {"reason": "the bank is down", "actor": "ada"}
    for act, paused in [("pause", True), ("resume", False)]:
        response = await http.post(f"/v1/{noun}/payment/{act}", json=why)
        assert (response.status_code, response.json()) == (202, {"scope": scope, "name": "payment", "paused": paused})
    assert coordinator.acts == [(act, scope, "payment", "the bank is down", "ada") for act in ("pause", "resume")]
    assert (await http.post(f"/v1/{noun}/No%20Name/pause", json=why)).json()["code"] == f"{scope}_unknown"
    assert (await http.get("/v1/pauses")).json()["items"] == [
        {
            "scope": "participant",
            "name": "payment",
            "since": "1970-01-01T00:00:00.000001Z",
            "by": "ada",
            "why": "the bank is down",
        }
    ]


async def test_metrics_are_the_coordinators_and_the_apis(http: httpx.AsyncClient) -> None:
    await http.get(f"/v1/sagas/{'x' * 10}")
    text = (await http.get("/metrics")).text
    assert "saga_outbox_rows 0.0" in text
    assert 'saga_http_answers_total{method="GET",route="/v1/sagas/{saga_id}",status="404"} 1.0' in text


async def test_alive_and_ready(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    assert (await http.get("/readyz")).json() == {"ready": True}


async def test_while_sagas_recover_it_is_ready_and_says_so(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    coordinator.recovery = Recovering.of({"": 2, "payment": 3, "inventory,payment": 1})
    coordinator.left = {"shipping": 500}
    answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "recovering": {"sagas": 6, "to_ask": 2, "unanswered": {"inventory": 1, "payment": 4}, "unswept": {"shipping": 500}},
    }
    coordinator.recovery = None
    assert (await http.get("/readyz")).json()["recovering"] == {
        "sagas": 0,
        "to_ask": 0,
        "unanswered": {},
        "unswept": {"shipping": 500},
    }
