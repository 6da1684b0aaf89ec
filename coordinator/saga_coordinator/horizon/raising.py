"""The horizon is raised: what may be forgotten is found, and stored.

The order is what makes it true (ADR 0030). First no start may have an id below the new horizon, and
that is committed. Then whoever may not know it yet is waited for. Only then the exceptions are
looked for, a bounded step at a time. Each step leaves a horizon that is true and may be announced.
Several instances may do all this at once: each goes the whole way by itself, and what is stored
only rises.
"""

from __future__ import annotations

from typing import Final

from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.store.horizon_port import Raise, Raised
from saga_coordinator.store.port import Store
from saga_messaging.clock import Clock
from saga_schemas.limits import HORIZON_EXCEPTIONS
from saga_schemas.record_class import record

STEP_SAGAS: Final = 10_000
"""Sagas that one transaction looks at."""
UNDER_WAY_S: Final = 60.0
"""How long starts are waited for that may not know the horizon: the database ends them before."""
LOOK_AGAIN_S: Final = 0.1

RECOVERY: Final = "recovery"
DEFINITION: Final = "definition"
STARTS: Final = "starts"
EXCEPTIONS: Final = "exceptions"


@record
class Round:
    """What a round has come to."""

    held_by: str | None
    """Why the horizon is lower than it could be, as the metric has it; None: it is not."""
    why: str = ""
    """The same as a sentence, with what to do."""


class Raising:
    """Raises the horizon of one database."""

    def __init__(self, *, store: Store, tenant: str, terms: HorizonTerms, clock: Clock) -> None:
        self._store = store
        self._tenant = tenant
        self._terms = terms
        self._clock = clock

    async def round(self) -> Round:
        """Raise it as far as it goes. Raises StoreError: it stands where it stood, or higher."""
        lag_ms = await self.lag_ms()
        if lag_ms is None:
            why = "a definition is of another release, so nobody knows how long its commands live: run the newer one"
            return Round(held_by=DEFINITION, why=why)
        up_to_ms = await self._refuse_starts(lag_ms)
        if up_to_ms is None:
            return Round(held_by=RECOVERY, why="the database was restored: `saga recover status` says what is left")
        if not await self._all_know():
            why = f"a transaction that writes sagas is under way for more than {UNDER_WAY_S:.0f} s: see pg_stat_activity"
            return Round(held_by=STARTS, why=why)
        raised = await self._steps(up_to_ms, lag_ms)
        if raised is None:
            return Round(held_by=RECOVERY, why="the database was restored meanwhile")
        if raised.held_back:
            why = f"more than {HORIZON_EXCEPTIONS} sagas below it are open or ended lately: `saga list` shows the oldest"
            return Round(held_by=EXCEPTIONS, why=why)
        return Round(held_by=None)

    async def lag_ms(self) -> int | None:
        """For so long after its end nobody forgets a saga; None: a definition cannot be read.

        Raises StoreError.
        """
        rows = await self._store.definitions(self._tenant)
        return self._terms.lag_ms([row.document for row in rows])

    async def _refuse_starts(self, lag_ms: int) -> int | None:
        """From its commit on no saga starts with an id below what this returns; None: a recovery
        goes on.

        Another instance may have raised it further, and may raise it at any time: what it raises
        later, this one has waited for nobody for, and does not go by.
        """
        async with self._store.transaction() as tx:
            if (await tx.horizon(self._tenant)).recovering:
                return None
            return await tx.refuse_starts_below(max(0, tx.now_us // 1000 - lag_ms))

    async def _all_know(self) -> bool:
        """Wait until no start can commit any more that does not know it."""
        under_way = await self._store.starts_under_way()
        until_s = self._clock.monotonic_s() + UNDER_WAY_S
        while under_way:
            if self._clock.monotonic_s() >= until_s:
                return False
            await self._clock.sleep(LOOK_AGAIN_S)
            under_way &= await self._store.starts_under_way()
        return True

    async def _steps(self, up_to_ms: int, lag_ms: int) -> Raised | None:
        """Find the exceptions up to there, resting as long as each step took. None: a recovery goes
        on.
        """
        while True:
            began_s = self._clock.monotonic_s()
            async with self._store.transaction() as tx:
                stored = await tx.horizon(self._tenant)
                if stored.recovering:
                    return None
                by = Raise(
                    up_to_ms=up_to_ms,
                    ended_before_us=tx.now_us - lag_ms * 1000,
                    limit=HORIZON_EXCEPTIONS,
                    sagas=STEP_SAGAS,
                )
                raised = await tx.raise_horizon(stored, by)
            if raised.complete:
                return raised
            await self._clock.sleep(self._clock.monotonic_s() - began_s)
