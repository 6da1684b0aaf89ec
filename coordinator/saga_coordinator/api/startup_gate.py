"""The application at the port from the first moment on.

While the instance starts, it answers what is waited for. Then machines ask for its health, and
nobody else may come for a while: that is answered without the API, until somebody needs it.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from saga_coordinator.api.later import LaterApplication
from saga_coordinator.api.probes import ALIVE_PATH, PATHS, alive
from saga_coordinator.api.problems import Problem, problem_response


class StartupGate:
    """An ASGI application. `waits_for` says in one line what keeps the instance from starting."""

    def __init__(self, waits_for: Callable[[], str]) -> None:
        self._waits_for = waits_for
        self._probes: ASGIApp | None = None
        self._api: LaterApplication | None = None

    def open(self, probes: ASGIApp, api: LaterApplication) -> None:
        """The instance has started."""
        self._probes, self._api = probes, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._api is None or self._probes is None:
            if scope["type"] == "http":
                await self._while_starting(scope["path"])(scope, receive, send)
        elif _is_probe(scope) and not self._api.is_loaded:
            await self._probes(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    def _while_starting(self, path: str) -> Response:
        if path == ALIVE_PATH:
            return alive()
        reason = self._waits_for()
        return problem_response(Problem("not_ready", reasons=[f"starting: waiting for {reason}" if reason else "starting"]))


def _is_probe(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PATHS
