"""While sagas are recovered after a restore from a backup: how many are left, whom they wait for,
and when all have answered.

The sagas recover by their wake-ups and whatever else comes for them (`batch/fold.py`). What the
incarnation is, an instance reads at its start, and then with every look of the lookout: one that
lived while `saga recover --force` ran learns of it so.
"""

from __future__ import annotations

import math
from typing import Final

import structlog

from saga_coordinator.failures import one_line
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.store import recovering
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.clock import Clock
from saga_schemas.ids import parse_number

COUNT_EVERY_S: Final = 2.0
_AGAIN_S: Final = 1.0
LOOP: Final = "watchdog"
SCOPE: Final = recovering.SCOPE


class RecoveryWatch:
    """What one instance knows of a recovery."""

    def __init__(
        self, *, store: Store, lookout: Lookout, tenant: str, incarnation: int, clock: Clock, instruments: Instruments
    ) -> None:
        """`incarnation`: of the database, as this process found it."""
        self._store = store
        self._lookout = lookout
        self._tenant = tenant
        self._incarnation = incarnation
        self._clock = clock
        self._instruments = instruments
        self._counted_at_s = -math.inf
        self.recovering: Recovering | None = None
        """None: no recovery goes on."""
        self._log = structlog.get_logger("recovery")

    def incarnation(self) -> int:
        """The database's, by the latest look."""
        look = self._lookout.latest
        if look is not None and (told := look.control.get(SCOPE)) is not None:
            self._incarnation = max(self._incarnation, _number(told.get(recovering.INCARNATION)))
        return self._incarnation

    async def run(self) -> None:
        looks = self._lookout.looks()
        while True:
            try:
                await self.look(await looks.next())
            except (StoreError, TimeoutError) as error:
                self._log.debug("recovery_not_counted", error=one_line(error))
            except Exception as error:  # a bug must not end the process
                self._log.error("recovery_not_counted", exc_info=error)
                self._instruments.loop_failed(LOOP)
                await self._clock.sleep(_AGAIN_S)

    async def look(self, look: Look) -> None:
        """Count what is left, and say so when nothing is. Raises StoreError."""
        told = look.control.get(SCOPE, {})
        if not recovering.is_going_on(told):
            self._show(None)
            return
        now_s = self._clock.monotonic_s()
        if now_s - self._counted_at_s < COUNT_EVERY_S:
            return
        self._counted_at_s = now_s
        left = Recovering.of(await self._store.recovering())
        if self.recovering is None:
            self._log.warning("recovery_goes_on", incarnation=self.incarnation(), sagas=left.sagas)
        self._show(left)
        if not left.sagas and await self._store.end_recovery(self._tenant, _number(told.get(recovering.INCARNATION))):
            self._log.info("recovery_ended", incarnation=self.incarnation(), sagas=_number(told.get(recovering.SAGAS)))

    def _show(self, left: Recovering | None) -> None:
        self.recovering = left
        self._instruments.recovering(left or Recovering.of({}))


def _number(text: str | None) -> int:
    """0 for what somebody has written into the row that is none."""
    return parse_number(text or "", 2**63 - 1) or 0
