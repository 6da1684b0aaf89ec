"""The console's place beside the API, at `/console` of the same port.

Its pages are loaded when somebody comes for one. They are a tenth of what an instance would load,
and most of the instances that start are asked for none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from saga_coordinator.api.facade import Facade
from saga_coordinator.api.later import LaterApplication
from saga_coordinator.console.address import root_of


def with_console(app: FastAPI, coordinator: Facade) -> FastAPI:
    """The application of the API with the console beside it."""
    root = root_of(coordinator.settings.console_prefix)
    pages = LaterApplication(lambda: _pages(coordinator))
    for path in dict.fromkeys((root_of(""), root)):
        app.router.routes.append(Route(path, _to(f"{root}/")))
        app.mount(path, pages)
    return app


def _pages(coordinator: Facade) -> ASGIApp:
    from saga_coordinator.console.application import pages

    return pages(coordinator)


def _to(address: str) -> Callable[[Request], Awaitable[Response]]:
    async def redirect(_: Request) -> Response:
        return RedirectResponse(address, status_code=307)

    return redirect
