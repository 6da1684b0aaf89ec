"""A TCP proxy before PostgreSQL that breaks a connection at its COMMIT: before the server hears of
it, or before the client does."""

from __future__ import annotations

import asyncio
import sys
from typing import Literal, Self

Fault = Literal["none", "commit lost", "answer lost"]


class CommitProxy:
    """Forwards to `host:port`. `fault` is read at each COMMIT, and ends when it has struck `left`
    of them.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self.fault: Fault = "none"
        self.left = sys.maxsize
        self.breaks_statements = False
        """A prepared statement counts as a COMMIT too."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        answers = asyncio.create_task(_copy(up_reader, writer))
        try:
            while data := await reader.read(65536):
                committing = (data.startswith(b"Q") and b"COMMIT" in data) or (self.breaks_statements and data.startswith(b"B"))
                fault = self._strike() if committing else "none"
                if fault == "commit lost":
                    return
                if fault == "answer lost":
                    answers.cancel()
                    up_writer.write(data)
                    await up_reader.read(1)  # it has committed
                    return
                up_writer.write(data)
        except ConnectionError:
            pass
        finally:
            answers.cancel()
            writer.close()
            up_writer.close()

    def _strike(self) -> Fault:
        fault = self.fault
        if fault != "none":
            self.left -= 1
            self.fault = fault if self.left else "none"
        return fault


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
