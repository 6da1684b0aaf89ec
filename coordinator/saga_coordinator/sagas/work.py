"""One saga within one batch: its events are folded in memory.

A SagaWork stands between the pure engine and the store. It decodes the row's state and lets the
engine decide. For each transition it keeps the journal record, the outbox pointers, and the
messages that may be sent once the commit is known. It does no I/O. What the transaction then writes
of it is planned in `batch/plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine import ENGINE_REV, evolve, transition
from saga_coordinator.engine.copying import changed
from saga_coordinator.engine.encoding import FACTS_FORMAT, encode_facts
from saga_coordinator.engine.events import Env, Event, MoveStart, WakeUp
from saga_coordinator.engine.facts import MESSAGES, CommandSent, Fact, SagaChanged
from saga_coordinator.engine.pauses import NO_PAUSES, Pauses
from saga_coordinator.engine.payloads import brought
from saga_coordinator.engine.recovery import unanswered
from saga_coordinator.engine.state import Saga, Wanted
from saga_coordinator.sagas.messages import Outbound, SagaIdentity, Ticket
from saga_coordinator.sagas.state_cache import KnownState, StateCache
from saga_coordinator.store.port import JournalRow, OutboxRow, SagaRow, shard_of
from saga_coordinator.traces.sampling import Sampling
from saga_messaging.sender import Dispatch
from saga_schemas.labels import LabelValue

PARKED: Final = "engine_error"


class Moved(NamedTuple):
    """One transition, for whoever counts it once it is committed."""

    at_us: int
    before: Saga | None
    facts: tuple[Fact, ...]
    after: Saga


@dataclass(slots=True, kw_only=True)
class FoldContext:
    """What folding needs beside the saga and its events; one for all sagas of a process."""

    outbound: Outbound
    """Makes the messages."""
    empty: bytes
    """An empty record, framed: what a command without a mapping carries."""
    new_id: Callable[[int], UUID]
    """Makes a UUIDv7 for a time in microseconds."""
    sampling: Sampling
    states: StateCache = field(default_factory=StateCache)


@dataclass(slots=True, kw_only=True)
class SagaWork:
    """One saga while a batch works on it."""

    context: FoldContext
    compiled: CompiledDefinition
    row: SagaRow
    """As stored (or, for a start, as it will be inserted, with version 0)."""
    saga: Saga | None
    facts_bytes: int = 0
    """Facts that stand in the journal since the stored state."""
    fresh: bool = False
    labels: tuple[tuple[str, LabelValue], ...] = ()
    """Of a start."""
    journal: list[JournalRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    """Pointers to the messages, one each, in their order."""
    messages: list[Dispatch[Ticket]] = field(default_factory=list)
    """What the transitions send, once they are known to be committed."""
    inbox_done: list[UUID] = field(default_factory=list)
    max_expiry_us: int = 0
    woken: bool = False
    """Its wake-up has fired, or may move later: it is set anew."""
    looked_at_us: int = 0
    """The database's time when the engine last looked."""
    lived_since_us: int = 0
    """Since when somebody had lived then, as the engine took it."""
    pauses: Pauses = NO_PAUSES
    """As the engine knew them then."""
    wake_now: bool = False
    """It is to be looked at again at once: what held it may be over."""
    attention_before: frozenset[tuple[str, str]] = frozenset()
    unanswered_before: frozenset[str] = frozenset()
    """The participants that it waited for, if it was recovering."""
    moved: list[Moved] = field(default_factory=list)
    payloads: dict[Wanted, bytes | None] = field(default_factory=dict)
    """Kept payloads at hand: those read for a decision, and those brought by transitions of this
    batch.
    """
    stale_replies: int = 0
    """Replies that changed nothing."""

    @classmethod
    def of(cls, row: SagaRow, compiled: CompiledDefinition, context: FoldContext, state: KnownState) -> SagaWork:
        return cls(
            context=context,
            compiled=compiled,
            row=row,
            saga=state.saga,
            facts_bytes=state.facts_bytes,
            max_expiry_us=row.max_expiry_us,
            attention_before=frozenset(attention_of(state.saga)),
            unanswered_before=unanswered(compiled.definition, state.saga),
        )

    @classmethod
    def begin(
        cls,
        row: SagaRow,
        compiled: CompiledDefinition,
        context: FoldContext,
        *,
        started_at_us: int,
        labels: tuple[tuple[str, LabelValue], ...] = (),
    ) -> SagaWork:
        """A saga that is about to start."""
        begun = changed(row, {"started_at_us": started_at_us})
        return cls(context=context, compiled=compiled, row=begun, saga=None, fresh=True, labels=labels)

    @property
    def changed(self) -> bool:
        return bool(self.journal)

    @property
    def unanswered(self) -> frozenset[str]:
        """The participants that it waits for now, if it is recovering."""
        return frozenset() if self.saga is None else unanswered(self.compiled.definition, self.saga)

    @property
    def recovered(self) -> bool:
        """It entered a newer incarnation in this batch."""
        return not self.fresh and self.saga is not None and self.saga.incarnation > self.row.incarnation

    def apply(self, event: Event, env: Env, *, actor: str | None = None) -> tuple[Fact, ...]:
        """Let the engine decide on one event: one transition with one journal record, or nothing.

        Raises:
            Refused: An operator's event is refused.
            PayloadsWanted: The decision reads payloads that stand in the journal.
        """
        facts, saga = transition(
            self.compiled.definition, self.saga, event, env, empty=self.context.empty, payloads=self.payloads
        )
        self.woken = self.woken or isinstance(event, WakeUp | MoveStart)
        self.looked_at_us, self.lived_since_us, self.pauses = env.now_us, env.lived_since_us, env.pauses
        if not facts:
            return facts
        assert saga is not None
        # What can fail goes first, so that all changes or nothing.
        outbox, messages = self._messages(facts, saga, env.now_us)
        before, self.saga = self.saga, saga
        self._record(facts, type(event).__name__.lower(), env.now_us, actor)
        self.payloads.update(brought(facts, saga))
        self.outbox += outbox
        self.messages += messages
        self.max_expiry_us = max([self.max_expiry_us, *[fact.expiry_at_us for fact in facts if isinstance(fact, CommandSent)]])
        self.moved.append(Moved(env.now_us, before, facts, saga))
        return facts

    def _record(self, facts: tuple[Fact, ...], kind: str, at_us: int, actor: str | None = None) -> None:
        assert self.saga is not None
        self.journal.append(
            JournalRow(
                saga_id=self.row.id,
                version=self.saga.version,
                at_us=at_us,
                kind=kind,
                engine_rev=ENGINE_REV,
                format=FACTS_FORMAT,
                facts=encode_facts(facts),
                actor=actor,
            )
        )

    def _messages(self, facts: tuple[Fact, ...], saga: Saga, now_us: int) -> tuple[list[OutboxRow], list[Dispatch[Ticket]]]:
        """What the facts send: a pointer and a message each. `ord` is a fact's place among them."""
        identity = SagaIdentity.of(self.row, self.compiled.definition, incarnation=saga.incarnation)
        version, saga_id, shard = saga.version, self.row.id, shard_of(self.row.id)
        outbox: list[OutboxRow] = []
        messages: list[Dispatch[Ticket]] = []
        for ord, fact in enumerate(facts):
            if isinstance(fact, MESSAGES):
                outbox_id = self.context.new_id(now_us)
                record = self.context.outbound.message(identity, fact, version=version, ord=ord, at_us=now_us)
                outbox.append(OutboxRow(id=outbox_id, shard=shard, saga_id=saga_id, version=version, ord=ord))
                messages.append(Dispatch(ticket=(shard, outbox_id), record=record))
        return outbox, messages

    def park(self, env: Env) -> None:
        """Raise the alarm, as a transition of its own, after a bug kept an event from being
        applied.
        """
        if self.saga is None or self.saga.attention == PARKED or self.saga.final:
            return
        facts = (SagaChanged(row="bug", changes={"attention": PARKED}),)
        self.saga = evolve(self.saga, facts)
        self._record(facts, "parked", env.now_us)


def attention_of(saga: Saga) -> set[tuple[str, str]]:
    """(step, reason); step is empty for the saga as a whole."""
    found = {(name, step.attention) for name, step in saga.steps.items() if step.attention is not None}
    if saga.attention is not None:
        found.add(("", saga.attention))
    return found
