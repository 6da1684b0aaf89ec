"""The OpenAPI document is whole: every route, its refusals, every reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.openapi.models import OpenAPI

from saga_coordinator.api.problems import CODES

ROUTES = {
    "POST /v1/sagas",
    "GET /v1/sagas",
    "GET /v1/sagas/count",
    "GET /v1/sagas/{saga_id}",
    "GET /v1/sagas/{saga_id}/export",
    "GET /v1/sagas/{saga_id}/journal",
    "GET /v1/sagas/{saga_id}/diagnosis",
    "POST /v1/imports",
    "GET /v1/sagas/{saga_id}/trace",
    "POST /v1/sagas/{saga_id}/cancel",
    "POST /v1/sagas/{saga_id}/pause",
    "POST /v1/sagas/{saga_id}/resume",
    "POST /v1/sagas/{saga_id}/terminate",
    "GET /v1/sagas/{saga_id}/preview",
    "POST /v1/sagas/{saga_id}/restart",
    "POST /v1/sagas/{saga_id}/start-time",
    "POST /v1/sagas/{saga_id}/steps/{step}/limits",
    "GET /v1/pauses",
    "POST /v1/definitions/{name}/pause",
    "POST /v1/definitions/{name}/resume",
    "POST /v1/participants/{name}/pause",
    "POST /v1/participants/{name}/resume",
    "POST /v1/sagas/{saga_id}/steps/{step}/retry",
    "POST /v1/sagas/{saga_id}/steps/{step}/waive",
    "POST /v1/definitions",
    "GET /v1/definitions",
    "GET /v1/definitions/{name}/{version}",
    "POST /v1/definitions/{name}/{version}/activate",
    "POST /v1/schemas",
    "GET /v1/schemas",
    "GET /v1/schemas/{schema_id}",
    "GET /v1/asyncapi",
    "GET /v1/asyncapi/{participant}",
    "GET /v1/audit",
    "GET /v1/dead-letters",
    "GET /v1/dead-letters/{letter_id}",
    "GET /v1/overview",
    "GET /v1/attention",
    "POST /v1/dead-letters/{letter_id}/redrive",
    "POST /v1/batches",
    "GET /v1/batches",
    "GET /v1/batches/{batch_id}",
    "POST /v1/batches/{batch_id}/stop",
    "GET /v1/confirmations",
    "GET /v1/confirmations/{confirmation_id}",
    "POST /v1/confirmations/{confirmation_id}/confirm",
    "POST /v1/confirmations/{confirmation_id}/refuse",
    "GET /v1/participants",
    "GET /v1/instances",
    "POST /v1/retention/purge",
    "GET /v1/lost-effects",
    "POST /v1/lost-effects/{saga_id}/adopt",
    "POST /v1/lost-effects/{saga_id}/steps/{step}/keep",
    "POST /v1/lost-effects/{saga_id}/steps/{step}/undo",
    "POST /v1/sweeps/{participant}/skip",
    "GET /v1/views",
    "PUT /v1/views/{name}",
    "DELETE /v1/views/{name}",
    "POST /v1/schedules",
    "GET /v1/schedules",
    "POST /v1/schedules/preview",
    "GET /v1/schedules/{name}",
    "PUT /v1/schedules/{name}",
    "DELETE /v1/schedules/{name}",
    "GET /v1/schedules/{name}/versions",
    "GET /v1/schedules/{name}/versions/{version}",
    "GET /v1/schedules/{name}/next",
    "GET /v1/schedules/{name}/ticks",
    "POST /v1/schedules/{name}/pause",
    "POST /v1/schedules/{name}/resume",
    "POST /v1/schedules/{name}/trigger",
    "GET /v1/schedules/{name}/backfills",
    "POST /v1/schedules/{name}/backfills",
    "POST /v1/backfills/{backfill_id}/stop",
    "GET /v1/day-calendars",
    "GET /v1/day-calendars/{name}",
    "PUT /v1/day-calendars/{name}",
    "DELETE /v1/day-calendars/{name}",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}


@pytest.fixture
async def document(http: httpx.AsyncClient) -> dict[str, Any]:
    response = await http.get("/openapi.json")
    assert response.status_code == 200
    return dict(response.json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_it_is_an_openapi_document(document: dict[str, Any]) -> None:
    assert OpenAPI.model_validate(document).openapi.startswith("3.1")


def test_it_has_every_route(document: dict[str, Any]) -> None:
    assert {name for name, _ in operations(document)} == ROUTES


def test_every_route_documents_its_refusals_as_problems(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        refusals = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
        assert {"422", "500", "503"} <= refusals.keys(), name
        assert "{" not in name or name.startswith("PUT ") or "404" in refusals, name
        assert (
            "requestBody" not in operation or {"413", "415"} | ({"400"} if "import" not in name else set()) <= refusals.keys()
        ), name
        for answer in refusals.values():
            assert answer["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, name


def test_every_route_documents_what_it_answers(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if name == "GET /metrics":
            continue
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                kind = "application/avro" if name.endswith("/export") else "application/json"
                assert answer["content"][kind]["schema"], name


def test_every_code_is_documented_at_some_route(document: dict[str, Any]) -> None:
    text = str([operation["responses"] for _, operation in operations(document)])
    of_no_route = {"bad_request", "not_found", "method_not_allowed"}
    assert {code for code in CODES if f"`{code}`" not in text} == of_no_route
    assert set(document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == set(CODES)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas
    assert "HTTPValidationError" not in schemas


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)
