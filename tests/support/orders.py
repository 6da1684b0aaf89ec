"""Orders placed over HTTP as a careful caller does: with one request id, again and again until the
answer is 2xx; and how they end."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from support import sql

PATIENCE_S = 90.0
"""An order that no coordinator takes for so long is a failure."""
AT_ONCE = 40
TICK_S = 0.25
_PAUSE_S = 0.2
FINAL = ("COMPLETED", "COMPENSATED", "FORCED")
Fault = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order, and how it ought to end."""

    id: str
    carrier: str | None
    faults: tuple[Fault, ...] = ()

    @property
    def rejected(self) -> bool:
        return self.carrier is None

    def input(self, number: int) -> dict[str, object]:
        return {
            "order_id": self.id,
            "customer": f"customer-{number % 100}",
            "account": f"account-{number % 200}",
            "sku": f"sku-{number % 50}",
            "quantity": 1 + number % 3,
            "total": 1250,
            "carrier": self.carrier,
            "address": f"{number} Main Street",
            "faults": list(self.faults),
        }


def some_orders(count: int, *, rejected: int, faults: Sequence[Fault] = ()) -> list[Order]:
    """`rejected` of them, evenly spread, have no carrier."""
    run = secrets.token_hex(3)
    every = count // rejected if rejected else count + 1
    without = set(range(every - 1, every * rejected, every))
    return [Order(id=f"o-{run}-{n}", carrier=None if n in without else "post", faults=tuple(faults)) for n in range(count)]


@dataclass(slots=True)
class Placing:
    """Orders on their way to the coordinators."""

    servers: Sequence[str]
    definition: str = "order"
    placed: dict[str, Order] = field(default_factory=dict)
    """By the saga's id."""
    repeats: Counter[str] = field(default_factory=Counter)
    """Why requests had to be sent again."""

    async def place(self, http: httpx.AsyncClient, number: int, order: Order) -> None:
        body = {"definition": self.definition, "input": order.input(number)}
        deadline = time.monotonic() + PATIENCE_S
        why = said = ""
        for server in itertools.islice(itertools.cycle(self.servers), number % len(self.servers), None):
            assert time.monotonic() < deadline, f"order {order.id} was not taken within {PATIENCE_S:.0f} s; last: {why} {said}"
            try:
                response = await http.post(f"{server}/v1/sagas", json=body, headers={"Idempotency-Key": order.id})
            except httpx.HTTPError as error:
                why, said = type(error).__name__, repr(error)
            else:
                if response.is_success:
                    saga_id = response.json()["id"]
                    assert self.placed.setdefault(saga_id, order) is order, f"{saga_id} is the saga of two orders"
                    return
                why, said = f"{response.status_code} {response.json()['code']}", response.text
                assert response.status_code >= 500, f"order {order.id} was refused: {why} {said}"
            self.repeats[why] += 1
            await asyncio.sleep(_PAUSE_S)

    async def place_all(self, orders: Sequence[Order]) -> None:
        """As fast as they are taken."""
        async with asyncio.timeout(PATIENCE_S * 2), _client() as http:
            turn = asyncio.Semaphore(AT_ONCE)

            async def one(number: int, order: Order) -> None:
                async with turn:
                    await self.place(http, number, order)

            async with asyncio.TaskGroup() as group:
                for number, order in enumerate(orders):
                    group.create_task(one(number, order))

    async def pace(self, orders: Sequence[Order], count: OpenCount, *, per_s: float, floor: int, limit_s: float) -> None:
        """So many a second, more when fewer than `floor` are open."""
        waiting = list(enumerate(orders))[::-1]
        posting: set[asyncio.Task[None]] = set()
        owed = 0.0
        async with asyncio.timeout(limit_s), _client() as http, asyncio.TaskGroup() as group:
            while waiting:
                owed = min(owed + per_s * TICK_S, per_s)
                missing = floor - count.now - len(posting)
                for _ in range(min(len(waiting), max(int(owed), missing), AT_ONCE - len(posting))):
                    task = group.create_task(self.place(http, *waiting.pop()))
                    posting.add(task)
                    task.add_done_callback(posting.discard)
                    owed = max(0.0, owed - 1)
                await asyncio.sleep(TICK_S)


@dataclass(slots=True)
class OpenCount:
    """How many sagas are open, by the store's rows, looked at several times a second."""

    database: str
    now: int = 0
    samples: list[tuple[float, int]] = field(default_factory=list)
    """(monotonic seconds, open)."""

    async def run(self) -> None:
        while True:
            try:
                self.now = int(await sql.value(self.database, "SELECT count(*) FROM saga WHERE closed_at IS NULL"))
                self.samples.append((time.monotonic(), self.now))
            except sql.AWAY:
                pass  # the test has killed the server: it looks again
            await asyncio.sleep(TICK_S)

    def lowest(self, *, above: int) -> int:
        """The fewest that were open from when there were `above` for the first time until now."""
        began = next((n for n, (_, count) in enumerate(self.samples) if count >= above), len(self.samples))
        return min((count for _, count in self.samples[began:]), default=0)

    async def reaches(self, wanted: Callable[[int], bool], limit_s: float, what: str) -> None:
        await until(lambda: _now(wanted(self.now)), limit_s, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How all sagas of a run stand."""

    phases: dict[str, str]
    """By saga id."""

    @property
    def counted(self) -> Counter[str]:
        return Counter(self.phases.values())

    @property
    def open(self) -> list[str]:
        return [saga for saga, phase in self.phases.items() if phase not in FINAL]


async def how_they_stand(database: str) -> Ended:
    return Ended(phases={str(row[0]): row[1] for row in await sql.rows(database, "SELECT id, phase FROM saga")})


async def all_final(database: str, limit_s: float) -> Ended:
    """Wait until no saga is open; those that still are fail the test."""

    async def none_open() -> bool:
        return int(await sql.value(database, "SELECT count(*) FROM saga WHERE closed_at IS NULL")) == 0

    try:
        await until(none_open, limit_s, "no saga is open")
    except AssertionError:
        ended = await how_they_stand(database)
        raise AssertionError(f"open after {limit_s:.0f} s: {len(ended.open)}, first {ended.open[:5]}; {ended.counted}") from None
    return await how_they_stand(database)


async def view(servers: Sequence[str], saga_id: str) -> dict[str, Any]:
    """The saga as the API shows it."""
    async with _client() as http:
        response = await http.get(f"{servers[0]}/v1/sagas/{saga_id}")
        found: dict[str, Any] = response.raise_for_status().json()
        return found


async def needing_attention(servers: Sequence[str]) -> list[dict[str, Any]]:
    async with _client() as http:
        response = await http.get(f"{servers[0]}/v1/sagas", params={"attention": "true", "limit": 500})
        found: list[dict[str, Any]] = response.raise_for_status().json()["items"]
        return found


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float, what: str) -> None:
    """Look again and again; AssertionError when the time is over."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            if await condition():
                return
        except sql.AWAY:
            pass
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        await asyncio.sleep(TICK_S)


async def _now(value: bool) -> bool:
    return value


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=httpx.Timeout(35, connect=5), trust_env=False)
