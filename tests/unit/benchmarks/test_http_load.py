"""A peer's saga is one call; so many are open at once, and the first that fails ends the load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from aiohttp import test_utils, web
from http_load import Answer, Calls, Posted, starts_by_http
from load import warm
from pace import ClosedLoop, LoadFailed
from peers.dtm import _phase, _requests


class Peer:
    """Answers 409 to one call in ten, as DTM does when a saga was compensated."""

    def __init__(self) -> None:
        self.open = self.most_open = 0
        self.keys: list[str] = []
        self.status: int | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        given = await request.json()
        self.keys.append(given["gid"])
        await asyncio.sleep(0)
        self.open -= 1
        return web.Response(status=self.status or (409 if '"rejects": true' in given["payloads"][0] else 200), text="said")


@pytest.fixture
async def peer() -> AsyncIterator[tuple[Peer, str]]:
    peer, app = Peer(), web.Application()
    app.router.add_post("/submit", peer.handle)
    async with test_utils.TestServer(app) as server:
        yield peer, str(server.make_url("/submit"))


async def test_so_many_calls_are_open_and_one_in_ten_is_compensated(peer: tuple[Peer, str]) -> None:
    playing, url = peer
    load = Calls(_requests(url, "http://service"), _phase, ClosedLoop(10))

    async with warm(load, 0):
        pass

    assert playing.most_open <= 10
    assert len(load.latencies_ms) == load.done >= 20
    assert load.phases["COMPENSATED"] == pytest.approx(load.done / 10, abs=2)
    assert len({UUID(key) for key in playing.keys}) == len(playing.keys)


async def test_an_answer_that_is_none_ends_the_load_in_one_line(peer: tuple[Peer, str]) -> None:
    playing, url = peer
    playing.status = 500

    with pytest.raises(LoadFailed, match=r"^a call failed: LoadFailed\(.DTM answers 500: b'said'"):
        async with warm(Calls(_requests(url, "http://service"), _phase, ClosedLoop(3)), 0):
            pass


@pytest.mark.parametrize("status", [201, 409])
async def test_a_start_by_http_has_to_be_accepted(peer: tuple[Peer, str], status: int) -> None:
    playing, url = peer
    playing.status = status

    async def one_start() -> None:
        async with starts_by_http(lambda key, _: Posted(url, {"gid": key, "payloads": [""]}, {})) as start:
            await start([("k-1", 1)])

    if status == 201:
        await one_start()
        assert playing.keys == ["k-1"]
    else:
        with pytest.raises(LoadFailed, match="a call failed"):
            await one_start()


@pytest.mark.parametrize(("status", "phase"), [(200, "COMPLETED"), (409, "COMPENSATED")])
def test_dtm_says_how_a_saga_ended_by_the_status(status: int, phase: str) -> None:
    assert _phase(Answer(status, b"")) == phase
