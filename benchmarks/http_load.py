"""Load over HTTP: sagas that are one call from start to end, and starts of those whose end is
announced elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
from load import PATIENCE_S, Start, Tally
from pace import LoadFailed, Pace


@dataclass(frozen=True)
class Posted:
    url: str
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


class Calls(Tally):
    """Sagas of a system that answers the start when the saga has ended."""

    def __init__(self, request: Callable[[str, int], Posted], phase: Callable[[Answer], str], pace: Pace) -> None:
        """`phase` raises where the answer is none of an ended saga."""
        super().__init__(pace)
        self._request = request
        self._phase = phase
        self._open = 0
        self._number = 0
        self._one_ended = asyncio.Event()

    async def run(self, started: asyncio.Event) -> None:
        async with _posting() as post, _calling() as calling:
            started.set()
            while True:
                self._one_ended.clear()
                for due in self.pace.due(self._open):
                    self._open += 1
                    self._number += 1
                    calling(self._call(post, due, self._number))
                await _set_within(self._one_ended, self.pace.wait_s())

    async def _call(self, post: Post, due: float, number: int) -> None:
        phase = self._phase(await post(self._request(str(uuid4()), number)))
        self._open -= 1
        self._one_ended.set()
        self.ended(due, phase)


@asynccontextmanager
async def starts_by_http(request: Callable[[str, int], Posted]) -> AsyncIterator[Start]:
    """A call for each. Nobody waits for the answers; one that is no success ends the load."""

    async def call(post: Post, key: str, number: int) -> None:
        answer = await post(request(key, number))
        assert answer.status in (200, 201), answer

    async with _posting() as post, _calling() as calling:

        async def start(orders: Sequence[tuple[str, int]]) -> None:
            for key, number in orders:
                calling(call(post, key, number))

        yield start


Post = Callable[[Posted], Awaitable[Answer]]


@asynccontextmanager
async def _posting() -> AsyncIterator[Post]:
    """Connections stay open, one for each call at a time."""
    connector, limit = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:

        async def post(given: Posted) -> Answer:
            headers = {"content-type": "application/json", **given.headers}
            async with session.post(given.url, data=orjson.dumps(given.body), headers=headers) as response:
                return Answer(response.status, await response.read())

        yield post


@asynccontextmanager
async def _calling() -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], object]]:
    """Calls at the same time. The first that fails ends all, and is the one that is told."""
    try:
        async with asyncio.TaskGroup() as calls:
            yield calls.create_task
    except* Exception as failures:
        first = failures.exceptions[0]
        raise LoadFailed(f"a call failed: {first!r}") from None


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
