"""The console's place beside the API, at `/console` of the same port.

Its pages are loaded when somebody comes for one. They are a tenth of what an instance would load,
and most of the instances that start are asked for none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from saga_coordinator.api.facade import Facade
from saga_coordinator.console.address import root_of


def with_console(app: FastAPI, coordinator: Facade) -> FastAPI:
    """The application of the API with the console beside it."""
    root = root_of(coordinator.settings.console_prefix)
    pages = LaterPages(coordinator)
    for path in dict.fromkeys((root_of(""), root)):
        app.router.routes.append(Route(path, _to(f"{root}/")))
        app.mount(path, pages)
    return app


class LaterPages:
    """The console's pages, as an ASGI application that is loaded at the first request."""

    def __init__(self, coordinator: Facade) -> None:
        self._coordinator = coordinator
        self._pages: ASGIApp | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._pages or await self._loaded())(scope, receive, send)

    async def _loaded(self) -> ASGIApp:
        async with self._loading:
            if self._pages is None:
                make = await asyncio.to_thread(_load)  # the instance does its work meanwhile
                self._pages = make(self._coordinator)
            return self._pages


def _load() -> Callable[[Facade], ASGIApp]:
    from saga_coordinator.console.application import pages

    return pages


def _to(address: str) -> Callable[[Request], Awaitable[Response]]:
    async def redirect(_: Request) -> Response:
        return RedirectResponse(address, status_code=307)

    return redirect
