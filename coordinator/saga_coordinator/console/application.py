"""The console's pages, put together. `door.py` loads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saga_coordinator.api.facade import Facade
from saga_coordinator.api.problems import CODES, Problem
from saga_coordinator.console.assets import Assets
from saga_coordinator.console.console import Console, guarded
from saga_coordinator.console.pages import (
    attention,
    audit,
    batches,
    confirmations,
    day_calendars,
    dead_letters,
    definitions,
    live,
    machine,
    overview,
    participants,
    pauses,
    saga,
    sagas,
    saved_views,
    schedule_acts,
    schedules,
    schemas,
)
from saga_coordinator.console.routing import PageRoute
from saga_coordinator.starts.requests import SagaUnknown
from saga_coordinator.store.port import StoreError

_PAGES: Final[Sequence[Sequence[PageRoute]]] = (
    overview.ROUTES,
    participants.ROUTES,
    sagas.ROUTES,
    saved_views.ROUTES,
    saga.ROUTES,
    attention.ROUTES,
    definitions.ROUTES,
    schedules.ROUTES,
    schedule_acts.ROUTES,
    day_calendars.ROUTES,
    dead_letters.ROUTES,
    schemas.ROUTES,
    batches.ROUTES,
    confirmations.ROUTES,
    pauses.ROUTES,
    audit.ROUTES,
    machine.ROUTES,
    live.ROUTES,
)
_log = structlog.get_logger("console")


def pages(coordinator: Facade) -> Starlette:
    """The console of this coordinator. Paths begin below its root."""
    console = Console(coordinator, prefix=coordinator.settings.console_prefix)
    routes = [
        Route(page.path, _answering(console, page), methods=list(page.methods), name=f"console{page.path}")
        for routes in _PAGES
        for page in routes
    ]
    routes.append(Route("/static/{digest}/{name}", _static(console.assets)))
    failures = {HTTPException: _failed(console), StoreError: _failed(console), TimeoutError: _failed(console)}
    return Starlette(routes=routes, exception_handlers={**failures, SagaUnknown: _failed(console)})


def _answering(console: Console, page: PageRoute) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return guarded(await page.handler(console, request))

    return answer


def _static(assets: Assets) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return assets.response(request.path_params["digest"], request.path_params["name"])

    return answer


def _failed(console: Console) -> Callable[[Request, Exception], Awaitable[Response]]:
    """A page that says what is wrong and what to do."""

    async def answer(request: Request, error: Exception) -> Response:
        status, title, detail = _explained(error)
        page = await console.page(
            request, "problem.html", section="", title=title, status=status, problem_title=title, problem_detail=detail
        )
        return guarded(page)

    return answer


def _explained(error: Exception) -> tuple[int, str, str | None]:
    """Status, what is wrong, and the detail."""
    if isinstance(error, Problem):
        status, title = CODES[error.code]
        return status, title, error.explanation
    if isinstance(error, SagaUnknown):
        return (*CODES["saga_unknown"], None)
    if isinstance(error, HTTPException):
        code = "not_found" if error.status_code == 404 else "method_not_allowed" if error.status_code == 405 else "bad_request"
        return error.status_code, CODES[code][1], None
    _log.warning("store_unavailable", error=type(error).__name__)
    return (
        503,
        "The database does not answer.",
        "Sagas are safe and go on once it does. See /readyz of this instance, and try again.",
    )
