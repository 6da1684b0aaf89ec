"""Whatever bytes come in: an answer, never a 500, and every refusal a problem with a known code."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_coordinator.api.app import create_app
from saga_coordinator.api.problems import CODES
from support.saga_rows import SAGA
from unit.coordinator.api.conftest import ScriptedCoordinator

APP = create_app(ScriptedCoordinator())
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from(["definition", "version", "input", "key", "on_open", "on_closed", "document", "extra"])
NEARLY = st.fixed_dictionaries({"definition": st.just("order"), "input": st.dictionaries(st.text(max_size=5), JUNK, max_size=3)})
BODIES = (
    st.binary(max_size=300)
    | JUNK.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(FIELDS, JUNK, max_size=6).map(lambda value: json.dumps(value).encode())
    | st.builds(lambda sound, spoilt: json.dumps(sound | spoilt).encode(), NEARLY, st.dictionaries(FIELDS, JUNK, max_size=2))
)
PATHS = st.sampled_from(
    [
        "/v1/sagas",
        f"/v1/sagas/{SAGA}/cancel",
        f"/v1/sagas/{SAGA}/steps/charge/waive",
        "/v1/definitions",
        "/v1/schemas",
        "/v1/schedules",
    ]
)
HEADERS = st.dictionaries(
    st.sampled_from(["idempotency-key", "traceparent", "tracestate", "content-type", "accept"]),
    st.binary(max_size=40).filter(lambda value: not set(value) & {0, 10, 13}),
    max_size=2,
)


@settings(max_examples=150)
@given(path=PATHS, body=BODIES, headers=HEADERS)
def test_any_bytes_get_an_answer_and_never_a_500(path: str, body: bytes, headers: dict[str, bytes]) -> None:
    response = asyncio.run(posted(path, body, headers))
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] in CODES


@settings(max_examples=60)
@given(path=st.text(max_size=60), query=st.text(max_size=60))
def test_any_path_gets_an_answer_and_never_a_500(path: str, query: str) -> None:
    async def asked() -> httpx.Response:
        async with client() as http:
            url = httpx.URL("http://127.0.0.1:8700").copy_with(path="/v1/" + quoted(path), query=quoted(query).encode())
            return await http.get(url)

    response = asyncio.run(asked())
    assert response.status_code < 500
    assert response.status_code < 400 or response.json()["code"] in CODES


async def posted(path: str, body: bytes, headers: dict[str, bytes]) -> httpx.Response:
    sent: list[tuple[bytes, bytes]] = [
        (name.encode(), value) for name, value in ({"content-type": b"application/json"} | headers).items()
    ]
    async with client() as http:
        return await http.post(path, content=body, headers=sent)


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://127.0.0.1:8700")


def quoted(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="/")
