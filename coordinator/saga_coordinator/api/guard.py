"""The outermost layer.

Unexpected exceptions become a problem document and a log line; pages of other sites are refused.

The log line has the exception's type and place. It does not have its message, which may quote what
was sent (S17).
"""

from __future__ import annotations

import traceback
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saga_coordinator.api.problems import Problem, problem_response
from saga_coordinator.telemetry.instruments import Instruments

_FRAMES: Final = 12
_METHODS: Final = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})


class Guard:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, instruments: Instruments) -> None:
        self._app = app
        self._instruments = instruments
        self._log = structlog.get_logger("api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered: list[int] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.append(message["status"])
            await send(message)

        try:
            if _from_another_site(Headers(scope=scope)):
                await problem_response(Problem("cross_site"))(scope, receive, noting)
            else:
                await self._app(scope, receive, noting)
        except Exception as error:
            self._log.error(
                "request_failed", method=scope["method"], route=_route(scope), error=type(error).__name__, at=_where(error)
            )
            if answered:
                raise  # half an answer is out: only the connection's end can tell the client
            await problem_response(Problem("internal"))(scope, receive, noting)
        finally:
            if answered:
                method = scope["method"] if scope["method"] in _METHODS else "OTHER"
                self._instruments.http_answered(method, _route(scope), answered[0])


def _from_another_site(headers: Headers) -> bool:
    """Whether a browser sent this for a page of another site.

    There is no login, so such a page must not act.
    """
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


def _route(scope: Scope) -> str:
    """The pattern of the route. A path holds ids, so it is never used."""
    route = scope.get("route")
    return str(getattr(route, "path", "none"))


def _where(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
