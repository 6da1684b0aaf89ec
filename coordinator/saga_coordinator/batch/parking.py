"""A saga that broke its own transaction: it is told, and needs a person, if at least that much of it can be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import structlog

from saga_coordinator.batch.committer import Batch, Committer
from saga_coordinator.batch.loader import Sagas
from saga_coordinator.engine.events import Env
from saga_coordinator.failures import comes_again, told
from saga_coordinator.store.port import LockFirst, Transaction
from saga_coordinator.telemetry.instruments import Instruments

UNWRITABLE: Final = "saga_unwritable"


class Parking:
    """For the loops that work on many sagas at once."""

    def __init__(self, committer: Committer, sagas: Sagas, instruments: Instruments) -> None:
        self._committer = committer
        self._sagas = sagas
        self._instruments = instruments
        self._log = structlog.get_logger("sagas")

    async def park(self, saga_id: UUID, error: Exception, *, known: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Raise the saga's attention `engine_error` in a transaction that does nothing else. Raises StoreError while the store is away.

        `known` and `more` are for the log line. A saga of which not even this can be written has the line and the counter only.
        """
        about = {"saga": str(saga_id), **(known or {})}
        self._log.error("saga_parked", **about, reason=UNWRITABLE, **told(error), **more)
        self._instruments.parked(UNWRITABLE)
        try:
            await self._committer.run(self._attention, LockFirst([saga_id], wait=False))
        except Exception as again:
            if not comes_again(again):
                raise
            self._log.error("saga_attention_not_raised", **about, **told(again))

    async def _attention(self, tx: Transaction) -> Batch:
        works = await self._sagas.open(tx.locked.values())
        for work in works.values():
            work.park(Env(now=tx.now))
        return Batch(works=list(works.values()))
