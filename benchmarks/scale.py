"""Several coordinators on one database, and topics of more or fewer partitions.

No bar: on a machine of few processors more processes gain nothing. What they cost is shown.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any, Final

from bench import line
from cells import measure
from contenders import on_kafka
from dialects import Ours
from pace import ClosedLoop
from system import Bench, System

from saga_cli.dev.process import free_port

COORDINATORS: Final = (1, 2, 4)
PARTITIONS: Final = (1, 3, 12)
IN_FLIGHT: Final = 256
REBALANCE_S: Final = 8.0


async def run(bench: Bench, system: System, watcher: Any, seconds: float, *, short: bool = False) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = []

    async def cell(what: str, of: System, coordinators: tuple[int, ...]) -> None:
        groups = {"coordinator": coordinators, "participants": of.participants} | bench.services
        measured = on_kafka(bench, what, Ours(of.topic_prefix), groups, watcher)
        found = await measure(measured, ClosedLoop(IN_FLIGHT), seconds, seconds / 2)
        print(line(found), flush=True)
        cells.append(asdict(found))

    running = [system.coordinator]
    for count in COORDINATORS[: 2 if short else None]:
        while len(running) < count:
            environ = dict(system.environ) | {"SAGA_SERVER": f"http://127.0.0.1:{free_port()}"}
            running.append(await asyncio.to_thread(bench.coordinator, environ))
        await asyncio.sleep(REBALANCE_S if count > 1 else 0)
        await cell(f"{count} coordinators", system, tuple(running))
    for partitions in PARTITIONS[: 1 if short else None]:
        of = await asyncio.to_thread(bench.system, name=f"p{partitions}", partitions=partitions)
        await cell(f"{partitions} partitions", of, (of.coordinator,))
    return cells
