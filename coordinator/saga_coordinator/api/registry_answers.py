"""What a Confluent schema registry answers with: its content types, its error bodies, its codes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import orjson
import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from saga_coordinator.api.problems import CODES, Problem, of_status
from saga_coordinator.api.request_body import StrictRequest
from saga_coordinator.store.port import StoreError

PREFIX: Final = "/registry"
MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_READ_ONLY: Final = "this registry is read-only: use `saga schema add` or `saga def register`"

SUBJECT_UNKNOWN: Final = (404, 40401, "Subject not found.")
VERSION_UNKNOWN: Final = (404, 40402, "Version not found.")
SCHEMA_UNKNOWN: Final = (404, 40403, "Schema not found.")
SCHEMA_INVALID: Final = (422, 42201, "Invalid schema")
VERSION_INVALID: Final = (422, 42202, "A version is a number from 1 to 2^31-1, -1 or latest.")
READ_ONLY: Final = (422, 42205, _READ_ONLY)
"""What a Confluent registry in the mode READONLY answers to a write."""
STORE_AWAY: Final = (500, 50001, "The database does not answer.")


class RegistryRefusal(Exception):
    """Raised anywhere below a route: one of the refusals above, with its reason where there is
    one."""

    def __init__(self, refusal: tuple[int, int, str], reason: str = "") -> None:
        self.status, self.code, text = refusal
        self.message = f"{text}: {reason}" if reason else text
        super().__init__(self.message)


def answer(request: Request, content: object, status: int = 200) -> Response:
    """JSON in the content type that the client asks for."""
    return as_sent(request, orjson.dumps(content), status)


def as_sent(request: Request, body: bytes, status: int = 200) -> Response:
    """A body that is JSON already."""
    accepted = request.headers.get("accept", "")
    plain = "application/json" in accepted and "vnd.schemaregistry" not in accepted
    return Response(body, status, media_type="application/json" if plain else MEDIA_TYPE)


class RegistryRoute(APIRoute):
    """A route whose refusals have Confluent's form, and whose body obeys the API's limits."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answering(request: Request) -> Response:
            try:
                return await handler(StrictRequest(request.scope, request.receive))
            except Exception as error:
                return told(request, error)

        return answering


def told(request: Request, error: Exception) -> Response:
    """A refusal in Confluent's form; a bug goes on to the outermost layer."""
    status, code, message = _told(error)
    return answer(request, {"error_code": code, "message": message}, status)


def asks_registry(request: Request) -> bool:
    """Whether a request that no route took was meant for the registry."""
    return request.url.path.startswith(f"{PREFIX}/")


def _told(error: Exception) -> tuple[int, int, str]:
    if isinstance(error, RegistryRefusal):
        return error.status, error.code, error.message
    if isinstance(error, RequestValidationError):
        place = error.errors()[0]["loc"]
        return 422, 422, f"a parameter or field is not as it must be ({'.'.join(str(part) for part in place)[:100]})"
    if isinstance(error, HTTPException):
        return error.status_code, error.status_code, _explained(error)
    if isinstance(error, StoreError | TimeoutError):
        structlog.get_logger("api").warning("store_unavailable", error=type(error).__name__)
        return STORE_AWAY
    raise error


def _explained(error: HTTPException) -> str:
    problem = error if isinstance(error, Problem) else of_status(error.status_code, None)
    return problem.explanation or CODES[problem.code][1]
