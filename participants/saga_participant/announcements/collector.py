"""Removes the barrier's rows that the remembered horizon covers: in batches along the primary key,
slowly, by what is remembered and never by a message.

Every instance of a participant does it. They pass over each other's rows, and a row is removed once
whoever removes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from saga_messaging.clock import Clock
from saga_participant.barrier.remembered import Remembered
from saga_participant.database.memory import AnnouncedMemory, Known
from saga_participant.telemetry.error_location import one_line
from saga_participant.telemetry.metrics import HorizonHeardOf, Metrics

BATCH_ROWS: Final = 500
LARGEST_BATCH: Final = 4_000
"""A batch is twice the one before while more rows are due, up to here. On a busy machine most of a
batch's time is waiting, so a larger one removes several times as many rows in the same share of the
time, and the removal keeps up with more commands.
"""
REST: Final = 20
"""It sleeps so many times as long as a batch took: so it works for less than 5 % of the time."""
SHORTEST_REST_S: Final = 0.05
LOOK_EVERY_S: Final = 30.0
"""Between two looks at what is remembered."""
SETTLED_LIMIT_S: Final = 60.0

_LOG: Final = logging.getLogger("saga_participant")


@dataclass(slots=True, kw_only=True)
class Collector:
    """One instance's part in removing."""

    memory: AnnouncedMemory
    metrics: Metrics
    clock: Clock
    _settled: dict[str, Remembered] = field(default_factory=dict)
    """By tenant: what all commands at work know of."""
    _finished: dict[str, Remembered] = field(default_factory=dict)
    """By tenant: what was removed by, to the end."""

    async def run(self) -> None:
        """Until cancelled. What fails is tried again with the next look."""
        while True:
            try:
                await self.look()
            except Exception as error:  # the database is away, or something of ours is wrong: rows stay a little longer
                _LOG.warning("rows below the horizon are not removed now: %s", one_line(error))
            await self.clock.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Remove what is covered now."""
        known = await self.memory.known()
        self._measure(known)
        waiting = {
            tenant: remembered
            for tenant, remembered in known.by_tenant.items()
            if remembered.below_ms and remembered != self._finished.get(tenant)
        }
        if not waiting:
            return
        if any(remembered != self._settled.get(tenant) for tenant, remembered in waiting.items()):
            if not await self.memory.settled(SETTLED_LIMIT_S):
                _LOG.warning("rows stay: a transaction on saga_barrier has not ended for %g s", SETTLED_LIMIT_S)
                return
            self._settled = known.by_tenant
        for tenant, remembered in waiting.items():
            await self._remove(tenant, remembered)
            self._finished[tenant] = remembered
        self._finished = {tenant: done for tenant, done in self._finished.items() if tenant in known.by_tenant}

    def _measure(self, known: Known) -> None:
        """Of the tenant that has not heard a horizon for longest."""
        heard = [remembered for remembered in known.by_tenant.values() if remembered.heard_at_us]
        if heard:
            oldest = min(heard, key=lambda remembered: remembered.heard_at_us)
            age_s = (known.now_us - oldest.heard_at_us) / 1_000_000
            self.metrics.horizon = HorizonHeardOf(below_ms=oldest.below_ms, heard_at_s=self.clock.monotonic_s() - age_s)

    async def _remove(self, tenant: str, remembered: Remembered) -> None:
        start: UUID | None = None
        limit = BATCH_ROWS
        while True:
            began_s = self.clock.monotonic_s()
            removed = await self.memory.remove(tenant, remembered.horizon, start=start, limit=limit)
            self.metrics.rows_removed += removed.rows
            if removed.last is None:
                return
            start, limit = removed.last, min(2 * limit, LARGEST_BATCH)
            took_s = self.clock.monotonic_s() - began_s
            await self.clock.sleep(max(SHORTEST_REST_S, REST * took_s))
