"""The client of schema registries that speak Confluent's API, version 1.

An answer has a bounded size, a call a bounded time.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson

from saga_coordinator.registry.schema_registry import ImportRefused, RegistryAway, RegistryRefused
from saga_schemas.errors import SchemaRefused
from saga_schemas.limits import SCHEMA_BYTES
from saga_schemas.schema import Schema

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
ANSWER_BYTES: Final = 4 * SCHEMA_BYTES
"""A schema within JSON, each of its quotes escaped, and some more."""
_SAID_CHARS: Final = 200
_NO_MODE_OF_ITS_OWN: Final = (404, 405, 501)


class ConfluentRegistry:
    """A `SchemaRegistry` over HTTP."""

    def __init__(self, url: str, *, user: str | None = None, password: str | None = None, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._auth = None if user is None else httpx.BasicAuth(user, password or "")
        self._timeout_s = timeout_s
        self._tls: ssl.SSLContext | bool = httpx.create_ssl_context() if url.startswith("https:") else False

    async def document(self, schema_id: int) -> str | None:
        status, said = await self._ask("GET", f"/schemas/ids/{schema_id}")
        if 400 <= status < 500:  # an id that it does not have, or cannot have
            return None
        if status != 200:
            raise RegistryAway(f"asked for a schema, it answers {status}: {_message(said)}")
        if said.get("schemaType", "AVRO") != "AVRO" or said.get("references"):
            return None  # of another world: no message of ours is written in it
        document = said.get("schema")
        return document if isinstance(document, str) else None

    async def put(self, schema: Schema, subject: str, version: int) -> bool:
        document = await self.document(schema.id)
        if document is not None:
            if _id_of(document) != schema.id:
                raise RegistryRefused(f"it has another schema under the id {schema.id}")
            return False
        path = quote(subject, safe="")
        await self._begin_import(path)
        try:
            await self._import(schema, path, version)
        finally:
            await self._end_import(path)
        return True

    async def _begin_import(self, path: str) -> None:
        """Only in this mode does a registry take a schema with its id."""
        status, said = await self._ask("PUT", f"/mode/{path}?force=true", {"mode": "IMPORT"})
        if status != 200:
            raise ImportRefused(f"it refuses the mode IMPORT ({status}: {_message(said)})")

    async def _import(self, schema: Schema, path: str, version: int) -> None:
        body = {"schemaType": "AVRO", "schema": schema.canonical.decode(), "id": schema.id, "version": version}
        status, said = await self._ask("POST", f"/subjects/{path}/versions", body)
        if status != 200:
            raise RegistryRefused(f"{status}: {_message(said)}")
        if said.get("id") != schema.id:
            raise ImportRefused(f"it gives ids of its own ({str(said.get('id'))[:20]} for {schema.id})")

    async def _end_import(self, path: str) -> None:
        """Others may register under this subject as before, with the registry's checks."""
        status, _ = await self._ask("DELETE", f"/mode/{path}")
        if status in _NO_MODE_OF_ITS_OWN:
            await self._ask("PUT", f"/mode/{path}", {"mode": "READWRITE"})

    async def _ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one call. Raises RegistryAway."""
        headers = {"accept": f"{MEDIA_TYPE}, application/json"} | ({} if body is None else {"content-type": MEDIA_TYPE})
        content = None if body is None else orjson.dumps(body)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                httpx.AsyncClient(auth=self._auth, verify=self._tls, timeout=self._timeout_s) as http,
                http.stream(method, self._url + path, content=content, headers=headers) as response,
            ):
                text = await _bounded(response)
        except TimeoutError:
            raise RegistryAway(f"it does not answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise RegistryAway(f"{type(error).__name__}: {str(error)[:_SAID_CHARS]}") from None
        if response.status_code in (401, 403):
            raise RegistryAway(f"it lets us not in ({response.status_code}): check SAGA_SCHEMA_REGISTRY_USER and its password")
        if response.status_code == 429 or (response.status_code >= 500 and response.status_code != 501):
            raise RegistryAway(f"it answers {response.status_code}")
        return response.status_code, _read(response.status_code, text)


async def _bounded(response: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > ANSWER_BYTES:
            raise RegistryAway(f"its answer is larger than {ANSWER_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _read(status: int, text: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        said = None
    if isinstance(said, dict):
        return said
    if status == 200:
        raise RegistryAway("its answer is no JSON object: is it a schema registry?")
    return {}


def _message(said: dict[str, Any]) -> str:
    """Its reason, short and printable: it goes into a log line."""
    text = str(said.get("message", "no reason given"))[:_SAID_CHARS]
    return "".join(char if char.isprintable() else " " for char in text)


def _id_of(document: str) -> int | None:
    """Our id of a document that a registry gives."""
    try:
        return Schema.parse_json(document).id
    except SchemaRefused:
        return None
