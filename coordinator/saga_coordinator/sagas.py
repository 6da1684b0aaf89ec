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
from saga_coordinator.engine.facts import Fact, ReplySeen
from saga_coordinator.instruments import Instruments
from saga_coordinator.store.port import SagaRow
from saga_coordinator.transitions import SagaWork, Tools


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
                self._park(row.id, "definition_missing", str(compiled))
                continue
            try:
                works[row.id] = SagaWork.of(row, compiled, self._tools)
            except UnreadableState as error:
                self._park(row.id, "state_unreadable", str(error))
        return works

    def apply(self, work: SagaWork, event: Event, env: Env) -> tuple[Fact, ...]:
        """One event. An engine breach leaves the saga as it was before the event, and alarms."""
        try:
            facts = work.apply(event, env)
        except Exception as error:
            self._log.error(
                "saga_parked",
                saga=str(work.row.id),
                definition=work.compiled.definition.name,
                event=type(event).__name__,
                exc_info=error,
            )
            self._instruments.parked("engine_error")
            work.park(env)
            return ()
        if facts:
            self._count(work, facts)
        elif isinstance(event, Reply):
            self._instruments.stale()
        return facts

    def started(self, work: SagaWork, facts: tuple[Fact, ...]) -> None:
        self._instruments.started(work.compiled.definition.name)
        self._count(work, facts)

    def _count(self, work: SagaWork, facts: tuple[Fact, ...]) -> None:
        self._instruments.transition(work.compiled.definition.name, facts, work.saga)
        for fact in facts:
            if isinstance(fact, ReplySeen):
                self._log.debug(
                    "reply_applied",
                    saga=str(work.row.id),
                    definition=work.compiled.definition.name,
                    step=fact.step,
                    kind=fact.kind,
                    outcome=fact.outcome,
                    attempt=fact.attempt,
                )

    def _park(self, saga_id: UUID, reason: str, detail: str) -> None:
        self._log.error("saga_parked", saga=str(saga_id), reason=reason, detail=detail)
        self._instruments.parked(reason)
