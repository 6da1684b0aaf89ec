"""Events are applied to opened sagas, in their order, with an answer for what must not happen.

A bug (a breach of an engine assertion, a payload that the journal lost) parks its saga with an
alarm and touches no other saga of the batch. A decision that reads payloads which stand in the
journal is made again once they are read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog

from saga_coordinator.batch.loader import PORTION_SAGAS
from saga_coordinator.engine.encoding import UnreadableState, read_facts
from saga_coordinator.engine.events import Env, Event, Recover, Refused, Reply
from saga_coordinator.engine.facts import Fact, payload_in
from saga_coordinator.engine.pauses import NO_PAUSES, Pauses
from saga_coordinator.engine.payloads import PayloadLost, PayloadsWanted
from saga_coordinator.engine.state import Wanted
from saga_coordinator.sagas.work import PARKED, SagaWork
from saga_coordinator.store.port import JournalRow, Transaction
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about
from saga_messaging.background import in_portions

_RECORDS_AT_ONCE: Final = 8
"""Journal records in memory at once while payloads are taken from them: each may hold 4 MiB."""


class EventFold:
    """Applies events to works."""

    def __init__(
        self,
        instruments: Instruments,
        incarnation: Callable[[], int] = lambda: 0,
        pauses: Callable[[], Pauses] = lambda: NO_PAUSES,
    ) -> None:
        """Prepare to fold.

        Args:
            instruments: Where what could not be applied is counted.
            incarnation: The database's. A saga of an older one is recovered before all else.
            pauses: Of definitions and participants, as this instance knows them.
        """
        self._instruments = instruments
        self._incarnation = incarnation
        self._pauses = pauses
        self._log = structlog.get_logger("sagas")

    async def fold(self, tx: Transaction, events: Iterable[tuple[SagaWork, Sequence[Event]]], env: Env) -> None:
        """Apply each saga's events, in their order.

        Payloads that decisions read from the journal are read for all sagas together.

        Raises:
            StoreError: The journal could not be read.
        """
        env = with_pauses(env, self._pauses())
        incarnation = self._incarnation()
        left = [(work, deque(_recovered_first(work, of_saga, incarnation))) for work, of_saga in events]
        while left:
            wanted: list[tuple[SagaWork, frozenset[Wanted]]] = []
            async for work, queue in in_portions(left, PORTION_SAGAS):
                try:
                    self._apply_all(work, queue, env)
                except PayloadsWanted as more:
                    wanted.append((work, more.wanted))
            await _load(tx, wanted)
            left = [(work, queue) for work, queue in left if queue]

    def _apply_all(self, work: SagaWork, queue: deque[Event], env: Env) -> None:
        """Apply the events, and take from the queue what is applied. Raises PayloadsWanted."""
        while queue:
            event = queue[0]
            self.apply(work, event, env)
            queue.popleft()
            if isinstance(event, Recover) and not work.recovered:
                # A bug. As it stands it must decide nothing; its next wake-up tries again.
                queue.clear()
                work.woken = True

    async def act(self, tx: Transaction, work: SagaWork, event: Event, env: Env, actor: str) -> None:
        """Apply an operator's event. A bug is the operator's to see: it parks nothing.

        Raises:
            Refused: The engine says no, or a payload that the decision reads is lost.
            StoreError: The journal could not be read.
        """
        env = with_pauses(env, self._pauses())
        for one in _recovered_first(work, (event,), self._incarnation()):
            await _apply_with_payloads(tx, work, one, env, actor)

    def apply(self, work: SagaWork, event: Event, env: Env) -> tuple[Fact, ...]:
        """Apply one event. A bug leaves the saga as it was before the event, and parks it.

        Raises:
            PayloadsWanted: The decision reads payloads that stand in the journal.
        """
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


def with_pauses(env: Env, pauses: Pauses) -> Env:
    """The same, with what an instance knows of pauses."""
    return env if pauses is NO_PAUSES else replace(env, pauses=pauses)


def _recovered_first(work: SagaWork, events: Sequence[Event], incarnation: int) -> Sequence[Event]:
    """The database was restored from a backup since the saga was written (row 22)."""
    saga = work.saga
    if saga is None or saga.final or saga.incarnation >= incarnation:
        return events
    return (Recover(incarnation=incarnation), *events)


async def _apply_with_payloads(tx: Transaction, work: SagaWork, event: Event, env: Env, actor: str) -> None:
    while True:
        try:
            work.apply(event, env, actor=actor)
        except PayloadsWanted as more:
            await _load(tx, [(work, more.wanted)])
        except PayloadLost as lost:
            raise Refused("unreadable", str(lost)) from lost
        else:
            return


async def _load(tx: Transaction, wanted: Iterable[tuple[SagaWork, Iterable[Wanted]]]) -> None:
    """Give each saga the kept payloads that its decision reads.

    A payload counts as lost when its journal record is gone or cannot be read.
    """
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
