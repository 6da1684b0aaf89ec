"""`/healthz`, `/readyz` and `/metrics` of one participant: over a few lines of HTTP/1.0 of our own,
or as routes of an application.

Enough for probes and Prometheus, and no dependency: FastAPI or Starlette are imported only where
routes are asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from saga_messaging.errors import ConfigurationError
from saga_participant.telemetry.error_location import one_line
from saga_participant.telemetry.metrics import Metrics

REQUEST_LIMIT_S: Final = 2.0
REQUEST_BYTES: Final = 8 * 1024
PATHS: Final = ("/healthz", "/readyz", "/metrics")
_TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Page(NamedTuple):
    """What is answered."""

    status: int
    text: str
    media_type: str = _TEXT


@dataclass(slots=True)
class Health:
    """How a participant is, over all the times that it is served."""

    participant: str
    metrics: Metrics = field(init=False)
    """Of the time now, or of the last one."""
    _why_not: str = "not served"
    _failed: bool = False

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.participant)

    def begun(self, metrics: Metrics) -> None:
        """It is about to be served."""
        self.metrics, self._why_not, self._failed = metrics, "", False

    def ended(self, error: BaseException | None) -> None:
        """It is served no more: as it was told to, or because of an error."""
        self._failed = error is not None and not isinstance(error, asyncio.CancelledError)
        self._why_not = f"serving ended: {end_reason(error)}" if self._failed and error is not None else "not served any more"

    def page(self, path: str) -> Page:
        """`/healthz` fails once serving has ended with an error; `/readyz` whenever no commands are
        served.
        """
        if path == "/metrics":
            return Page(200, self.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
        if path not in PATHS:
            return Page(404, "/healthz, /readyz or /metrics\n")
        if self._failed:
            return Page(503, f"{self._why_not}\n")
        trouble = "" if path == "/healthz" else self._why_not or self.metrics.trouble()
        if trouble:
            return Page(503, f"{trouble}\n")
        remark = "" if path == "/healthz" else self.metrics.remark()
        return Page(200, f"ok; {remark}\n" if remark else "ok\n")


def end_reason(error: BaseException) -> str:
    """Why serving ended, as one line.

    The text of an error is shown only where it is the kit's own.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, ConfigurationError) else one_line(error)


def router(health: Health, prefix: str) -> Any:
    """FastAPI's `APIRouter`, or where that is not installed Starlette's `Router`, with the three
    routes.
    """
    try:
        from starlette.responses import PlainTextResponse, Response
    except ImportError:
        raise ConfigurationError("routes() needs FastAPI or Starlette: pip install fastapi") from None
    made: Any
    try:
        from fastapi import APIRouter

        made = APIRouter()
    except ImportError:
        from starlette.routing import Router

        made = Router()

    async def answer(request: Any) -> Response:
        page = health.page(request.url.path[request.url.path.rfind("/") :])
        return PlainTextResponse(page.text, page.status, media_type=page.media_type)

    for path in PATHS:
        made.add_route(prefix + path, answer, methods=["GET"], include_in_schema=False)
    return made


@contextlib.asynccontextmanager
async def health_server(health: Health, port: int | None, host: str = "127.0.0.1") -> AsyncIterator[int | None]:
    """Serve on this port (0: any free one) for as long as the block runs; gives the port.

    Without a port: nothing.
    """
    if port is None:
        yield None
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            async with asyncio.timeout(REQUEST_LIMIT_S):
                request = await reader.readuntil(b"\r\n")
                writer.write(_response(request, health))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, host, port, limit=REQUEST_BYTES)
    except OSError as error:
        raise ConfigurationError(f"the health port {port} on {host} cannot be used: {error.strerror}") from None
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def _response(request: bytes, health: Health) -> bytes:
    method, _, rest = request.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    page = health.page(path.decode("latin-1")) if method in (b"GET", b"HEAD") else Page(405, "only GET\n")
    content = page.text.encode()
    head = (
        f"HTTP/1.0 {page.status} {_REASONS[page.status]}\r\nContent-Type: {page.media_type}\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
