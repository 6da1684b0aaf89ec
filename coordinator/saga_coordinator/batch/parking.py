"""A saga that breaks its own transaction is parked: it is logged, and asks for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import structlog

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.loader import SagaLoader
from saga_coordinator.engine.events import Env
from saga_coordinator.failures import comes_again, error_fields
from saga_coordinator.store.port import LockFirst
from saga_coordinator.telemetry.instruments import Instruments

UNWRITABLE: Final = "saga_unwritable"


class Parking:
    """For the loops that work on many sagas at once."""

    def __init__(self, committer: Committer, loader: SagaLoader, instruments: Instruments) -> None:
        self._committer = committer
        self._loader = loader
        self._instruments = instruments
        self._log = structlog.get_logger("sagas")

    async def park(self, saga_id: UUID, error: Exception, *, known: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Raise the saga's attention `engine_error`, in a transaction that does nothing else.

        A saga of which not even this can be written has the log line and the counter only.

        Args:
            saga_id: The saga.
            error: What its transaction failed with.
            known: Fields of the log line, where more than the id is known of the saga.
            more: Further fields of the log line.

        Raises:
            StoreError: The store is away.
        """
        about = {"saga": str(saga_id), **(known or {})}
        self._log.error("saga_parked", **about, reason=UNWRITABLE, **error_fields(error), **more)
        self._instruments.parked(UNWRITABLE)
        try:
            async with self._committer.batch(LockFirst([saga_id], wait=False)) as batch:
                works = await self._loader.open(batch.tx)
                for work in works.values():
                    work.park(Env(now_us=batch.tx.now_us))
                batch.works.extend(works.values())
        except Exception as again:
            if not comes_again(again):
                raise
            self._log.error("saga_attention_not_raised", **about, **error_fields(again))
