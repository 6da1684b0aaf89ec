"""Groups of commands as tests want them: from the first command on, and what became of
hundreds."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_messaging.memory import MemoryBroker
from saga_participant import Participant
from saga_participant.delivery.groups import HandlerTimes
from saga_participant.handling.registry import Route
from saga_participant.service import Service
from saga_schemas.headers import ReplyHeaders, decode_reply
from support.till.wire import REPLIES, until

PATIENCE_S = 240.0


class KnownToBeQuick(HandlerTimes):
    """All handlers may share a transaction from the first command on, whatever they did before."""

    def of(self, route: Route | None) -> float | None:
        return None if route is not None and route.handler.external else 0.0


@asynccontextmanager
async def serving(till: Participant, broker: MemoryBroker) -> AsyncIterator[Service]:
    """The till at work, on groups from the first command on."""
    async with till.served(broker):
        await until(lambda: till._service is not None)
        service = till._service
        assert service is not None
        service.execution.groups.times = KnownToBeQuick()
        yield service


async def served(broker: MemoryBroker, service: Service, commands: int) -> list[ReplyHeaders]:
    """The replies once so many commands were served."""
    async with asyncio.timeout(PATIENCE_S):
        while service.metrics.commands < commands or service.workers.in_hand:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.02)
    return [decode_reply(record.headers) for record in broker.records(REPLIES)]


async def effects_of(engine: AsyncEngine, sagas: Iterable[UUID]) -> Counter[tuple[str, str]]:
    """How often each effect of these sagas is there, by saga and kind."""
    wanted = {str(saga) for saga in sagas}
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT saga_id, kind FROM effects"))
        return Counter((saga, kind) for saga, kind in rows if saga in wanted)


def taken_once(sagas: Iterable[UUID]) -> Counter[tuple[str, str]]:
    return Counter((str(saga), "take") for saga in sagas)


async def outcomes_beside_kills(till: str, database: str, handle: str, sagas: list[UUID]) -> dict[UUID, str]:
    """What is answered by a till that was killed twice before, each time right behind a group's
    commit. `till`: as killed_in_a_group.py takes it.
    """
    said = b""
    for killed_group in (1, 3, 0):
        arguments = (till, database, handle, str(killed_group), *map(str, sagas))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "support.till.killed_in_a_group", *arguments, cwd="tests", stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == (-signal.SIGKILL if killed_group else 0)
    return {UUID(saga): outcome for saga, outcome in json.loads(said).items()}
