"""A large batch does not keep the other tasks of the process waiting: some of them hold locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from saga_coordinator.batch.fold import EventFold
from saga_coordinator.batch.loader import PORTION_SAGAS, SagaLoader
from saga_coordinator.engine.events import Env, WakeUp
from saga_coordinator.registry.definition_cache import DefinitionMissing
from saga_coordinator.starts.execution import StartExecution
from saga_coordinator.telemetry.instruments import Instruments
from support.saga_rows import saga_row

PORTIONS = 4
SAGAS = PORTIONS * PORTION_SAGAS


@asynccontextmanager
async def others() -> AsyncIterator[list[int]]:
    """How often another task came to its turn."""
    turns: list[int] = []

    async def work() -> None:
        while True:
            turns.append(len(turns))
            await asyncio.sleep(0)

    task = asyncio.create_task(work())
    yield turns
    task.cancel()


async def turns_during(work: Awaitable[object]) -> int:
    async with others() as turns:
        await work
        return len(turns)


async def test_while_a_large_batch_is_folded_others_go_on() -> None:
    applied: list[int] = []

    def work(number: int) -> Any:
        def apply(*_: object) -> tuple[str, ...]:
            applied.append(number)
            return ("a fact",)

        return SimpleNamespace(saga=None, apply=apply)

    works = list(map(work, range(SAGAS)))
    tx: Any = None
    folding = EventFold(Instruments()).fold(tx, [(one, [WakeUp()]) for one in works], Env(now_us=1))
    assert await turns_during(folding) >= PORTIONS - 1
    assert applied == list(range(SAGAS)), "each once, in order"


async def test_while_a_large_batch_is_opened_others_go_on() -> None:
    rows = [saga_row(UUID(int=number)) for number in range(SAGAS)]

    async def tails(_ids: object) -> dict[UUID, Any]:
        return {}

    async def load(ids: object) -> dict[int, DefinitionMissing]:
        return {1: DefinitionMissing("it was removed")}

    tx: Any = SimpleNamespace(locked={row.id: row for row in rows}, journal_tails=tails)
    context: Any = SimpleNamespace(states=SimpleNamespace(of=lambda _: None))
    definitions: Any = SimpleNamespace(load=load)
    assert await turns_during(SagaLoader(definitions, context, Instruments()).open(tx)) >= PORTIONS - 1


class Beginning(StartExecution):
    """Begins sagas, as numbers."""

    def _begin(self, start: Any, env: Env) -> Any:
        return start.claim.saga_id.int


async def test_while_many_sagas_begin_others_go_on() -> None:
    starts: list[Any] = [SimpleNamespace(claim=SimpleNamespace(saga_id=UUID(int=number))) for number in range(SAGAS)]
    claimed: Any = {start.claim.saga_id: SimpleNamespace(won=start.claim.saga_id.int != 7) for start in starts}
    batch: Any = SimpleNamespace(works=[], tx=SimpleNamespace(now_us=1))
    nothing: Any = None
    beginning = Beginning(nothing, nothing, nothing, "default").begin_won(batch, starts, claimed)
    assert await turns_during(beginning) >= PORTIONS - 1
    assert batch.works == [number for number in range(SAGAS) if number != 7], "those that have won, in order"
