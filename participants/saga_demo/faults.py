"""Faults on demand: an order names the step that fails, how, and how often.

So anybody can watch how a saga copes.

The count of a fault must survive a crash, and the rollback that the fault causes. So a fault is
counted before it happens, in a transaction of its own. On PostgreSQL the count is in the service's
database. SQLite has one writer, so there it is in a file beside it. `delay` and `hang` happen
before the effect is written, so that they hold no locks. `reject`, `fail` and `crash` happen after
it, so that it has to be rolled back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, Integer, MetaData, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from saga_demo.messages import Fault, FaultKind
from saga_messaging.database_errors import made_meanwhile
from saga_messaging.sqlite import connect_args
from saga_participant import Failed, Rejected, Step

CRASH_EXIT_CODE: Final = 137
_BEFORE: Final = frozenset({FaultKind.DELAY, FaultKind.HANG})

metadata: Final = MetaData()
fault_counts: Final = Table(
    "demo_faults",
    metadata,
    Column("saga_id", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("fault", Integer, primary_key=True),  # its place in the order's list
    Column("times", Integer, nullable=False),
)


class Faults:
    """The faults of one service."""

    def __init__(self, database_url: str, *, allow_crash: bool) -> None:
        self._url = _beside(database_url)
        self._allow_crash = allow_crash
        self._engine: AsyncEngine | None = None
        self._opening = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def injected(self, faults: Sequence[Fault], step: Step) -> AsyncIterator[None]:
        """Run the block, the business function, with the faults that are due at this step.

        Raises:
            Rejected: The order asked for `reject`.
            Failed: The order asked for `fail`, or for a `crash` that is not allowed.
        """
        due = await self._due(faults, step)
        for fault in (each for each in due if each.kind in _BEFORE):
            await self._strike(fault)
        yield
        for fault in (each for each in due if each.kind not in _BEFORE):
            await self._strike(fault)

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def _due(self, faults: Sequence[Fault], step: Step) -> list[Fault]:
        """Count this step's faults once more, and return those that are not over yet."""
        ours = [(place, fault) for place, fault in enumerate(faults) if fault.step == step.name]
        return [fault for place, fault in ours if await self._count(step, place) <= fault.times]

    async def _count(self, step: Step, place: int) -> int:
        engine = await self._open()
        insert: Any = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(fault_counts).values(saga_id=str(step.saga_id), step=step.name, fault=place, times=1)
        key = [fault_counts.c.saga_id, fault_counts.c.step, fault_counts.c.fault]
        counted = statement.on_conflict_do_update(index_elements=key, set_={"times": fault_counts.c.times + 1}).returning(
            fault_counts.c.times
        )
        async with engine.begin() as connection:
            return int((await connection.execute(counted)).scalar_one())

    async def _strike(self, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.REJECT:
                raise Rejected("fault", "the order asked for a rejection")
            case FaultKind.FAIL:
                raise Failed("fault", "the order asked for a failure")
            case FaultKind.DELAY:
                await asyncio.sleep(fault.ms / 1000)
            case FaultKind.HANG:
                await asyncio.Event().wait()  # until the kit's time limit for handlers
            case FaultKind.CRASH:
                if not self._allow_crash:
                    raise Failed("fault", "the order asked for a crash, which SAGA_DEMO_ALLOW_CRASH=1 would allow")
                os._exit(CRASH_EXIT_CODE)

    async def _open(self) -> AsyncEngine:
        async with self._opening:
            if self._engine is None:
                engine = create_async_engine(self._url, hide_parameters=True, connect_args=connect_args(self._url))
                await _create_tables(engine)
                self._engine = engine
            return self._engine


def _beside(database_url: str) -> str:
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return database_url
    path = Path(url.database)
    return url.set(database=str(path.with_name(f"{path.stem}.faults.sqlite"))).render_as_string(hide_password=False)


async def _create_tables(engine: AsyncEngine) -> None:
    """Another instance may make them at the same moment."""
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
    except SQLAlchemyError as error:
        if not made_meanwhile(error):
            raise
