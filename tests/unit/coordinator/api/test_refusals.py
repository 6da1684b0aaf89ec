"""Every way the API says no: the status, the stable code, and nothing of what was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.api.problems import CODES
from saga_coordinator.api.request_body import MAX_BODY_BYTES
from saga_coordinator.engine.events import Refused
from saga_coordinator.registry.definition_cache import DefinitionMissing
from saga_coordinator.starts.requests import SagaUnknown, StartRefused
from saga_coordinator.store.port import BadRow, CommitUnknown, CountMismatch, StoreError
from support.saga_rows import SAGA
from unit.coordinator.api.conftest import OTHER, START, UNKNOWN, ScriptedCoordinator

JSON = {"content-type": "application/json"}
WHY = {"reason": "bank is back"}


def problem(response: httpx.Response, code: str) -> dict[str, Any]:
    """The problem document, checked for what all of them share."""
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["code"]) == (CODES[code][0], code), document
    assert response.headers["content-type"] == "application/problem+json"
    assert document["status"] == response.status_code
    assert document["type"].endswith(f":{code}") and document["title"]
    if response.status_code == 503:
        assert int(response.headers["retry-after"]) >= 1
    return document


@pytest.mark.parametrize(
    "code",
    ["key_held", "request_reused", "definition_unknown", "definition_inactive", "input_invalid", "key_mismatch", "overloaded"],
)
async def test_a_refused_start_keeps_its_code(http: httpx.AsyncClient, coordinator: ScriptedCoordinator, code: str) -> None:
    coordinator.raises = StartRefused(code, "said by the coordinator")
    assert problem(await http.post("/v1/sagas", json=START), code)["detail"] == "said by the coordinator"


async def test_an_invalid_input_names_field_and_type(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    coordinator.raises = StartRefused("input_invalid", "total: expected long", {"field": "total", "expected": "long"})
    said = problem(await http.post("/v1/sagas", json=START), "input_invalid")
    assert (said["field"], said["expected"]) == ("total", "long")


async def test_a_held_key_names_the_saga_that_holds_it(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    coordinator.raises = StartRefused("key_held", "held", {"saga_id": str(OTHER)})
    assert problem(await http.post("/v1/sagas", json=START), "key_held")["saga_id"] == str(OTHER)


@pytest.mark.parametrize("path", ["cancel", "pause", "resume", "terminate", "steps/charge/retry", "steps/charge/waive"])
@pytest.mark.parametrize("code", ["past_pivot", "finished", "not_stuck", "is_pivot", "recovering", "unreadable", "step_unknown"])
async def test_a_refused_act_keeps_its_code(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, path: str, code: str
) -> None:
    coordinator.raises = Refused(code, "said by the engine")
    body = {"evidence": "receipt 12"} if path.endswith("waive") else WHY
    problem(await http.post(f"/v1/sagas/{SAGA}/{path}", json=body), code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreError("the database at 10.0.0.1 is gone"), "store_unavailable"),
        (CommitUnknown("nobody knows"), "store_unavailable"),
        (TimeoutError(), "store_unavailable"),
        (CountMismatch("2 rows instead of 1"), "internal"),
        (BadRow("saga.state secret-q4711"), "internal"),
        (DefinitionMissing("schema 12"), "definition_missing"),
        (RuntimeError("secret-q4711"), "internal"),
        (AssertionError(), "internal"),
        (RecursionError(), "internal"),
        (SagaUnknown(SAGA), "saga_unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_an_exception_becomes_a_problem_and_shows_nothing(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, error: Exception, code: str
) -> None:
    coordinator.raises = error
    response = await http.post(f"/v1/sagas/{SAGA}/cancel", json=WHY)
    problem(response, code)
    assert "q4711" not in response.text and "Traceback" not in response.text and "10.0.0.1" not in response.text


async def test_an_exception_is_logged_without_its_message(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, capsys: pytest.CaptureFixture[str]
) -> None:
    coordinator.raises = RuntimeError("secret-q4711")
    await http.post("/v1/sagas", json=START)
    said = capsys.readouterr()
    assert "RuntimeError" in said.out + said.err and "start_saga" in said.out + said.err
    assert "q4711" not in said.out + said.err


@pytest.mark.parametrize(
    "path",
    ["/v1/sagas", f"/v1/sagas/{SAGA}", f"/v1/sagas/{SAGA}/journal", "/v1/definitions", "/v1/definitions/order/1", "/v1/schemas",
     "/v1/schemas/1", f"/v1/dead-letters/{SAGA}"],
)  # fmt: skip
async def test_reading_without_a_database_is_unavailable(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, path: str
) -> None:
    coordinator.store.raises = StoreError("gone")
    problem(await http.get(path), "store_unavailable")


@pytest.mark.parametrize(
    "saga_id",
    ["o-17", str(UNKNOWN), str(OTHER), "%00", "..%5c..%5cetc", "%e2%80%ae17", "%D0%BE-17", "{" + str(SAGA) + "}", SAGA.hex, "a" * 5000],
    ids=["a key", "unknown", "another tenant's", "NUL", "dots", "RTL", "homoglyph", "braces", "without dashes", "long"],
)  # fmt: skip
async def test_what_names_no_saga_is_unknown(http: httpx.AsyncClient, saga_id: str) -> None:
    for method, path, body in [
        ("GET", "", None),
        ("GET", "/journal", None),
        ("POST", "/cancel", WHY),
        ("POST", "/steps/charge/retry", WHY),
        ("POST", "/steps/charge/waive", {"evidence": "receipt"}),
    ]:
        problem(await http.request(method, f"/v1/sagas/{saga_id}{path}", json=body), "saga_unknown")


@pytest.mark.parametrize("step", ["Charge", "%00", "charge[x]", "%e2%80%ae", "a" * 100])
async def test_what_is_no_step_is_unknown(http: httpx.AsyncClient, step: str) -> None:
    problem(await http.post(f"/v1/sagas/{SAGA}/steps/{step}/retry", json=WHY), "step_unknown")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", "not_found"),
        ("GET", "/v1/sagas/", "saga_unknown"),
        ("GET", "/v2/sagas", "not_found"),
        ("GET", f"/v1/sagas/{SAGA}/steps", "not_found"),
        ("GET", "/docs", "not_found"),
        ("DELETE", "/v1/sagas", "method_not_allowed"),
        ("PUT", "/healthz", "method_not_allowed"),
        ("GET", f"/v1/sagas/{SAGA}/cancel", "method_not_allowed"),
        ("GET", "/v1/definitions/order/7", "definition_unknown"),
        ("GET", "/v1/schemas/12", "schema_unknown"),
        ("GET", "/v1/schemas/twelve", "schema_unknown"),
        ("GET", f"/v1/dead-letters/{UNKNOWN}", "dead_letter_unknown"),
        ("GET", "/v1/dead-letters/12", "dead_letter_unknown"),
        ("POST", "/v1/definitions/order/1/activate", "definition_unknown"),
        ("POST", "/v1/definitions/Order/1/activate", "definition_unknown"),
    ],
)
async def test_what_is_not_there_is_a_problem(http: httpx.AsyncClient, method: str, path: str, code: str) -> None:
    response = await http.request(method, path)
    if path == "/v1/sagas/":
        assert response.status_code == 404  # no redirect: it would repeat the Host that was sent
        return
    problem(response, code)
    assert code != "method_not_allowed" or response.headers["allow"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "definition"),
        ([], "body"),
        ("order", "body"),
        (None, "body"),
        (START | {"definition": 7}, "definition"),
        (START | {"definition": ""}, "definition"),
        (START | {"definition": "../order"}, "definition"),
        (START | {"definition": "order\x00"}, "definition"),
        (START | {"definition": "оrder"}, "definition"),  # the o is Cyrillic
        (START | {"definition": "o" * 64}, "definition"),
        (START | {"version": "3"}, "version"),
        (START | {"version": True}, "version"),
        (START | {"version": 0}, "version"),
        (START | {"version": 3.0}, "version"),
        (START | {"input": []}, "input"),
        (START | {"input": None}, "input"),
        (START | {"key": ""}, "key"),
        (START | {"key": 17}, "key"),
        (START | {"key": "\x00"}, "key"),
        (START | {"key": "\u202e17"}, "key"),
        (START | {"key": "k" * 257}, "key"),
        (START | {"key": " k"}, "key"),
        (START | {"on_open": "maybe"}, "on_open"),
        (START | {"on_closed": "return_existing"}, "on_closed"),
        (START | {"inptu": "secret-q4711"}, "inptu"),
    ],
)
async def test_a_start_of_a_wrong_shape_names_the_field(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, body: object, field: str
) -> None:
    response = await http.post("/v1/sagas", json=body)
    said = problem(response, "request_invalid")
    assert said["field"] == field and said["expected"]
    assert "q4711" not in response.text
    assert coordinator.starts == []


@pytest.mark.parametrize("key", ["", " ", "a" * 257, "\x7f", "\xe9"])
async def test_a_bad_request_id_is_refused(http: httpx.AsyncClient, key: str) -> None:
    response = await http.post("/v1/sagas", json=START, headers=[(b"idempotency-key", key.encode("latin-1"))])
    assert problem(response, "request_invalid")["field"] == "Idempotency-Key"


async def test_two_request_ids_are_refused(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/sagas", json=START, headers=[("idempotency-key", "a"), ("idempotency-key", "b")])
    problem(response, "request_invalid")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("limit=" + "9" * 4000, "limit"),
        ("phase=running", "phase"),
        ("attention=perhaps", "attention"),
        ("definition=../x", "definition"),
        ("key=", "key"),
        ("key=%00", "key"),
        ("cursor=" + "a" * 300, "cursor"),
        ("state=RUNNING", "state"),
    ],
)
async def test_a_bad_filter_names_the_parameter(http: httpx.AsyncClient, query: str, field: str) -> None:
    assert problem(await http.get(f"/v1/sagas?{query}"), "request_invalid")["field"] == field


@pytest.mark.parametrize("query", ["wait_s=61", "wait_s=-1", "wait_s=nan", "wait_s=inf", "wait_s=soon", "wait=3"])
async def test_a_bad_wait_is_refused(http: httpx.AsyncClient, query: str) -> None:
    problem(await http.get(f"/v1/sagas/{SAGA}?{query}"), "request_invalid")


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=1000", "after=" + "9" * 30])
async def test_a_bad_part_of_a_journal_is_refused(http: httpx.AsyncClient, query: str) -> None:
    problem(await http.get(f"/v1/sagas/{SAGA}/journal?{query}"), "request_invalid")


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "\x00"}, {"reason": "r" * 1001}, {"reason": "ok", "actor": ""}, {"reason": 1}]
)  # fmt: skip
async def test_an_act_without_a_proper_reason_is_refused(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, body: object
) -> None:
    problem(await http.post(f"/v1/sagas/{SAGA}/cancel", json=body), "request_invalid")
    assert coordinator.acts == []


# --- bodies ---------------------------------------------------------------------------------------


async def test_a_body_that_is_no_json_is_refused(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    response = await http.post("/v1/sagas", content=b'{"definition": "secret-q4711", "definition": 2}', headers=JSON)
    problem(response, "json_invalid")
    assert "q4711" not in response.text
    assert coordinator.starts == []


@pytest.mark.parametrize(
    "media_type",
    [None, "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=latin-1",
     "application/json/x", "json", "text/json"],
)  # fmt: skip
async def test_a_body_of_another_kind_is_refused(http: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    problem(
        await http.post("/v1/sagas", content=b'{"definition": "order", "input": {}}', headers=headers), "media_type_unsupported"
    )


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=UTF-8", "application/vnd.order+json"])
async def test_json_by_any_of_its_names_is_read(http: httpx.AsyncClient, media_type: str) -> None:
    response = await http.post("/v1/sagas", content=b'{"definition": "order", "input": {}}', headers={"content-type": media_type})
    assert response.status_code == 201


async def test_a_body_that_says_it_is_too_large_is_not_read(http: httpx.AsyncClient) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = JSON | {"content-length": str(MAX_BODY_BYTES + 1)}
    problem(await http.post("/v1/sagas", content=never(), headers=headers), "body_too_large")


async def test_a_chunked_body_is_cut_off_at_the_limit(coordinator: ScriptedCoordinator) -> None:
    """Over the bare protocol, to see how far it is read: one chunk over the limit and no
    further."""
    read = 0
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"[" * 65_536, "more_body": read < 100}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/v1/sagas",
        "raw_path": b"/v1/sagas", "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8700),
        "headers": [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")],
    }  # fmt: skip
    await create_app(coordinator)(scope, receive, send)
    assert sent[0]["status"] == 413
    assert read == MAX_BODY_BYTES // 65_536 + 1


async def test_a_body_at_the_limit_is_read(http: httpx.AsyncClient) -> None:
    start = b'{"definition": "order", "input": {"a": "%s"}}'
    body = start % (b"x" * (MAX_BODY_BYTES - len(start) + 2))
    assert len(body) == MAX_BODY_BYTES
    assert (await http.post("/v1/sagas", content=body, headers=JSON)).status_code == 201


# --- other sites, readiness -----------------------------------------------------------------------


async def test_a_page_of_another_site_may_not_act(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    response = await http.post(f"/v1/sagas/{SAGA}/cancel", json=WHY, headers={"origin": "http://evil.example"})
    problem(response, "cross_site")
    assert coordinator.acts == []


async def test_a_page_of_our_own_may_act(http: httpx.AsyncClient) -> None:
    headers = {"origin": "http://127.0.0.1:8700"}
    assert (await http.post(f"/v1/sagas/{SAGA}/cancel", json=WHY, headers=headers)).status_code == 202


async def test_not_ready_says_why(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    coordinator.unready = ["topic_missing: saga.start"]
    assert problem(await http.get("/readyz"), "not_ready")["reasons"] == ["topic_missing: saga.start"]
