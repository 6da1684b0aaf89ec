"""A small schema registry that speaks Confluent's API over HTTP, with the ways in which real ones
differ or fail."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LOGIN = ("coordinator", "pass:word")


@dataclass
class FakeRegistry:
    """What it holds, and how it behaves."""

    schemas: dict[int, str] = field(default_factory=dict)
    """By id."""
    versions: dict[str, dict[int, int]] = field(default_factory=dict)
    """By subject: ids by version."""
    modes: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Every request, as `GET /schemas/ids/1`."""
    url: str = ""
    away: bool = False
    """It answers 503."""
    silent: bool = False
    """It answers nothing at all."""
    imports: bool = True
    """It has the mode IMPORT."""
    numbers: bool = False
    """It passes over the id that it is sent, as Apicurio does."""
    login: bool = False
    """It wants LOGIN."""
    refuses: frozenset[str] = frozenset()
    """Subjects for which it takes nothing."""

    async def answer(self, request: Request) -> Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if self.silent:
            await asyncio.sleep(3600)
        if self.away:
            return JSONResponse({"message": "later"}, 503)
        if self.login and request.headers.get("authorization") != f"Basic {base64.b64encode(':'.join(LOGIN).encode()).decode()}":
            return JSONResponse({"error_code": 401, "message": "who are you"}, 401)
        body = json.loads(await request.body() or b"{}")
        route = request.scope["endpoint_name"]
        found: Response = getattr(self, f"_{route}")(request.path_params, body, request)
        return found

    def _by_id(self, path: dict[str, Any], _: Any, __: Request) -> Response:
        document = self.schemas.get(path["id"])
        if document is None:
            return JSONResponse({"error_code": 40403, "message": "Schema not found"}, 404)
        return JSONResponse({"schema": document})

    def _mode(self, path: dict[str, Any], body: dict[str, Any], request: Request) -> Response:
        if request.method == "DELETE":
            return JSONResponse({"mode": self.modes.pop(path["subject"], "READWRITE")})
        if not self.imports:
            return JSONResponse({"error_code": 42205, "message": "mode changes are not allowed"}, 422)
        if self.versions.get(path["subject"]) and request.query_params.get("force") != "true":
            return JSONResponse({"error_code": 42205, "message": "the subject is not empty"}, 422)
        self.modes[path["subject"]] = body["mode"]
        return JSONResponse(body)

    def _register(self, path: dict[str, Any], body: dict[str, Any], _: Request) -> Response:
        subject, given = path["subject"], body.get("id")
        if subject in self.refuses:
            return JSONResponse({"error_code": 42207, "message": "already registered with another id"}, 422)
        if given is not None and self.modes.get(subject) != "IMPORT":
            return JSONResponse({"error_code": 42205, "message": f"Subject {subject} is not in import mode"}, 422)
        known = next((number for number, document in self.schemas.items() if document == body["schema"]), len(self.schemas) + 1)
        schema_id = known if given is None or self.numbers else int(given)
        self.schemas[schema_id] = body["schema"]
        self.versions.setdefault(subject, {})[body["version"]] = schema_id
        return JSONResponse({"id": schema_id})


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@asynccontextmanager
async def fake_registry(**behaviour: Any) -> AsyncIterator[FakeRegistry]:
    """It listens while the block runs."""
    registry = FakeRegistry(**behaviour)

    def route(path: str, name: str, *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            request.scope["endpoint_name"] = name
            return await registry.answer(request)

        return Route(path, endpoint, methods=list(methods))

    app = Starlette(
        routes=[
            route("/base/schemas/ids/{id:int}", "by_id", "GET"),
            route("/base/mode/{subject}", "mode", "PUT", "DELETE"),
            route("/base/subjects/{subject}/versions", "register", "POST"),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    server.capture_signals = _nothing  # type: ignore[method-assign]  # signals are the test's
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing else to wait for
        await asyncio.sleep(0.01)
    registry.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/base"
    try:
        yield registry
    finally:
        server.should_exit = server.force_exit = True
        await serving
