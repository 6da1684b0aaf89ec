"""Rows of sagas are opened: the state is decoded, the definition is at hand.

A saga that cannot be opened waits with a name: its definition cannot be loaded, or its state cannot
be read. It is logged and counted, and touches no other saga.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import structlog

from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.sagas.state_cache import read_state
from saga_coordinator.sagas.work import FoldContext, SagaWork
from saga_coordinator.store.port import SagaRow, Transaction
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about_row
from saga_messaging.background import in_portions

PORTION_SAGAS: Final = 25
"""Sagas that a batch opens, folds or begins before other tasks go on. Without a break a batch of
500 keeps them all waiting for a fifth of a second, and with them transactions that hold locks.
"""


class SagaLoader:
    """Opens rows as works."""

    def __init__(self, definitions: DefinitionCache, context: FoldContext, instruments: Instruments) -> None:
        self._definitions = definitions
        self._context = context
        self._instruments = instruments
        self._log = structlog.get_logger("sagas")

    async def open(self, tx: Transaction) -> dict[UUID, SagaWork]:
        """Open those of the locked sagas that can be worked on; the others are logged and counted.

        Journals are read, for all together, of sagas that this instance did not write last.

        Returns:
            The works by saga, in the order in which they were locked.

        Raises:
            StoreError: The definitions or journals could not be read.
        """
        rows = list(tx.locked.values())
        known = {row.id: state for row in rows if (state := self._context.states.of(row)) is not None}
        tails = await tx.journal_tails([row.id for row in rows if row.id not in known])
        loaded = await self._definitions.load(row.definition_id for row in rows)
        works: dict[UUID, SagaWork] = {}
        async for row in in_portions(rows, PORTION_SAGAS):
            compiled = loaded[row.definition_id]
            if isinstance(compiled, DefinitionMissing):
                self._not_opened(row, None, "definition_missing", str(compiled))
                continue
            try:
                state = known.get(row.id) or read_state(row, tails.get(row.id, ()))
            except UnreadableState as error:
                self._not_opened(row, compiled.definition.name, "state_unreadable", str(error))
            else:
                works[row.id] = SagaWork.of(row, compiled, self._context, state)
        return works

    def _not_opened(self, row: SagaRow, definition: str | None, reason: str, detail: str) -> None:
        self._log.error("saga_parked", **about_row(row, definition), reason=reason, detail=detail)
        self._instruments.parked(reason)
