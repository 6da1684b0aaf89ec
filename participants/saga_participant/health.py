"""`/healthz` and `/metrics` over a few lines of HTTP/1.0: enough for probes and Prometheus, and no dependency."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from saga_messaging.errors import ConfigurationError
from saga_participant.metrics import Metrics

REQUEST_LIMIT_S: Final = 2.0
REQUEST_BYTES: Final = 8 * 1024


@contextlib.asynccontextmanager
async def health_server(metrics: Metrics, port: int | None, host: str = "127.0.0.1") -> AsyncIterator[int | None]:
    """Serve on this port (0: any free one) for as long as the block runs; gives the port. Without a port: nothing."""
    if port is None:
        yield None
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            async with asyncio.timeout(REQUEST_LIMIT_S):
                request = await reader.readuntil(b"\r\n")
                writer.write(_response(request, metrics))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, host, port, limit=REQUEST_BYTES)
    except OSError as error:
        raise ConfigurationError(f"the health port {port} on {host} cannot be used: {error.strerror}") from None
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def _response(request: bytes, metrics: Metrics) -> bytes:
    method, _, rest = request.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _page(405, "Method Not Allowed", "only GET\n")
    if path == b"/metrics":
        return _page(200, "OK", metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
    if path in (b"/healthz", b"/readyz"):
        trouble = metrics.trouble()
        if not trouble or path == b"/healthz":
            return _page(200, "OK", "ok\n")
        return _page(503, "Service Unavailable", f"{trouble}\n")
    return _page(404, "Not Found", "/healthz, /readyz or /metrics\n")


def _page(status: int, reason: str, body: str, content_type: str = "text/plain; charset=utf-8") -> bytes:
    content = body.encode()
    head = f"HTTP/1.0 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + content
