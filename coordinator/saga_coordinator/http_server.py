"""The HTTP server of one instance: it listens before anything else, and ends before the loops do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from saga_coordinator.settings import Settings
from saga_messaging.errors import ConfigurationError


class _Server(uvicorn.Server):
    """Signals belong to the process, not to the HTTP server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listening:
    """A server that listens."""

    def __init__(self, server: _Server, serving: asyncio.Task[None]) -> None:
        self._server = server
        self._serving = serving

    @property
    def port(self) -> int:
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    async def ended(self) -> None:
        """Until it ends; raises what ended it."""
        await asyncio.shield(self._serving)

    def stop(self) -> None:
        """Take no more requests; those that are open are answered, for as long as the settings allow."""
        self._server.should_exit = True


@asynccontextmanager
async def listening(settings: Settings, app: ASGIApp) -> AsyncIterator[Listening]:
    """Listen for as long as the block runs. Raises ConfigurationError where the address cannot be had."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(settings.graceful_stop_s) or 1,
        lifespan="off",
    )
    server, sock = _Server(config), _bound(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    http = Listening(server, serving)
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers nothing else to wait for
            await asyncio.sleep(0.01)
        yield http
    finally:
        http.stop()
        await serving


def _bound(config: uvicorn.Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((config.host, config.port))
    except OSError as error:
        sock.close()
        raise ConfigurationError(f"cannot listen on {config.host}:{config.port}: {error.strerror}; give another --port") from None
    return sock
