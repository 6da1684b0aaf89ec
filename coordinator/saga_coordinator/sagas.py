"""Opening rows as sagas and applying events to them, with an answer for what must not happen.

Errors by fate: a bug (a breach of an engine assertion, a state that cannot be read, a state over its cap) parks that one saga with an
alarm and touches no other; a definition that cannot be loaded leaves the saga waiting with a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import structlog

from saga_coordinator.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.engine.events import Env, Event, Reply
from saga_coordinator.engine.facts import Fact
from saga_coordinator.instruments import Instruments
from saga_coordinator.saga_log import about, about_row
from saga_coordinator.store.port import SagaRow
from saga_coordinator.transitions import PARKED, SagaWork, Tools


class Sagas:
    """Rows in, works out."""

    def __init__(self, definitions: DefinitionCache, tools: Tools, instruments: Instruments) -> None:
        self._definitions = definitions
        self._tools = tools
        self._instruments = instruments
        self._log = structlog.get_logger("sagas")

    @property
    def tools(self) -> Tools:
        return self._tools

    async def open(self, rows: Iterable[SagaRow]) -> dict[UUID, SagaWork]:
        """Those that can be worked on; the others are logged and counted."""
        rows = list(rows)
        loaded = await self._definitions.load(row.definition_id for row in rows)
        works: dict[UUID, SagaWork] = {}
        for row in rows:
            compiled = loaded[row.definition_id]
            if isinstance(compiled, DefinitionMissing):
                self._park(row, None, "definition_missing", str(compiled))
                continue
            try:
                works[row.id] = SagaWork.of(row, compiled, self._tools)
            except UnreadableState as error:
                self._park(row, compiled.definition.name, "state_unreadable", str(error))
        return works

    def apply(self, work: SagaWork, event: Event, env: Env) -> tuple[Fact, ...]:
        """One event. An engine breach leaves the saga as it was before the event, and alarms."""
        try:
            facts = work.apply(event, env)
        except Exception as error:
            self._log.error("saga_parked", **about(work), reason=PARKED, on=type(event).__name__, exc_info=error)
            self._instruments.parked(PARKED)
            work.park(env)
            return ()
        if not facts and isinstance(event, Reply):
            work.stale_replies += 1
        return facts

    def _park(self, row: SagaRow, definition: str | None, reason: str, detail: str) -> None:
        self._log.error("saga_parked", **about_row(row, definition), reason=reason, detail=detail)
        self._instruments.parked(reason)
