"""The application at the port from the first moment on.

While the instance starts, it answers what is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from saga_coordinator.api.answers import Alive
from saga_coordinator.api.problems import Problem, problem_response


class StartupGate:
    """An ASGI application. `waits_for` says in one line what keeps the instance from starting."""

    def __init__(self, waits_for: Callable[[], str]) -> None:
        self.app: ASGIApp | None = None
        """The application of the instance; None until it is built."""
        self._waits_for = waits_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._while_starting(scope["path"])(scope, receive, send)

    def _while_starting(self, path: str) -> Response:
        if path == "/healthz":
            return Response(Alive().model_dump_json(), media_type="application/json")
        reason = self._waits_for()
        return problem_response(Problem("not_ready", reasons=[f"starting: waiting for {reason}" if reason else "starting"]))
