"""The coordinator as a Confluent schema registry: what it answers by id and by subject, and how it
says no."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from saga_coordinator.api.app import create_app
from saga_coordinator.api.registry_answers import MEDIA_TYPE
from saga_coordinator.store.port import SchemaRow, StoreError
from saga_schemas.records import OWN, SagaEvent, own_schema
from saga_schemas.schema import Schema
from unit.coordinator.api.conftest import ScriptedCoordinator


def version(*fields: str, doc: str = "") -> dict[str, Any]:
    more = [{"name": name, "type": ["null", "string"], "default": None} for name in fields]
    return {
        "type": "record",
        "name": "Card",
        "namespace": "shop",
        "doc": doc,
        "fields": [{"name": "id", "type": "string"}, *more],
    }


FIRST, SECOND = Schema.parse(version()), Schema.parse(version("note"))
ELSEWHERE = Schema.parse({"type": "record", "name": "shop.Other", "fields": [{"name": "id", "type": "string"}]})
EVENT = own_schema(SagaEvent)
ROWS = [
    SchemaRow(id=FIRST.id, subject="shop.Card", version=1, document=FIRST.canonical),
    SchemaRow(id=SECOND.id, subject="shop.Card", version=2, document=SECOND.canonical),
    SchemaRow(id=ELSEWHERE.id, subject="own name", version=1, document=ELSEWHERE.canonical),
]
NAMES = [
    "own name",
    "saga.events-value",
    "saga.v1.Empty",
    "saga.v1.Failure",
    "saga.v1.Horizon",
    "saga.v1.HorizonHeard",
    "saga.v1.Progress",
    "saga.v1.SagaEvent",
    "saga.v1.Sweep",
    "saga.v1.SweptRows",
    "shop.Card",
]
SENT = {"content-type": MEDIA_TYPE}


@pytest.fixture
async def registry(coordinator: ScriptedCoordinator, http: httpx.AsyncClient) -> httpx.AsyncClient:
    async def schemas() -> list[SchemaRow]:
        return ROWS

    coordinator.store.schemas = schemas
    await coordinator.definitions.refresh_schemas()
    return http


async def got(http: httpx.AsyncClient, path: str) -> Any:
    response = await http.get(f"/registry{path}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    return response.json()


def refused(response: httpx.Response, status: int, code: int) -> str:
    assert (response.status_code, response.json()["error_code"]) == (status, code), response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    return str(response.json()["message"])


def text(schema: Schema) -> str:
    return schema.canonical.decode()


# --- by id ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [FIRST, SECOND, ELSEWHERE, *OWN], ids=lambda schema: schema.full_name)
async def test_every_schema_is_found_by_its_id(registry: httpx.AsyncClient, schema: Schema) -> None:
    assert await got(registry, f"/schemas/ids/{schema.id}") == {"schema": text(schema)}
    assert 0 < schema.id < 2**31, "Java and all others write it alike"
    assert await got(registry, f"/schemas/ids/{schema.id}?subject=saga.cmd.payment-value&format=") == {"schema": text(schema)}
    assert await got(registry, f"/schemas/ids/{schema.id}/schema") == schema.document


async def test_the_largest_id_is_told(registry: httpx.AsyncClient) -> None:
    largest = max(schema.id for schema in (FIRST, SECOND, ELSEWHERE, *OWN))
    assert (await got(registry, f"/schemas/ids/{FIRST.id}?fetchMaxId=true"))["maxId"] == largest


@pytest.mark.parametrize("asked", ["7", "-7", "0", "abc", "+1", "1.5", "99999999999", "4294967296", "-2147483649", "１"])
@pytest.mark.parametrize("rest", ["", "/schema", "/subjects", "/versions"])
async def test_an_id_of_no_schema_is_unknown(registry: httpx.AsyncClient, asked: str, rest: str) -> None:
    refused(await registry.get(f"/registry/schemas/ids/{asked}{rest}"), 404, 40403)


async def test_a_schema_knows_its_subjects(registry: httpx.AsyncClient) -> None:
    assert await got(registry, f"/schemas/ids/{SECOND.id}/subjects") == ["shop.Card"]
    assert await got(registry, f"/schemas/ids/{SECOND.id}/versions") == [{"subject": "shop.Card", "version": 2}]
    assert await got(registry, f"/schemas/ids/{EVENT.id}/subjects") == ["saga.events-value", "saga.v1.SagaEvent"]
    assert await got(registry, f"/schemas/ids/{EVENT.id}/subjects?subject=saga.v1.SagaEvent") == ["saga.v1.SagaEvent"]


# --- by subject -----------------------------------------------------------------------------------


async def test_subjects_are_listed_in_pages(registry: httpx.AsyncClient) -> None:
    assert await got(registry, "/subjects") == NAMES
    assert await got(registry, "/subjects?offset=1&limit=2&deleted=False") == NAMES[1:3]
    assert await got(registry, "/subjects?limit=-1") == NAMES
    assert await got(registry, "/subjects?subjectPrefix=shop.") == ["shop.Card"]
    assert await got(registry, "/subjects?subjectPrefix=:*:") == NAMES
    assert await got(registry, "/subjects?deletedOnly=true") == []


@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "offset=99999999999"])
async def test_a_page_that_makes_no_sense_is_refused(registry: httpx.AsyncClient, query: str) -> None:
    refused(await registry.get(f"/registry/subjects?{query}"), 422, 422)


@pytest.mark.parametrize("subject", ["shop.Card", ":.:shop.Card", "saga.reply.payment-shop.Card", "saga.start-shop.Card"])
async def test_a_subject_has_its_versions(registry: httpx.AsyncClient, subject: str) -> None:
    named = subject.removeprefix(":.:")
    first = {"subject": named, "version": 1, "id": FIRST.id, "schema": text(FIRST)}
    second = {"subject": named, "version": 2, "id": SECOND.id, "schema": text(SECOND)}
    assert await got(registry, f"/subjects/{subject}/versions") == [1, 2]
    assert await got(registry, f"/subjects/{subject}/versions/1") == first
    assert await got(registry, f"/subjects/{subject}/versions/latest") == second
    assert await got(registry, f"/subjects/{subject}/versions/-1") == second
    assert await got(registry, f"/subjects/{subject}/versions/1/schema") == FIRST.document
    assert await got(registry, f"/subjects/{subject}/versions/1/referencedby") == []


async def test_the_topic_of_events_has_its_subject(registry: httpx.AsyncClient) -> None:
    assert (await got(registry, "/subjects/saga.events-value/versions/latest"))["id"] == EVENT.id


@pytest.mark.parametrize(
    "subject", ["shop.None", "saga.start-value", "else.where-shop.Card", "saga.cmd.-shop.Card", "-", "-value"]
)
async def test_a_subject_that_is_not_here_is_unknown(registry: httpx.AsyncClient, subject: str) -> None:
    refused(await registry.get(f"/registry/subjects/{subject}/versions"), 404, 40401)
    refused(await registry.get(f"/registry/subjects/{subject}/versions/latest"), 404, 40401)
    refused(await registry.get(f"/registry/config/{subject}"), 404, 40401)
    refused(await registry.get(f"/registry/mode/{subject}"), 404, 40401)


@pytest.mark.parametrize(
    ("asked", "status", "code"), [("3", 404, 40402), ("0", 422, 42202), ("2147483648", 422, 42202), ("x", 422, 42202)]
)
async def test_a_version_that_is_not_there(registry: httpx.AsyncClient, asked: str, status: int, code: int) -> None:
    refused(await registry.get(f"/registry/subjects/shop.Card/versions/{asked}"), status, code)


async def test_its_settings_are_told(registry: httpx.AsyncClient) -> None:
    assert await got(registry, "/schemas/types") == ["AVRO"]
    assert await got(registry, "/config") == await got(registry, "/config/shop.Card") == {"compatibilityLevel": "FULL_TRANSITIVE"}
    assert await got(registry, "/mode") == await got(registry, "/mode/shop.Card") == {"mode": "READONLY"}
    assert await got(registry, "/contexts") == ["."]
    assert await got(registry, "") == await got(registry, "/") == {}


# --- what serializers ask -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "subject", ["shop.Card", "saga.reply.payment-shop.Card", "saga.reply.payment-value", ":.:saga.start-value"]
)
async def test_a_schema_is_looked_up_whatever_its_spelling(registry: httpx.AsyncClient, subject: str) -> None:
    spelt = json.dumps(version("note", doc="A card."), indent=1)
    body = {"schema": spelt, "schemaType": "AVRO", "references": []}
    found = await registry.post(f"/registry/subjects/{subject}?normalize=False&deleted=False", json=body, headers=SENT)
    named = subject.removeprefix(":.:")
    assert found.json() == {"subject": named, "version": 2, "id": SECOND.id, "schema": text(SECOND)}
    written = await registry.post(f"/registry/subjects/{subject}/versions", json=body, headers=SENT)
    assert written.json() == {"id": SECOND.id}


async def test_an_unknown_schema_is_not_found_and_not_written(registry: httpx.AsyncClient) -> None:
    body = {"schema": json.dumps(version("more"))}
    refused(await registry.post("/registry/subjects/shop.Card", json=body, headers=SENT), 404, 40403)
    refused(await registry.post("/registry/subjects/saga.start-value", json=body, headers=SENT), 404, 40403)
    refused(await registry.post("/registry/subjects/shop.None", json=body, headers=SENT), 404, 40401)
    for subject in ("shop.Card", "shop.None"):
        said = refused(await registry.post(f"/registry/subjects/{subject}/versions", json=body, headers=SENT), 422, 42205)
        assert "read-only" in said and "saga schema add" in said


@pytest.mark.parametrize(
    "body",
    [
        {"schema": "not json"},
        {"schema": '"string"'},
        {"schema": '{"type": "record", "name": "A"}'},
        {"schema": text(FIRST), "schemaType": "PROTOBUF"},
        {"schema": text(FIRST), "references": [{"name": "a", "subject": "b", "version": 1}]},
    ],
)
async def test_what_is_no_whole_avro_record_is_invalid(registry: httpx.AsyncClient, body: dict[str, object]) -> None:
    refused(await registry.post("/registry/subjects/shop.Card", json=body, headers=SENT), 422, 42201)
    refused(await registry.post("/registry/subjects/shop.Card/versions", json=body, headers=SENT), 422, 42201)


# --- how it says no -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/config"),
        ("PUT", "/mode/shop.Card"),
        ("DELETE", "/subjects/shop.Card"),
        ("DELETE", "/subjects/shop.Card/versions/1"),
        ("POST", "/compatibility/subjects/shop.Card/versions/latest"),
    ],
)
async def test_it_is_read_only(registry: httpx.AsyncClient, method: str, path: str) -> None:
    assert "read-only" in refused(await registry.request(method, f"/registry{path}", json={}), 422, 42205)


async def test_errors_have_confluents_form(coordinator: ScriptedCoordinator, registry: httpx.AsyncClient) -> None:
    refused(await registry.get("/registry/schemas/guids/a"), 404, 404)
    refused(await registry.post("/registry/subjects/shop.Card", content=b"{", headers=SENT), 400, 400)
    refused(await registry.post("/registry/subjects/shop.Card", json={"no": "schema"}, headers=SENT), 422, 422)
    refused(await registry.post("/registry/subjects/shop.Card", content=b" " * 1_100_000, headers=SENT), 413, 413)

    async def away() -> list[SchemaRow]:
        raise StoreError("gone")

    coordinator.store.schemas = away
    refused(await registry.get("/registry/schemas/ids/1073741999"), 500, 50001)


async def test_strangers_ids_use_up_no_look_for_messages(coordinator: ScriptedCoordinator, registry: httpx.AsyncClient) -> None:
    for number in range(1, 40):
        refused(await registry.get(f"/registry/schemas/ids/{number}"), 404, 40403)
    new = Schema.parse(version("new"))

    async def schemas() -> list[SchemaRow]:
        return [*ROWS, SchemaRow(id=new.id, subject="shop.Card", version=3, document=new.canonical)]

    coordinator.store.schemas = schemas
    await coordinator.definitions.seek_schemas([new.id])
    assert coordinator.definitions.catalog.by_id(new.id) is not None


async def test_plain_json_is_sent_to_who_asks_for_it(registry: httpx.AsyncClient) -> None:
    response = await registry.get("/registry/subjects", headers={"accept": "application/json"})
    assert response.headers["content-type"] == "application/json"


async def test_pages_of_other_sites_are_refused_here_too(registry: httpx.AsyncClient) -> None:
    assert (await registry.get("/registry/subjects", headers={"origin": "http://evil.example"})).status_code == 403


APP = create_app(ScriptedCoordinator())
BODIES = st.binary(max_size=60) | st.dictionaries(
    st.sampled_from(["schema", "schemaType", "references", "id"]),
    st.none() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3), max_size=2),
).map(lambda body: json.dumps(body).encode())
PATHS = st.text(max_size=40) | st.builds("subjects/{}{}".format, st.text(max_size=10), st.sampled_from(["", "/versions"]))


@settings(max_examples=60)
@given(method=st.sampled_from(["GET", "POST", "PUT"]), path=PATHS, body=BODIES)
def test_whatever_comes_in_is_answered_in_confluents_form(method: str, path: str, body: bytes) -> None:
    url = httpx.URL("http://127.0.0.1:8700").copy_with(path="/registry/" + quote(path.encode("utf-8", "replace"), safe="/"))
    assume(url.path.startswith("/registry/"))  # a client resolves `..` before it sends

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(APP)) as http:
            return await http.request(method, url, content=body if method != "GET" else None, headers=SENT)

    response = asyncio.run(asked())
    assert response.status_code < 500
    assert response.status_code == 200 or isinstance(response.json()["error_code"], int)
