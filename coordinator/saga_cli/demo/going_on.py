"""What goes on while the demo stays up, so that there is something to look at and to act on: one
order needs a person, one waits for a slow participant, and others trickle in.

It is bounded: a demo that is forgotten places no more orders after some hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx

from saga_cli.demo.orders import answer_of, order_input, register
from saga_cli.demo.plan import Plan
from saga_cli.exits import CommandFailed

DEFINITION: Final = "express.saga.yaml"
MOST_ORDERS: Final = 5_000
"""Some 20 MB of SQLite."""
SLOW_MS: Final = 45_000
"""How long the screening of a slow order takes: less than a handler may."""
EVERY_SLOW_S: Final = 60.0
"""One after the other: a handler that writes to SQLite has the file for itself."""
_STUCK_LIMIT_S: Final = 20.0
_POLL_INTERVAL_S: Final = 0.2

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """Keys of the two orders that are placed first."""

    needs_person: str
    waits: str


async def set_scenes(http: httpx.AsyncClient, plan: Plan) -> Scenes:
    """Place the order that needs a person, wait until it does, and place the one that waits.

    Raises:
        CommandFailed: The coordinator refused a request.
    """
    await register(http, DEFINITION)
    refused, slow = plan.orders + 1, plan.orders + 2
    saga_id = await _place(http, plan, refused, "express", {"step": "confirm", "kind": "reject"})
    until_s = asyncio.get_running_loop().time() + _STUCK_LIMIT_S
    while asyncio.get_running_loop().time() < until_s:
        if answer_of(await http.get(f"/v1/sagas/{saga_id}"))["attention"]:
            break
        await asyncio.sleep(_POLL_INTERVAL_S)
    await _place_slow(http, plan, slow)
    return Scenes(needs_person=plan.key(refused), waits=plan.key(slow))


async def trickle(http: httpx.AsyncClient, plan: Plan) -> None:
    """Place an order every `plan.every_s`, at most `MOST_ORDERS`.

    Nobody waits for them. One that is refused is left out: whoever looks around may have paused or
    stopped what it needs.
    """
    slow_at = set(_slow_at(plan.every_s))
    for count in range(MOST_ORDERS):
        await asyncio.sleep(plan.every_s)
        number = plan.orders + 3 + count
        with suppress(httpx.HTTPError, CommandFailed):
            await (_place_slow(http, plan, number) if count in slow_at else _place(http, plan, number, "order"))


def _slow_at(every_s: float) -> Iterator[int]:
    """Which of the orders that trickle in are slow."""
    apart = max(1, round(EVERY_SLOW_S / every_s))
    return iter(range(apart - 1, MOST_ORDERS, apart))


async def _place_slow(http: httpx.AsyncClient, plan: Plan, number: int) -> str:
    return await _place(http, plan, number, "express", {"step": "screen", "kind": "delay", "ms": SLOW_MS})


async def _place(http: httpx.AsyncClient, plan: Plan, number: int, definition: str, *faults: Json) -> str:
    """Start the order's saga and return its id."""
    placed = order_input(plan, number)
    if definition == "express":
        placed["carrier"] = "post"
    body = {"definition": definition, "input": placed | {"faults": list(faults)}}
    started = answer_of(await http.post("/v1/sagas", json=body, headers={"Idempotency-Key": plan.key(number)}))
    return str(started["id"])
