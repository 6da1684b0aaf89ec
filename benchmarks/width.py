"""Definitions of many steps, in line and side by side, and large payloads: what a step costs.

All steps are `shop.ReserveStock` at the demo's inventory, which writes one row. Each definition is
given the same number of steps in all, started at once: CPU is that of all processes from the start
of the first to the end of the last.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from dialects import Ours
from holding import Held, ratio
from load import Load, percentile
from measuring import cpu_s
from pace import ClosedLoop
from system import Bench, System, register

WIDTHS: Final = (1, 3, 20, 100, 1000)
PAYLOADS_BYTES: Final = (1_000, 100_000)
STEPS_IN_ALL: Final = 2_000
MOST_SAGAS: Final = 256
SETTLE_S: Final = 3.0
_HEAD: Final = "saga: {name}\nversion: 1\ninput: shop.PlaceOrder\nkey: ${{input.order_id}}\nsteps:\n"
_STEP: Final = (
    "  - {{name: s{number:04}, participant: {participant}, command: shop.{command}, compensation: none,"
    " timeout: {{reask: 5m}}{after}}}\n"
)


@dataclass(frozen=True)
class Shape:
    """One definition, and how it is started."""

    steps: int
    parallel: bool = False
    payload_bytes: int = 0
    """Of the input, and of each command."""

    @property
    def name(self) -> str:
        way = f"payload{self.payload_bytes}" if self.payload_bytes else "parallel" if self.parallel else "line"
        return f"{way}-{self.steps}"

    @property
    def sagas(self) -> int:
        return max(1, min(MOST_SAGAS, STEPS_IN_ALL // self.steps) // (10 if self.payload_bytes > 10_000 else 1))

    def definition(self) -> str:
        who, command = ("shipping", "BookCarrier") if self.payload_bytes else ("inventory", "ReserveStock")
        after = ", after: []" if self.parallel else ""
        steps = (_STEP.format(number=number, participant=who, command=command, after=after) for number in range(self.steps))
        return _HEAD.format(name=self.name) + "".join(steps)


SHAPES: Final = (
    *(Shape(steps, parallel) for steps in WIDTHS for parallel in (False, True)),
    *(Shape(3, payload_bytes=size) for size in PAYLOADS_BYTES),
)
COMPARED: Final = (Shape(1000, parallel=True), Shape(20, parallel=True))
AGAIN: Final = 2
"""What is compared is measured so many times more, in turn."""
WARM_UPS: Final = 3


@dataclass(frozen=True)
class Cost:
    """What a step of one shape costs."""

    shape: Shape
    cpu_ms: Mapping[str, float]
    """A step's, by group."""
    p50_ms: float
    """Of a saga."""

    @property
    def in_all_ms(self) -> float:
        return sum(self.cpu_ms.values())

    def line(self) -> str:
        groups = " ".join(f"{name} {spent:.2f}" for name, spent in self.cpu_ms.items())
        return (
            f"{self.shape.name:16} {self.shape.sagas:4} sagas  {self.in_all_ms:7.2f} CPU-ms a step ({groups})"
            f"   p50 {self.p50_ms:8.0f} ms"
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"name": self.shape.name, "in_all_ms": self.in_all_ms}


async def run(bench: Bench, system: System, shapes: tuple[Shape, ...]) -> tuple[list[Held], list[dict[str, Any]]]:
    with tempfile.TemporaryDirectory(prefix="saga-width-") as folder:
        for shape in shapes:
            file = Path(folder) / f"{shape.name}.saga.yaml"
            file.write_text(shape.definition())
            await asyncio.to_thread(register, system.environ, file)
    groups = {"coordinator": (system.coordinator,), "participants": system.participants} | bench.services
    for _ in range(WARM_UPS):
        await _cost(system, groups, shapes[0])
    costs: list[Cost] = []
    for shape in (*shapes, *(COMPARED * AGAIN)):
        costs.append(await _cost(system, groups, shape))
        print(costs[-1].line(), flush=True)
    return bars(costs), [cost.as_json() for cost in costs]


def bars(costs: Sequence[Cost]) -> list[Held]:
    """By the medians of what was measured."""
    found = [[cost.in_all_ms for cost in costs if cost.shape == shape] for shape in COMPARED]
    wide, narrow = (statistics.median(of_shape) if of_shape else None for of_shape in found)
    return [ratio("a step of 1,000 side by side, of one of 20: CPU", wide, narrow, 1.5)]


async def _cost(system: System, groups: Mapping[str, tuple[int, ...]], shape: Shape) -> Cost:
    await asyncio.sleep(SETTLE_S)
    dialect = Ours(system.topic_prefix, shape.name, "x" * shape.payload_bytes if shape.payload_bytes else "1 Main Street")
    load = Load(system.kafka, dialect, ClosedLoop(shape.sagas, at_most=shape.sagas))
    before = {name: sum(cpu_s(pid) for pid in pids) for name, pids in groups.items()}
    await load.run(asyncio.Event())
    steps = shape.sagas * shape.steps
    return Cost(
        shape=shape,
        cpu_ms={name: (sum(cpu_s(pid) for pid in pids) - before[name]) * 1000 / steps for name, pids in groups.items()},
        p50_ms=percentile(sorted(load.latencies_ms), 0.5),
    )
