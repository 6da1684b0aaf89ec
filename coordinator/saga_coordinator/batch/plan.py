"""What one transaction writes, planned from what was folded.

Pure: nothing here reads a clock or changes what it is given. A `Batch` is what a loop leaves; a
`Plan` is what the committer saves. Between them each saga is encoded, its wake-up is set, and its
attention is compared with what stood there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from saga_coordinator.engine import timing
from saga_coordinator.engine.copying import changed
from saga_coordinator.engine.encoding import FORMAT, encode_saga
from saga_coordinator.engine.state import Phase, Saga
from saga_coordinator.sagas.messages import Ticket
from saga_coordinator.sagas.stored_saga import facts_print, state_is_due
from saga_coordinator.sagas.work import SagaWork, attention_of
from saga_coordinator.store.columns import storable_text
from saga_coordinator.store.horizon_port import ParticipantMemory
from saga_coordinator.store.port import Advance, AttentionRow, DeadLetter, InboxEvent, OrphanReply, SagaWrite, Transaction
from saga_schemas.record_class import record
from saga_schemas.trace_context import SAMPLED

LOOK_AGAIN_US: Final = 1_000_000
"""How soon a saga is looked at again whose due work had to wait, as for replies to be read."""

PAUSES_AGE_US: Final = 5_000_000
"""What was decided by an older knowledge of pauses is looked at again as soon: the pause that held
it may be over, and its sagas woken already (`loops/resuming.py`).
"""

AttentionCleared = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Batch:
    """An open transaction, and what the fold leaves for it to write."""

    tx: Transaction
    works: list[SagaWork] = field(default_factory=list)
    inbox: list[InboxEvent] = field(default_factory=list)
    """Events for sagas that this transaction could not lock or open."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    orphans: list[OrphanReply] = field(default_factory=list)
    heard: Sequence[ParticipantMemory] = ()
    """What participants say they remember of the horizon."""
    advances: Sequence[Advance] = ()
    """How far the positions move with all this."""


@record
class Plan:
    """Everything one transaction writes."""

    sagas: Sequence[tuple[SagaWork, SagaWrite]]
    """Those of which something is written."""
    inbox: Sequence[InboxEvent]
    dead_letters: Sequence[DeadLetter]
    orphans: Sequence[OrphanReply]
    acked: Sequence[Ticket]
    """Outbox rows to delete: their messages are acknowledged."""
    heard: Sequence[ParticipantMemory]
    advances: Sequence[Advance]
    recovering: Mapping[UUID, str | None] = field(default_factory=dict)
    """Sagas whose recovery began, went on or ended: the participants that each waits for, by comma.

    None: for none.
    """

    @property
    def writes(self) -> list[SagaWrite]:
        return [write for _, write in self.sagas]

    @property
    def attention_raised(self) -> Iterator[tuple[SagaWork, AttentionRow]]:
        return ((work, row) for work, write in self.sagas for row in write.attention_added)


def plan_writes(batch: Batch, acked: Sequence[Ticket], now_us: int) -> Plan:
    """Plan what is written of a batch.

    Args:
        batch: What the fold left.
        acked: Outbox rows whose messages are acknowledged.
        now_us: The transaction's time, in microseconds.
    """
    return Plan(
        sagas=[(work, write) for work in batch.works if (write := saga_write(work, now_us)) is not None],
        inbox=batch.inbox,
        dead_letters=batch.dead_letters,
        orphans=batch.orphans,
        acked=acked,
        heard=batch.heard,
        advances=batch.advances,
        recovering=dict(_recovering(batch.works)),
    )


def _recovering(works: Iterable[SagaWork]) -> Iterator[tuple[UUID, str | None]]:
    for work in works:
        unanswered = work.unanswered
        if work.recovered or unanswered != work.unanswered_before:
            yield work.row.id, ",".join(sorted(unanswered)) or None


def saga_write(work: SagaWork, now_us: int) -> SagaWrite | None:
    """What is written of one saga; None when nothing changed and its wake-up stays where it is."""
    saga, row = work.saga, work.row
    assert saga is not None
    wake_at_us, rewake = _wake_up(work, saga, now_us)
    if not work.changed and not rewake and not work.inbox_done:
        return None
    added, cleared = _attention(work, saga, now_us)
    changes: dict[str, Any] = {
        "version": saga.version,
        "facts_print": _facts_print(work),
        "phase": saga.phase.value,
        "incarnation": saga.incarnation,
        "wake_at_us": wake_at_us,
        "max_expiry_us": work.max_expiry_us,
        "closed_at_us": saga.closed_at_us,
    }
    if state_is_due(_facts_bytes(work), row.state):
        changes |= {"state": encode_saga(saga), "state_format": FORMAT, "state_version": saga.version}
    after = changed(row, changes)
    return SagaWrite(
        expected_version=None if work.fresh else row.version,
        row=after,
        journal=tuple(work.journal),
        outbox=tuple(work.outbox),
        rewake=rewake,
        relist=work.fresh or after.phase != row.phase or bool(added) or bool(cleared),
        attention_added=added,
        attention_cleared=cleared,
        spans_due=_spans_due(work, saga, bool(added)),
        inbox_done=tuple(work.inbox_done),
        labels=work.labels if work.fresh else (),
    )


def facts_bytes_after(work: SagaWork, write: SagaWrite) -> int:
    """Facts that stand in the journal since the stored state, once this is written."""
    return 0 if write.row.state_version == write.row.version else _facts_bytes(work)


def _facts_bytes(work: SagaWork) -> int:
    return work.facts_bytes + sum([len(transition.facts) for transition in work.journal])


def _facts_print(work: SagaWork) -> int:
    known = work.row.facts_print
    for transition in work.journal:
        known = facts_print(known, transition.facts)
    return known


def _wake_up(work: SagaWork, saga: Saga, now_us: int) -> tuple[int | None, bool]:
    """When the saga is woken next, and whether its row must be written.

    The row moves only earlier, until it has fired; then it is set anew.
    """
    due_us = timing.next_wake_up_us(work.compiled.definition, saga, now_us, work.lived_since_us, work.pauses)
    current_us = work.row.wake_at_us
    if due_us is None:
        return None, current_us is not None
    if work.wake_now:
        return now_us, True
    if work.pauses.holds_any and now_us - (work.pauses.as_of_us or now_us) > PAUSES_AGE_US:
        due_us = min(due_us, now_us + PAUSES_AGE_US)
    if due_us <= now_us:
        due_us = now_us + LOOK_AGAIN_US
    if work.woken or current_us is None or due_us < current_us:
        return due_us, due_us != current_us
    return current_us, False


def _attention(work: SagaWork, saga: Saga, now_us: int) -> tuple[tuple[AttentionRow, ...], AttentionCleared]:
    """What needs a person now and did not before, and what no longer does."""
    before, after = work.attention_before, attention_of(saga)
    if after == before:
        return (), ()
    # Not all of it came with a reply: an expression that gave no value may quote what it was given.
    notes = {name: storable_text(step.message or step.code or "") for name, step in saga.steps.items()}
    added = tuple(
        AttentionRow(saga_id=work.row.id, step=step, reason=reason, since_us=now_us, note=notes.get(step, ""))
        for step, reason in sorted(after - before)
    )
    return added, tuple(sorted(before - after))


def _spans_due(work: SagaWork, saga: Saga, needs_attention: bool) -> tuple[int, ...]:
    """The versions whose spans are owed: every transition of a sampled saga.

    Of a saga that is not sampled, the transition in which it failed speaks for all before it.
    """
    if not work.journal or work.row.trace_flags & SAMPLED:
        return tuple([record.version for record in work.journal])
    failed = needs_attention or (saga.final and saga.phase is not Phase.COMPLETED)
    return (saga.version,) if failed and work.context.sampling.on_failure else ()
