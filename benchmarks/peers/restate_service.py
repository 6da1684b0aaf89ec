"""The order as a Restate service, run by hypercorn: each step is a journaled call that has one
effect.

It runs in an environment of its own, with Restate's SDK. `DATABASE` is in the environment.
"""

from __future__ import annotations

import os
from typing import Any

import restate
from peers.effects import Effects

order = restate.Service("order")
_effects = Effects(os.environ["DATABASE"])


async def run(context: restate.Context, given: dict[str, Any]) -> str:
    saga: str = given["saga"]
    undoing: list[tuple[str, str]] = []

    async def step(service: str, operation: str, *, rejects: bool = False) -> None:
        async def effect() -> str:
            await _effects.write(service, saga, operation)
            if rejects:
                raise restate.TerminalError("no carrier")
            return operation

        await context.run_typed(operation, effect)

    try:
        await step("inventory", "reserve")
        undoing.append(("inventory", "release"))
        await step("payment", "charge")
        undoing.append(("payment", "refund"))
        await step("shipping", "ship", rejects=given["rejects"])
    except restate.TerminalError:
        for service, operation in reversed(undoing):
            await step(service, operation)
        return "COMPENSATED"
    return "COMPLETED"


order.handler()(run)
app = restate.app(services=[order])
