"""The application: its routes, and the problem document for each kind of exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from saga_coordinator.api import (
    asyncapi_routes,
    attention_routes,
    audit_routes,
    batch_routes,
    confirmation_routes,
    control_routes,
    day_calendar_routes,
    dead_letter_routes,
    definition_routes,
    health_routes,
    import_routes,
    instance_routes,
    lost_effect_routes,
    overview_routes,
    participant_routes,
    query_routes,
    registry_answers,
    registry_routes,
    retention_routes,
    saga_routes,
    schedule_routes,
    schema_routes,
    tick_routes,
    view_routes,
)
from saga_coordinator.api.answers import finding_shown
from saga_coordinator.api.facade import Facade
from saga_coordinator.api.guard import Guard
from saga_coordinator.api.problems import CODES, Problem, ProblemDocument, of_status, problem_response
from saga_coordinator.api.waiting import waits
from saga_coordinator.confirmations.gate import ConfirmationNeeded
from saga_coordinator.definitions.document import DocumentInvalid
from saga_coordinator.engine.events import Refused
from saga_coordinator.inbound.redriving import RedriveUnknown
from saga_coordinator.query import QueryRefused
from saga_coordinator.registry.definition_cache import DefinitionMissing
from saga_coordinator.registry.registration import RegistrationRefused
from saga_coordinator.starts.requests import SagaUnknown, StartRefused
from saga_coordinator.store.port import BadRow, CountMismatch, QueryTooSlow, StoreError
from saga_coordinator.views.imported import UnreadableImport
from saga_messaging.broker import BrokerError

_ERRORS_SHOWN: Final = 10
_FIELD_CHARS: Final = 200
_DESCRIPTION: Final = (
    "Start sagas, by hand or by schedules, see what they do, act on those that are stuck, register definitions. "
    "Bodies are plain JSON; errors are problem documents (RFC 9457) with a stable `code`."
)
_ROUTES: Final = (
    query_routes,  # before the others of /v1/sagas: there is no saga named count
    saga_routes,
    control_routes,
    definition_routes,
    schema_routes,
    view_routes,
    registry_routes,
    asyncapi_routes,
    dead_letter_routes,
    audit_routes,
    import_routes,
    overview_routes,
    attention_routes,
    participant_routes,
    instance_routes,
    retention_routes,
    lost_effect_routes,
    batch_routes,
    confirmation_routes,
    schedule_routes,
    tick_routes,
    day_calendar_routes,
    health_routes,
)
_log = structlog.get_logger("api")


def create_app(coordinator: Facade) -> FastAPI:
    """The application over a coordinator that somebody else starts and stops."""
    app = FastAPI(
        title="saga-coordinator",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,  # the pages would load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.coordinator = coordinator
    for routes in _ROUTES:  # as they are: a router that is included is made again, route by route, at the first request
        app.router.routes.extend(routes.router.routes)
    app.add_middleware(Guard, instruments=coordinator.instruments)
    for exception, answer in _ANSWERS.items():
        app.add_exception_handler(exception, answer)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


# --- exceptions -----------------------------------------------------------------------------------


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if registry_answers.asks_registry(request):
        return registry_answers.told(request, error)
    return problem_response(error if isinstance(error, Problem) else of_status(error.status_code, error.headers))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [{"field": _field(one), "expected": _expected(one)} for one in error.errors()[:_ERRORS_SHOWN]]
    first = errors[0]
    detail = f"{first['field']}: expected {first['expected']}"
    return problem_response(Problem("request_invalid", detail, field=first["field"], expected=first["expected"], errors=errors))


def _field(error: Mapping[str, Any]) -> str:
    """The place of the error.

    The sender chose the name of an unknown field, so it is shown short and printable.
    """
    door, *place = error["loc"]
    return "".join(char if char.isprintable() else "�" for char in ".".join(str(part) for part in place or [door])[:_FIELD_CHARS])


def _expected(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "no field or parameter of that name"
    if error["type"] == "missing":
        return "a value: it is required"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message.removeprefix("Input should be ").removeprefix("a valid ")[:_FIELD_CHARS]


async def _start_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, StartRefused)
    return problem_response(Problem(error.code, error.detail, **error.extra))


async def _registration_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RegistrationRefused)
    findings = [finding_shown(finding).model_dump() for finding in error.findings]
    return problem_response(Problem(error.code, error.detail, findings=findings or None, reasons=list(error.reasons) or None))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem_response(Problem(error.code, None if error.code == "step_unknown" else error.detail))


async def _query_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, QueryRefused)
    return problem_response(Problem("query_invalid", error.message, position=error.position, hint=error.hint or None))


async def _query_too_slow(_: Request, error: Exception) -> Response:
    return problem_response(Problem("query_too_slow"))


async def _saga_unknown(_: Request, error: Exception) -> Response:
    return problem_response(Problem("saga_unknown"))


async def _definition_missing(_: Request, error: Exception) -> Response:
    return problem_response(Problem("definition_missing"))


async def _schedule_unreadable(_: Request, error: Exception) -> Response:
    return problem_response(Problem("schedule_unreadable"))


async def _unreadable_import(_: Request, error: Exception) -> Response:
    return problem_response(Problem("unreadable"))


async def _store_failed(_: Request, error: Exception) -> Response:
    """A database that is away is transient; wrong counts or rows are a bug of ours."""
    if isinstance(error, BadRow | CountMismatch):
        _log.error("store_defect", error=type(error).__name__)
        return problem_response(Problem("internal"))
    _log.warning("store_unavailable", error=type(error).__name__)
    return problem_response(Problem("store_unavailable"))


async def _broker_failed(_: Request, error: Exception) -> Response:
    _log.warning("broker_unavailable", error=type(error).__name__)
    return problem_response(Problem("broker_unavailable"))


async def _redrive_unknown(_: Request, error: Exception) -> Response:
    return problem_response(Problem("redrive_unknown"))


_ANSWERS: Final = {
    HTTPException: _http,
    RequestValidationError: _invalid,
    StartRefused: _start_refused,
    RegistrationRefused: _registration_refused,
    Refused: _refused,
    QueryRefused: _query_refused,
    QueryTooSlow: _query_too_slow,
    SagaUnknown: _saga_unknown,
    DefinitionMissing: _definition_missing,
    DocumentInvalid: _schedule_unreadable,
    UnreadableImport: _unreadable_import,
    StoreError: _store_failed,
    TimeoutError: _store_failed,
    BrokerError: _broker_failed,
    RedriveUnknown: _redrive_unknown,
    ConfirmationNeeded: waits,
}


# --- OpenAPI --------------------------------------------------------------------------------------


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= problem.pop("$defs", {}) | {"Problem": problem}
        app.openapi_schema = document
    return app.openapi_schema


__all__ = ["CODES", "create_app"]
