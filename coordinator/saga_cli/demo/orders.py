"""The demo's orders.

They are placed over the coordinator's HTTP API, as any client would, and watched until each has
ended.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib.resources import as_file, files
from typing import Any, Final

import httpx

from saga_cli.client import FINAL_PHASES, actor
from saga_cli.definition_source import registration
from saga_cli.demo.plan import Plan
from saga_cli.exits import CommandFailed, ExitCode
from saga_coordinator.definitions import lint
from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas

DEFINITION: Final = "order.saga.yaml"
AT_ONCE: Final = 16
"""Orders under way at one time."""
LIMIT_S: Final = 120.0
"""An order that has not ended by then is reported in its current phase."""
_WAIT_S: Final = 20
_SKUS: Final = ("book", "lamp", "chair")
_CUSTOMERS: Final = ("ada", "grace", "edsger", "barbara")

Json = dict[str, Any]


async def register(http: httpx.AsyncClient, name: str = DEFINITION) -> None:
    """Register a definition of the demo with its schemas, and activate it."""
    with as_file(files("saga_demo")) as package:
        catalog = Catalog(read_schemas(package / "schemas"))
        document = lint((package / name).read_bytes(), name, catalog).required()
    answer_of(await http.post("/v1/definitions", json=registration(document, catalog)))
    answer_of(await http.post(f"/v1/definitions/{document.saga}/{document.version}/activate", json={"actor": actor()}))


async def place_all(http: httpx.AsyncClient, plan: Plan, ended: Callable[[], None]) -> list[Json]:
    """Place all orders and wait for their ends.

    Args:
        http: Client of the coordinator.
        plan: The run.
        ended: Called at the end of each order.

    Returns:
        The sagas, by the orders' numbers.

    Raises:
        CommandFailed: The coordinator refused a request.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Json:
        async with gate:
            saga = await _placed(http, plan, number)
            ended()
            return saga

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(1, plan.orders + 1)]
    return [task.result() for task in tasks]


def order_input(plan: Plan, number: int) -> Json:
    """Return the input of the order's saga."""
    quantity = 1 + number % 3
    return {
        "order_id": plan.key(number),
        "customer": _CUSTOMERS[number % len(_CUSTOMERS)],
        "account": f"account-{_CUSTOMERS[number % len(_CUSTOMERS)]}",
        "sku": _SKUS[number % len(_SKUS)],
        "quantity": quantity,
        "total": 1250 * quantity,
        "carrier": "post" if plan.has_carrier(number) else None,
        "address": f"{number} Compensation Street",
    }


async def _placed(http: httpx.AsyncClient, plan: Plan, number: int) -> Json:
    body = {"definition": "order", "input": order_input(plan, number)}
    started = answer_of(await http.post("/v1/sagas", json=body, headers={"Idempotency-Key": plan.key(number)}))
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    while True:
        saga = answer_of(await http.get(f"/v1/sagas/{started['id']}", params={"wait_s": _WAIT_S}))
        if saga["phase"] in FINAL_PHASES or asyncio.get_running_loop().time() > deadline:
            return saga


def answer_of(response: httpx.Response) -> Json:
    """Return what the coordinator answered. Raises CommandFailed when it refused."""
    if response.is_success:
        body: Json = response.json()
        return body
    problem = json.loads(response.content or b"{}")
    raise CommandFailed(f"the coordinator refused the demo: {problem.get('code')}: {problem.get('detail')}", ExitCode.FINDINGS)
