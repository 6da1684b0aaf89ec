"""A PostgreSQL that is still starting: what a real one says until it is up, and from then on the
real one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit

SSL_REQUEST = (80877103).to_bytes(4, "big")


class StartingPostgres:
    """In front of a real server.

    Until `up` is set every connection is refused with `state` and `message`.
    """

    def __init__(self, url: str, *, state: str = "57P03", message: str = "the database system is starting up") -> None:
        self._parts = urlsplit(url)
        self._refusal = self._error(state, message)
        self.up = asyncio.Event()
        self.refused = 0

    @staticmethod
    def _error(state: str, message: str) -> bytes:
        fields = b"".join(field + b"\0" for field in (b"SFATAL", b"VFATAL", b"C" + state.encode(), b"M" + message.encode()))
        return b"E" + (len(fields) + 5).to_bytes(4, "big") + fields + b"\0"

    @property
    def url(self) -> str:
        user = f"{self._parts.username}@" if self._parts.username else ""
        return self._parts._replace(netloc=f"{user}127.0.0.1:{self.port}").geturl()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await (self._pass(reader, writer) if self.up.is_set() else self._refuse(reader, writer))
        writer.close()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            if await reader.readexactly(size - 4) != SSL_REQUEST:
                break
            writer.write(b"N")
        self.refused += 1
        writer.write(self._refusal)
        await writer.drain()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        back = asyncio.create_task(_copy(theirs, writer))
        await _copy(reader, ours)
        ours.close()
        await back


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
