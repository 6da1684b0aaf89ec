"""What a saga costs when there are many: finished ones, waiting ones, and under an old snapshot.

Two systems stand side by side on the same services. One stays at 10,000 finished sagas, the other
grows; they are loaded in turn, and the bars are ratios of the two. Sagas are filled in by copying
(`filling.py`), in the participants' databases too.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import asyncpg
from bench import line
from cells import Cell, Measured, measure
from contenders import on_kafka
from dialects import Ours
from filling import COORDINATOR, PARTICIPANT, Kept, bytes_of, fill
from holding import Held, ratio
from load import Load
from pace import ClosedLoop
from system import PARTICIPANTS, Bench, System, register

IN_FLIGHT: Final = 64
MANY_IN_FLIGHT: Final = 1024
AGAIN: Final = 2
"""How often a spoilt cell is measured again."""
COST, P99 = 1.15, 1.25
AGAIN_WARM_UP_S: Final = 3.0
_SMALL, _LARGE = "stays", "grows"
_WAITING: Final = """\
saga: waiting
version: 1
input: shop.PlaceOrder
key: ${input.order_id}
steps:
  - {name: one, participant: nobody, command: shop.ReserveStock, compensation: none,
     timeout: {reask: 6h, attention: 6h, expiry: 12h}}
"""
_TEMPLATE: Final = (
    "SELECT saga_id, length(business_key) FROM saga_listing WHERE definition_name = $1 AND phase = $2 ORDER BY saga_id LIMIT 1"
)


@dataclass(frozen=True)
class Plan:
    """`finished`: the first is where both systems begin."""

    finished: Sequence[int]
    waiting: int
    seconds: float
    rounds: int
    warm_up_s: float
    snapshot_s: float
    """Of load under the snapshot, before it is measured."""


FULL: Final = Plan(finished=(10_000, 100_000), waiting=100_000, seconds=15, rounds=3, warm_up_s=30, snapshot_s=60)
MILLION: Final = Plan(finished=(10_000, 100_000, 1_000_000), waiting=100_000, seconds=15, rounds=3, warm_up_s=30, snapshot_s=60)
SHORT: Final = Plan(finished=(2_000, 20_000), waiting=20_000, seconds=6, rounds=1, warm_up_s=8, snapshot_s=10)


@dataclass(frozen=True)
class Subject:
    """One of the two systems, and its databases."""

    measured: Measured
    system: System
    databases: Mapping[str, tuple[Kept, ...]]
    """What of a saga each keeps, by address; the coordinator's first."""

    @property
    def store(self) -> str:
        return next(iter(self.databases))


class Growing:
    """The pair, and what was found."""

    def __init__(self, bench: Bench, watcher: Any, plan: Plan) -> None:
        self._bench = bench
        self._plan = plan
        self._small, self._large = (subject_of(bench, watcher, name) for name in (_SMALL, _LARGE))
        self.cells: list[dict[str, Any]] = []
        self.bars: list[Held] = []

    async def run(self) -> None:
        first, *more = self._plan.finished
        for subject in (self._small, self._large):
            await measure(subject.measured, ClosedLoop(IN_FLIGHT), 1.0, self._plan.warm_up_s)
            await self._finished(subject, first)
        held = first
        for count in more:
            grown = await self._finished(self._large, count - held)
            held = count
            print(f"{count} finished: {grown / 1000:.2f} KB at rest a saga in all databases", flush=True)
            await self._compare(f"{count} finished sagas")
        await self._waiting(self._large, self._plan.waiting)
        await self._compare(f"{self._plan.waiting} waiting sagas")
        await self._memory()
        async with _snapshot(self._large):
            await measure(self._large.measured, ClosedLoop(IN_FLIGHT), self._plan.snapshot_s, AGAIN_WARM_UP_S)
            await self._compare("an idle snapshot")

    async def _finished(self, subject: Subject, count: int) -> float:
        """Returns bytes on disk a saga."""
        before = await bytes_of(list(subject.databases))
        undone = count // 10
        for phase, number in (("COMPLETED", count - undone), ("COMPENSATED", undone)):
            await copied(subject, "order", phase, number)
        return (await bytes_of(list(subject.databases)) - before) / count

    async def _waiting(self, subject: Subject, count: int) -> None:
        with tempfile.TemporaryDirectory(prefix="saga-growth-") as folder:
            file = Path(folder) / "waiting.saga.yaml"
            file.write_text(_WAITING)
            await asyncio.to_thread(register, subject.system.environ, file)
        load = Load(subject.system.kafka, Ours(subject.system.topic_prefix, "waiting"), ClosedLoop(1))
        running = asyncio.create_task(load.run(asyncio.Event()))
        await asyncio.sleep(5.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await copied(subject, "waiting", "RUNNING", count)

    async def _compare(self, what: str) -> None:
        found = await compared(what, self._large, self._small, self._plan)
        self.cells += found.cells
        self.bars += found.bars(f"that at {self._plan.finished[0]}")

    async def _memory(self) -> None:
        cell = await measured_cell("memory", self._large, MANY_IN_FLIGHT, self._plan.seconds)
        self.cells.append(asdict(cell) | {"what": "memory"})
        what = f"at {MANY_IN_FLIGHT} in flight with {self._plan.waiting} open"
        self.bars.append(Held(f"coordinator {what}: RSS", cell.rss_mb["coordinator"], 150.0, "MB"))
        self.bars.append(Held(f"participant {what}: RSS", cell.rss_mb["participants"], 80.0, "MB"))


@dataclass(frozen=True)
class Comparison:
    """Rounds of the two systems in turn: the cells of the one that carries more stand first."""

    what: str
    pairs: Sequence[tuple[Cell, Cell]]

    @property
    def cells(self) -> list[dict[str, Any]]:
        return [asdict(cell) | {"what": self.what} for pair in self.pairs for cell in pair]

    def bars(self, base: str) -> list[Held]:
        found: list[Held] = []
        for figure, most, of in (("CPU a saga", COST, _cpu_ms), ("p99", P99, _p99_ms)):
            large, small = (statistics.median(of(pair[at]) for pair in self.pairs) for at in (0, 1))
            found.append(ratio(f"{self.what}: {figure}, of {base}", large, small, most))
        return found


async def compared(what: str, large: Subject, small: Subject, plan: Plan) -> Comparison:
    """Both are loaded in turn."""
    pairs: list[tuple[Cell, Cell]] = []
    for turn in range(plan.rounds):
        order = (small, large) if turn % 2 == 0 else (large, small)
        found = {one.measured.name: await measured_cell(what, one, IN_FLIGHT, plan.seconds) for one in order}
        pairs.append((found[large.measured.name], found[small.measured.name]))
    return Comparison(what, pairs)


async def measured_cell(what: str, subject: Subject, in_flight: int, seconds: float) -> Cell:
    """Again where it was spoilt, some times."""
    for left in range(AGAIN, -1, -1):
        cell = await measure(subject.measured, ClosedLoop(in_flight), seconds, AGAIN_WARM_UP_S)
        print(f"{what:24} {line(cell)}", flush=True)
        if not cell.spoilt or not left:
            break
    return cell


def _cpu_ms(cell: Cell) -> float:
    return cell.cpu_ms_in_all


def _p99_ms(cell: Cell) -> float:
    return cell.p99_ms


def subject_of(bench: Bench, watcher: Any, name: str, settings: Mapping[str, str] = MappingProxyType({})) -> Subject:
    system = bench.system(name=name, settings=settings)
    plain = {each: bench.postgres.database_url(name + each).replace("+asyncpg", "") for each in ("coordinator", *PARTICIPANTS)}
    groups = {"coordinator": (system.coordinator,), "participants": system.participants} | bench.services
    return Subject(
        measured=on_kafka(bench, name, Ours(system.topic_prefix), groups, watcher),
        system=system,
        databases={url: COORDINATOR if each == "coordinator" else PARTICIPANT for each, url in plain.items()},
    )


async def copied(subject: Subject, definition: str, phase: str, count: int, age_days: int = 0) -> None:
    connection = await asyncpg.connect(subject.store)
    try:
        found = await connection.fetchrow(_TEMPLATE, definition, phase)
    finally:
        await connection.close()
    if found is None:
        raise SystemExit(f"no saga of {definition} is {phase}: nothing to copy")
    template, key_chars = found
    await fill(subject.databases, UUID(bytes=template.bytes), key_chars, count, age_days)


@asynccontextmanager
async def _snapshot(subject: Subject) -> AsyncIterator[None]:
    """In each database somebody has looked once, and forgotten to end the transaction."""
    connections = [await asyncpg.connect(url) for url in subject.databases]
    try:
        for connection in connections:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await connection.fetchval("SELECT count(*) FROM pg_class")
        yield
    finally:
        for connection in connections:
            await connection.close()
