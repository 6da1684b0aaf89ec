"""Rows of sagas are opened: the state is decoded, the definition is at hand.

A saga that cannot be opened waits with a name: its definition cannot be loaded, or its state cannot
be read. It is logged and counted, and touches no other saga.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import structlog

from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.sagas.work import FoldContext, SagaWork
from saga_coordinator.store.port import SagaRow
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about_row


class SagaLoader:
    """Opens rows as works."""

    def __init__(self, definitions: DefinitionCache, context: FoldContext, instruments: Instruments) -> None:
        self._definitions = definitions
        self._context = context
        self._instruments = instruments
        self._log = structlog.get_logger("sagas")

    async def open(self, rows: Iterable[SagaRow]) -> dict[UUID, SagaWork]:
        """Open those that can be worked on; the others are logged and counted.

        Returns:
            The works by saga, in the order of the rows.

        Raises:
            StoreError: The definitions could not be read.
        """
        rows = list(rows)
        loaded = await self._definitions.load(row.definition_id for row in rows)
        works: dict[UUID, SagaWork] = {}
        for row in rows:
            compiled = loaded[row.definition_id]
            if isinstance(compiled, DefinitionMissing):
                self._not_opened(row, None, "definition_missing", str(compiled))
                continue
            try:
                works[row.id] = SagaWork.of(row, compiled, self._context)
            except UnreadableState as error:
                self._not_opened(row, compiled.definition.name, "state_unreadable", str(error))
        return works

    def _not_opened(self, row: SagaRow, definition: str | None, reason: str, detail: str) -> None:
        self._log.error("saga_parked", **about_row(row, definition), reason=reason, detail=detail)
        self._instruments.parked(reason)
