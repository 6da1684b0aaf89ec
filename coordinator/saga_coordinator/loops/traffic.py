"""The loop that stores what this instance has counted: the figures over time of the overview.

Every ten seconds the minutes that have changed are written, in one statement. At rest nothing has,
and nothing is written. A stop writes what is left. Figures are no truth: what a crash loses of them
is ten seconds, and trouble with them keeps nobody from anything.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from saga_coordinator.failures import error_fields, one_line
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.traffic import COARSE, FINE, MINUTE_US, Cell
from saga_messaging.clock import Clock

LOOP: Final = "traffic"
EVERY_S: Final = 10.0
LAST_S: Final = 2.0
"""How long a stop may take to write what was counted since the last round."""
KEPT_MINUTES: Final = {FINE: 3 * 60, COARSE: 49 * 60}
"""The last two hours minute by minute, and two days coarsely, each with some to spare."""
FORGET_EVERY_S: Final = 600.0
ROWS_AT_ONCE: Final = 2_000


class TrafficLoop:
    """Stores the counts of one process, under a token of its own."""

    def __init__(self, *, store: Store, tenant: str, instruments: Instruments, clock: Clock) -> None:
        self._store = store
        self._tenant = tenant
        self._instruments = instruments
        self._traffic = instruments.traffic
        self._clock = clock
        self._token = secrets.token_hex(8)
        self._forget_at_s = clock.monotonic_s()
        self._in_trouble = False
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger(LOOP)

    async def run(self) -> None:
        try:
            while True:
                await self._clock.sleep(EVERY_S)
                await self._round()
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_S):
                    await self._round()
            raise

    async def _round(self) -> None:
        try:
            await self.store_changes()
            await self._forget()
        except StoreError as error:
            if not self._in_trouble:
                self._log.warning("figures_not_stored", error=one_line(error))
            self._in_trouble = True
        except Exception as error:  # a bug: the figures wait
            self._log.error("figures_failed", **error_fields(error))
            self._instruments.loop_failed(LOOP)
        else:
            self._in_trouble = False

    async def store_changes(self) -> None:
        """Write what has changed since the last time: who wants to see it need not wait for a
        round.

        Raises:
            StoreError: It is not written, and is tried again.
        """
        async with self._turn:  # of two writes of a row the later must be the last
            changed = self._traffic.changed()
            for start in range(0, len(changed), ROWS_AT_ONCE):
                await self._write(changed[start : start + ROWS_AT_ONCE])
            if changed:
                self._traffic.forget(await self._store.now_us())

    async def _write(self, cells: Sequence[Cell]) -> None:
        rows = self._traffic.rows(cells, self._token)
        try:
            await self._store.write_traffic(self._tenant, rows)
        except BaseException:
            self._traffic.unstored(cells)
            raise

    async def _forget(self) -> None:
        """Remove what is older than it is kept."""
        now_s = self._clock.monotonic_s()
        if now_s < self._forget_at_s:
            return
        now = await self._store.now_us() // MINUTE_US
        await self._store.forget_traffic(self._tenant, {minutes: now - kept for minutes, kept in KEPT_MINUTES.items()})
        self._forget_at_s = now_s + FORGET_EVERY_S
