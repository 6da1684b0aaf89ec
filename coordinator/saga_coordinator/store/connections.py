"""PostgreSQL connections of one process, handed out newest first.

A batch takes a connection for some milliseconds, so this must cost little: what is free is kept
here, checked out of SQLAlchemy's pool, together with the asyncpg connection inside. Newest first,
because a connection that was just used has its statements prepared and its server process the
tables in its caches: few of them do all the work, the others are there for peaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from saga_coordinator.store.faults import CLOSED, closed, invalidated, translated
from saga_coordinator.store.port import StoreError

if TYPE_CHECKING:
    Driver = asyncpg.Connection[asyncpg.Record]


@dataclass(frozen=True, slots=True, eq=False)
class Connected:
    """One connection, as SQLAlchemy's and as the driver's."""

    core: AsyncConnection
    driver: Driver

    async def drop(self) -> None:
        """Whatever state it is in: it goes to nobody else. Raises nothing of a driver's."""
        await invalidated(self.core)

    @property
    def usable(self) -> bool:
        return not self.core.invalidated and not self.driver.is_closed()


class Connections:
    """At most `size`; who comes when all are taken waits in line for up to `wait_s`."""

    def __init__(self, engine: AsyncEngine, size: int, wait_s: float) -> None:
        self._engine = engine
        self._wait_s = wait_s
        self._turns = asyncio.Semaphore(size)
        self._free: list[Connected] = []
        self._keeping = False
        self._closed = False

    async def take(self) -> Connected:
        """To be given back whatever happens. Raises StoreError."""
        if self._closed:
            raise StoreError(CLOSED)
        with translated():
            if self._turns.locked():
                async with asyncio.timeout(self._wait_s):
                    await self._turns.acquire()
            else:
                await self._turns.acquire()
            try:
                while self._free:
                    free = self._free.pop()
                    if free.usable:
                        return free
                    await closed(free.core)
                return await self._open()
            except BaseException:
                self._turns.release()
                raise

    async def give(self, connected: Connected) -> None:
        """Back, its transaction ended; what is broken is closed."""
        try:
            if not self._keeping:
                await connected.drop()
            if not (self._keeping and connected.usable):
                await closed(connected.core)
            else:
                if connected.core.in_transaction():
                    # SQLAlchemy's notion of one: in autocommit there is none at the server, so this
                    # neither waits nor fails.
                    await connected.core.rollback()
                self._free.append(connected)
        finally:
            self._turns.release()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[Connected]:
        """One, until the end of the block."""
        connected = await self.take()
        try:
            yield connected
        finally:
            await self.give(connected)

    def keep(self) -> None:
        """From now on, what is given back is kept."""
        self._keeping, self._closed = True, False

    async def close(self) -> None:
        """What is free now, and what is taken when it is given back."""
        self._keeping, self._closed = False, True
        while self._free:
            await closed(self._free.pop().core)

    async def _open(self) -> Connected:
        connecting = self._engine.connect()
        core = await connecting.__aenter__()
        try:
            driver = (await core.get_raw_connection()).driver_connection
            assert isinstance(driver, asyncpg.Connection)
        except BaseException:
            await closed(core)
            raise
        return Connected(core, driver)
