"""The HTTP server of one instance.

It listens before anything else starts, and ends before the loops end.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from saga_coordinator.api.framing import FramingGuard
from saga_coordinator.settings import Settings
from saga_messaging.errors import ConfigurationError

RECEIVE_LIMIT_S: Final = 15.0
"""A request is received within once to twice this time, or its connection is closed."""
_BACKLOG: Final = 2048
"""Connections that wait to be accepted."""


class _Server(uvicorn.Server):
    """Signals belong to the process, not to the HTTP server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """Closes connections on which no whole request arrives: nothing comes, or a byte at a time.

    uvicorn itself closes only connections that are idle after an answer. This looks once every
    RECEIVE_LIMIT_S and closes a connection that is still receiving the same request as at the last
    look. A request that was received is served for as long as it takes.
    """

    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look = self.loop.call_later(RECEIVE_LIMIT_S, self._look_again, self._receiving())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _receiving(self) -> tuple[object, ...] | None:
        """Which request is being received, and how far; None while a request is served."""
        state = self.conn.their_state
        return (self.cycle, state) if state in (h11.IDLE, h11.SEND_BODY) else None

    def _look_again(self, before: tuple[object, ...] | None) -> None:
        now = self._receiving()
        if now is not None and now == before:
            self.transport.close()
        else:
            self._look = self.loop.call_later(RECEIVE_LIMIT_S, self._look_again, now)


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
        """Wait until the server ends. Raises what ended it."""
        await asyncio.shield(self._serving)

    def stop(self) -> None:
        """Take no more requests. Open requests are answered, for as long as the settings allow."""
        self._server.should_exit = True


@asynccontextmanager
async def listening(settings: Settings, app: ASGIApp, listens: socket.socket | None = None) -> AsyncIterator[Listening]:
    """Listen while the block runs: on the socket that `listens`, or else where the settings say.

    Raises ConfigurationError when the address is taken or not ours.
    """
    config = uvicorn.Config(
        FramingGuard(app),
        http=_Protocol,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(settings.graceful_stop_s) or 1,
        lifespan="off",
        backlog=_BACKLOG,
    )
    server, sock = _Server(config), listens or listening_socket(settings.host, settings.port)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    http = Listening(server, serving)
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers nothing else to wait for
            await asyncio.sleep(0.01)
        yield http
    finally:
        http.stop()
        await serving


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one.

    One that is only bound does not have the address yet: others may bind it, too.

    Raises ConfigurationError when the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}; give another --port") from None
    return sock
