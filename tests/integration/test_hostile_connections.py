"""Raw bytes at the HTTP port: requests that can be read in two ways, endless bodies, connections
that say nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from saga_coordinator import server
from saga_coordinator.api import http_server
from saga_messaging.memory import MemoryBroker
from support.coordinators import settings_for

LIMIT_S = 60
CHUNK = b"x" * 65_536
MUCH = 16_000
"""Chunks: a gigabyte, which nobody reads."""


@pytest.fixture
async def port(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(http_server, "RECEIVE_LIMIT_S", 0.3)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        server.serve(settings_for(sqlite_url), stop=stop, broker=MemoryBroker(), ready=ready.set_result)
    )
    yield await ready
    stop.set()
    await serving


async def talk(port: int, said: bytes) -> bytes:
    """All that is answered until the server closes the connection.

    Where it had not read all when it closed, it resets the connection.
    """
    answer = b""
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        with suppress(ConnectionResetError):
            while part := await reader.read(65_536):
                answer += part
        writer.close()
        return answer


async def test_a_request_with_two_lengths_is_refused_and_what_follows_is_not_read(port: int) -> None:
    smuggled = b"GET /v1/sagas HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /v1/sagas HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = await talk(port, head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"bad_request" in answer


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"POST /v1/sagas", b"413"), (b"POST /nowhere", b"404"), (b"PUT /v1/sagas", b"405"), (b"POST /healthz", b"405")],
)
async def test_the_rest_of_a_body_is_not_read_once_the_answer_is_known(port: int, request_line: bytes, status: bytes) -> None:
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (len(CHUNK) * MUCH)
        writer.write(request_line + head)
        assert (await reader.readline()).startswith(b"HTTP/1.1 " + status)
        sent = 0
        try:
            while sent < MUCH:
                writer.write(CHUNK)
                await writer.drain()
                sent += 1
        except ConnectionError:
            pass
        assert sent < MUCH // 4
        writer.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /healthz HT",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
        b"POST /v1/sagas HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{",
        b"POST /v1/sagas HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
    ids=["nothing", "half a line", "half a head", "half a body", "half a chunk"],
)
async def test_connections_on_which_no_request_arrives_are_closed(port: int, said: bytes) -> None:
    await asyncio.gather(*(talk(port, said) for _ in range(50)))


async def test_a_request_that_was_received_is_served_for_as_long_as_it_takes(port: int) -> None:
    unknown = "019b0000-0000-7000-8000-000000000001"
    answer = await talk(port, f"GET /v1/sagas/{unknown}?wait_s=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
