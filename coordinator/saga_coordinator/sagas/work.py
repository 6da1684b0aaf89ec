"""One saga within one batch: fold every event in memory, then say in one SagaWrite what the transaction must store.

Between the pure engine and the store: decodes the row's state, lets the engine decide, and keeps for each transition its journal record,
its outbox pointers and the messages that may be sent once the commit is known. It does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine import ENGINE_REV, evolve, timing, transition
from saga_coordinator.engine.copying import changed
from saga_coordinator.engine.encoding import FORMAT, encode_facts, encode_saga
from saga_coordinator.engine.events import Env, Event, WakeUp
from saga_coordinator.engine.facts import MESSAGES, CommandSent, Fact, SagaChanged
from saga_coordinator.engine.payloads import brought
from saga_coordinator.engine.state import Phase, Saga, Wanted
from saga_coordinator.sagas.messages import Outbound, SagaIdentity
from saga_coordinator.sagas.state_cache import StateCache
from saga_coordinator.store.port import AttentionRow, JournalRow, OutboxRow, SagaRow, SagaWrite, shard_of
from saga_coordinator.store.storable import storable
from saga_coordinator.traces.sampling import Sampling
from saga_messaging.broker import Outgoing
from saga_schemas.frozen import frozen
from saga_schemas.trace_context import SAMPLED

LOOK_AGAIN_US = 1_000_000
"""How soon a saga whose due work could not be done yet (a limit that waits for catch-up) is looked at again."""
PARKED = "engine_error"


@frozen
class Pending:
    """A message of a transition that is not committed yet."""

    row: OutboxRow
    record: Outgoing


class Moved(NamedTuple):
    """One transition, as it is told of once it is committed."""

    at: int
    before: Saga | None
    facts: tuple[Fact, ...]
    after: Saga


@dataclass(slots=True, kw_only=True)
class Tools:
    """What every SagaWork of a batch needs."""

    outbound: Outbound
    empty: bytes
    new_id: Callable[[int], UUID]
    """A UUIDv7 for this time."""
    sampling: Sampling
    states: StateCache = field(default_factory=StateCache)


@dataclass(slots=True, kw_only=True)
class SagaWork:
    """One saga while a batch works on it."""

    tools: Tools
    compiled: CompiledDefinition
    row: SagaRow
    """As stored (or, for a start, as it will be inserted, with version 0)."""
    saga: Saga | None
    fresh: bool = False
    journal: list[JournalRow] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    inbox_done: list[UUID] = field(default_factory=list)
    max_expiry: int = 0
    woken: bool = False
    looked_at: int = 0
    """The database's time when the engine last looked."""
    lived_since: int = 0
    """As the engine was told then."""
    attention_before: frozenset[tuple[str, str]] = frozenset()
    moved: list[Moved] = field(default_factory=list)
    attention_raised: tuple[AttentionRow, ...] = ()
    payloads: dict[Wanted, bytes | None] = field(default_factory=dict)
    """Kept payloads that are at hand: read for a decision, or brought by a transition that is not committed yet."""
    stale_replies: int = 0
    """Replies that changed nothing."""

    @classmethod
    def of(cls, row: SagaRow, compiled: CompiledDefinition, tools: Tools) -> SagaWork:
        """Raises UnreadableState."""
        saga = tools.states.read(row.id, row.state, row.state_format)
        attention = frozenset(attention_of(saga))
        return cls(tools=tools, compiled=compiled, row=row, saga=saga, max_expiry=row.max_expiry, attention_before=attention)

    @classmethod
    def begin(cls, row: SagaRow, compiled: CompiledDefinition, tools: Tools, *, started_at: int) -> SagaWork:
        """A saga that is about to start."""
        return cls(tools=tools, compiled=compiled, row=changed(row, {"started_at": started_at}), saga=None, fresh=True)

    @property
    def changed(self) -> bool:
        return bool(self.journal)

    @property
    def outbox(self) -> tuple[OutboxRow, ...]:
        return tuple([pending.row for pending in self.pending])

    @property
    def identity(self) -> SagaIdentity:
        return SagaIdentity.of(self.row, self.compiled.definition)

    def apply(self, event: Event, env: Env, *, actor: str | None = None) -> tuple[Fact, ...]:
        """Let the engine decide on one event: one transition, one journal record, or nothing. Raises Refused, PayloadsWanted."""
        facts, saga = transition(self.compiled.definition, self.saga, event, env, empty=self.tools.empty, payloads=self.payloads)
        self.woken = self.woken or isinstance(event, WakeUp)
        self.looked_at, self.lived_since = env.now, env.lived_since
        if not facts:
            return facts
        assert saga is not None
        pending = self._messages(facts, saga.version, env.now)  # what can fail goes first: state and messages change together
        before, self.saga = self.saga, saga
        self._record(facts, type(event).__name__.lower(), env.now, actor)
        self.payloads.update(brought(facts, saga))
        self.pending += pending
        self.max_expiry = max([self.max_expiry, *[fact.expiry_at for fact in facts if isinstance(fact, CommandSent)]])
        self.moved.append(Moved(env.now, before, facts, saga))
        return facts

    def _record(self, facts: tuple[Fact, ...], kind: str, at: int, actor: str | None = None) -> None:
        assert self.saga is not None
        self.journal.append(
            JournalRow(
                saga_id=self.row.id,
                version=self.saga.version,
                at=at,
                kind=kind,
                engine_rev=ENGINE_REV,
                format=FORMAT,
                facts=encode_facts(facts),
                actor=actor,
            )
        )

    def _messages(self, facts: tuple[Fact, ...], version: int, now: int) -> list[Pending]:
        """What the facts send, each with its place among them."""
        identity, saga_id, shard = self.identity, self.row.id, shard_of(self.row.id)
        return [
            Pending(
                row=OutboxRow(id=self.tools.new_id(now), shard=shard, saga_id=saga_id, version=version, ord=ord),
                record=self.tools.outbound.message(identity, fact, version=version, ord=ord, at=now),
            )
            for ord, fact in enumerate(facts)
            if isinstance(fact, MESSAGES)
        ]

    def park(self, env: Env) -> None:
        """An event could not be applied because of a bug: alarm, as a transition of its own, and leave the rest as it is."""
        if self.saga is None or self.saga.attention == PARKED or self.saga.final:
            return
        facts = (SagaChanged(row="bug", changes={"attention": PARKED}),)
        self.saga = evolve(self.saga, facts)
        self._record(facts, "parked", env.now)

    def write(self, now: int) -> SagaWrite | None:
        """What to store; None when nothing did change and no wake-up has to move."""
        assert self.saga is not None
        saga, row = self.saga, self.row
        wake_at, rewake = self._wake_up(now)
        if not self.changed and not rewake and not self.inbox_done:
            return None
        added, cleared = self._attention(now)
        self.attention_raised = added
        state = encode_saga(saga) if self.changed else row.state
        self.tools.states.wrote(row.id, state, saga)
        after = changed(
            row,
            {
                "version": saga.version,
                "phase": saga.phase.value,
                "incarnation": saga.incarnation,
                "state": state,
                "state_format": FORMAT,
                "wake_at": wake_at,
                "max_expiry": self.max_expiry,
                "closed_at": saga.closed_at,
            },
        )
        return SagaWrite(
            expected_version=None if self.fresh else row.version,
            row=after,
            journal=tuple(self.journal),
            outbox=self.outbox,
            rewake=rewake,
            relist=self.fresh or after.phase != row.phase or bool(added) or bool(cleared),
            attention_added=added,
            attention_cleared=cleared,
            spans_due=self._spans_due(bool(added)),
            inbox_done=tuple(self.inbox_done),
        )

    def _spans_due(self, needs_attention: bool) -> tuple[int, ...]:
        """Every transition of a sampled saga; of another, the one in which it failed speaks for all before it."""
        assert self.saga is not None
        if not self.journal or self.row.trace_flags & SAMPLED:
            return tuple([record.version for record in self.journal])
        failed = needs_attention or (self.saga.final and self.saga.phase is not Phase.COMPLETED)
        return (self.saga.version,) if failed and self.tools.sampling.on_failure else ()

    def _wake_up(self, now: int) -> tuple[int | None, bool]:
        """The wake-up row moves only earlier; when it has fired it is set anew."""
        assert self.saga is not None
        due = timing.next_wake_up(self.compiled.definition, self.saga, now, self.lived_since)
        current = self.row.wake_at
        if due is None:
            return None, current is not None
        if due <= now:
            due = now + LOOK_AGAIN_US
        if self.woken or current is None or due < current:
            return due, due != current
        return current, False

    def _attention(self, now: int) -> tuple[tuple[AttentionRow, ...], tuple[tuple[str, str], ...]]:
        assert self.saga is not None
        before, after = self.attention_before, attention_of(self.saga)
        if after == before:
            return (), ()
        # Not all of it came with a reply: an expression that gave no value may quote what it was given.
        notes = {name: storable(step.message or step.code or "") for name, step in self.saga.steps.items()}
        added = tuple(
            AttentionRow(saga_id=self.row.id, step=step, reason=reason, since=now, note=notes.get(step, ""))
            for step, reason in sorted(after - before)
        )
        return added, tuple(sorted(before - after))


def attention_of(saga: Saga) -> set[tuple[str, str]]:
    """(step, reason); step is empty for the saga as a whole."""
    found = {(name, step.attention) for name, step in saga.steps.items() if step.attention is not None}
    if saga.attention is not None:
        found.add(("", saga.attention))
    return found
