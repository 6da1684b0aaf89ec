"""Opening rows as sagas and applying events to them, with an answer for what must not happen.

Errors by fate: a bug (a breach of an engine assertion, a state that cannot be read, a payload that the journal lost) parks that one saga
with an alarm and touches no other; a definition that cannot be loaded leaves the saga waiting with a name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import structlog

from saga_coordinator.engine.encoding import UnreadableState, read_facts
from saga_coordinator.engine.events import Env, Event, Refused, Reply
from saga_coordinator.engine.facts import Fact, payload_in
from saga_coordinator.engine.payloads import PayloadLost, PayloadsWanted
from saga_coordinator.engine.state import Wanted
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.sagas.work import PARKED, SagaWork, Tools
from saga_coordinator.store.port import JournalRow, SagaRow, Transaction
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about, about_row

_RECORDS_AT_ONCE: Final = 8
"""Journal records that are in memory while payloads are taken from them: each may hold what a whole transition sent."""


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

    async def fold(self, tx: Transaction, events: Iterable[tuple[SagaWork, Sequence[Event]]], env: Env) -> None:
        """Each saga's events, in their order. Where decisions read payloads that stand outside a state, those of all sagas are read
        together, and the decisions made again. Raises StoreError."""
        left = [(work, deque(of_saga)) for work, of_saga in events]
        while left:
            wanted: list[tuple[SagaWork, frozenset[Wanted]]] = []
            for work, queue in left:
                try:
                    while queue:
                        self.apply(work, queue[0], env)
                        queue.popleft()
                except PayloadsWanted as more:
                    wanted.append((work, more.wanted))
            await load(tx, wanted)
            left = [(work, queue) for work, queue in left if queue]

    async def act(self, tx: Transaction, work: SagaWork, event: Event, env: Env, actor: str) -> None:
        """An operator's event. Raises Refused, StoreError."""
        while True:
            try:
                work.apply(event, env, actor=actor)
            except PayloadsWanted as more:
                await load(tx, [(work, more.wanted)])
            except PayloadLost as lost:
                raise Refused("unreadable", str(lost)) from lost
            else:
                return

    def apply(self, work: SagaWork, event: Event, env: Env) -> tuple[Fact, ...]:
        """One event. An engine breach leaves the saga as it was before the event, and alarms. Raises PayloadsWanted."""
        try:
            facts = work.apply(event, env)
        except PayloadsWanted:
            raise
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


async def load(tx: Transaction, wanted: Iterable[tuple[SagaWork, Iterable[Wanted]]]) -> None:
    """Hand to each saga the kept payloads its decision reads. One whose record is gone, or cannot be read, is handed over as lost."""
    by_record: dict[tuple[UUID, int], list[tuple[SagaWork, Wanted]]] = {}
    for work, payloads in wanted:
        for one in payloads:
            by_record.setdefault((work.row.id, one.kept.version), []).append((work, one))
    places = sorted(by_record)
    for start in range(0, len(places), _RECORDS_AT_ONCE):
        keys = places[start : start + _RECORDS_AT_ONCE]
        records = await tx.journal_facts(keys)
        for key in keys:
            facts = _facts(records.get(key))
            for work, one in by_record[key]:
                work.payloads[one] = payload_in(facts, one.step, one.what)


def _facts(record: JournalRow | None) -> tuple[Fact, ...]:
    try:
        return read_facts(record) if record is not None else ()
    except UnreadableState:
        return ()
