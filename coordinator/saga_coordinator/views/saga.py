"""The view of one saga: its steps and attempts, what it waits for and what will move it, and the
way out of each attention.

`saga show` reads it, often at 3 a.m. So it answers even when the definition or the state of the
saga cannot be read. Everything is bounded: for each direction of a step it shows the first five
attempts and the last, and of a very long journal the beginning and the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from saga_coordinator.archive.port import ArchivedSaga
from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine.definition import Step
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.engine.state import Saga, StepState
from saga_coordinator.engine.waiting import Held, Waiting, waiting_for
from saga_coordinator.inbound.refused_replies import RefusedReply, answer_to, refused_replies, with_refusal
from saga_coordinator.pauses.stored import held
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.sagas.stored_saga import read_saga, stored_saga
from saga_coordinator.store.port import AttentionRow, DefinitionRow, SagaRow, Store
from saga_coordinator.views.deliveries import Delivery, Unsent, unsent_commands, with_delivery
from saga_coordinator.views.operated import ExceptionView, ImportedView, LeftView, PausedView, effects_left, exceptions, paused
from saga_coordinator.views.payloads import Payloads, Shown
from saga_coordinator.views.step_history import AttemptView, Journal, StepHistory, read_journal, shown_part, step_history
from saga_coordinator.views.ticks import ScheduledView, maybe_time
from saga_schemas.labels import PlainLabel, plain_labels
from saga_schemas.times import format_us

_MOST_ATTENTION: Final = 1_000
NOT_SENT: Final = "not sent yet"
_DEFAULT_WAY_OUT: Final = (
    "see the coordinator's log for this saga; `saga step retry` or `saga step waive` once the cause is known"
)
_PARKED_WAY_OUT: Final = "the coordinator met a bug or a row it cannot read: see its log for this saga, and report it"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step."""

    name: str
    participant: str | None
    """None: the definition cannot be loaded."""
    kind: str | None
    """compensatable, pivot or retriable."""
    status: str
    after: tuple[str, ...]
    run: int
    code: str | None
    """Of the last FAILED or REJECTED."""
    message: str | None
    reply: Any
    """Plain JSON of the action's SUCCEEDED."""
    reply_note: str | None
    attempts: tuple[AttemptView, ...]
    attempts_omitted: int
    limits: dict[str, int] | None = None
    """Those that an operator has changed, by name; milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingView:
    """One thing the saga waits for."""

    step: str | None
    name: str
    since: str | None
    until: str | None
    mover: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionView:
    """One reason why a person must look."""

    step: str | None
    reason: str
    since: str
    note: str
    way_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaView:
    """One saga."""

    id: str
    key: str | None
    tenant: str
    definition: str | None
    definition_version: int | None
    definition_hash: str | None
    phase: str
    reason: str | None
    """Why the saga went back: `<step>: <what>`, `cancel: …` or `deadline`."""
    version: int
    """The number of transitions; each has one journal record."""
    started_at: str
    """When its start was asked for."""
    closed_at: str | None
    deadline_at: str | None
    duration_ms: int
    """Until it closed, or until now."""
    trace_id: str
    trace_url: str | None
    """Where Jaeger shows the trace; only with SAGA_JAEGER_URL and for a sampled saga."""
    input: Any
    input_note: str | None
    steps: tuple[StepView, ...]
    waiting: tuple[WaitingView, ...]
    attention: tuple[AttentionView, ...]
    exceptions: tuple[ExceptionView, ...]
    notes: tuple[str, ...]
    """What this view lacks, and common mistakes such as `no consumer on saga.cmd.payment`."""
    imported: ImportedView | None = None
    """It ran elsewhere, and is only shown."""
    labels: Mapping[str, PlainLabel] = field(default_factory=dict)
    paused: tuple[PausedView, ...] = ()
    """The pauses that are on."""
    left: tuple[LeftView, ...] = ()
    """What stays or may stay of it, where an operator terminated it."""
    restarted_from: str | None = None
    """The finished saga that an operator restarted as this one."""
    restarted_as: str | None = None
    """The saga that an operator restarted this one as."""
    start_at: str | None = None
    """When it begins, or was to begin; null where its start was not delayed."""
    begun_at: str | None = None
    """When it began, where its start was delayed."""
    schedule: ScheduledView | None = None
    """The schedule that started it, and for which tick."""


@dataclass(slots=True, kw_only=True)
class _Sources:
    """All that the view is made of."""

    row: SagaRow
    now: int
    saga: Saga | None = None
    definition: DefinitionRow | None = None
    compiled: CompiledDefinition | None = None
    history: StepHistory
    attention: list[AttentionRow]
    no_consumer: Mapping[str, str]
    trace_url: str | None
    delivery: Delivery
    unsent: Mapping[str, Unsent] = field(default_factory=dict)
    """By step: the latest command, where it has not left."""
    refused: list[RefusedReply] = field(default_factory=list)
    """Replies of the last minutes that could not be read, latest first."""
    notes: list[str] = field(default_factory=list)
    pauses: list[Held] = field(default_factory=list)
    """Of definitions and participants, those that are on."""
    restarted_as: UUID | None = None


async def saga_view(
    row: SagaRow,
    *,
    store: Store,
    definitions: DefinitionCache,
    no_consumer: Mapping[str, str] | None = None,
    trace_url: str | None = None,
    delivery: Delivery | None = None,
    journal: Journal | None = None,
) -> SagaView:
    """Read all that there is to show of a saga.

    Args:
        row: The saga's row.
        store: Where its journal, attention, dead letters and outbox are read.
        definitions: The definitions and schemas that this instance knows.
        no_consumer: By participant: the sentence that nobody reads its command topic.
        trace_url: Where Jaeger shows the trace.
        delivery: What this instance knows of its way to the broker.
        journal: What `read_journal` gave, where it was read before.

    Raises:
        StoreError: The database cannot be read.
    """
    journal = journal or await read_journal(store, row)
    sources = _Sources(
        row=row,
        now=await store.now_us(),
        history=step_history(journal),
        attention=(await store.attention_of(row.id))[:_MOST_ATTENTION],
        no_consumer=no_consumer or {},
        trace_url=trace_url,
        delivery=delivery or Delivery(),
    )
    sources.notes += sources.history.notes
    sources.refused = await refused_replies(store, row.id, sources.now)
    if row.closed_at_us is not None:
        sources.restarted_as = await store.restarted_as(row.tenant, row.id)
    else:
        sources.pauses = held(await store.pause_rows(row.tenant))
        sources.unsent = await unsent_commands(store, row.id, journal.rows, sources.delivery, sources.now)
    sources.definition = next(iter(await store.definition_rows([row.definition_id])), None)
    try:
        sources.saga = await read_saga(store, row)
    except UnreadableState as unreadable:
        sources.notes.append(str(unreadable))
    await _compile(sources, definitions)
    labels = (await store.labels_of([row.id])).get(row.id, {})
    return replace(_view(sources, Payloads(definitions.catalog)), labels=plain_labels(labels))


async def archived_view(
    saga: ArchivedSaga,
    attention: Sequence[AttentionRow],
    refused: list[RefusedReply],
    *,
    now_us: int,
    definitions: DefinitionCache,
    definition: DefinitionRow | None,
    trace_url: str | None,
) -> SagaView:
    """The view of a finished saga whose rows were read before: what `saga_view` would say now.

    Raises:
        StoreError: The database cannot be read.
    """
    row = saga.row
    sources = _Sources(
        row=row,
        now=now_us,
        history=step_history(shown_part(saga.journal)),
        attention=list(attention[:_MOST_ATTENTION]),
        no_consumer={},
        trace_url=trace_url,
        delivery=Delivery(),
        definition=definition,
        refused=refused,
    )
    sources.notes += sources.history.notes
    try:
        sources.saga = stored_saga(row, saga.journal[row.state_version :])
    except UnreadableState as unreadable:
        sources.notes.append(str(unreadable))
    await _compile(sources, definitions)
    return _view(sources, Payloads(definitions.catalog))


async def _compile(sources: _Sources, definitions: DefinitionCache) -> None:
    try:
        sources.compiled = await definitions.get(sources.row.definition_id)
    except DefinitionMissing as missing:
        sources.notes.append(f"definition_missing: {missing}")


def _view(sources: _Sources, payloads: Payloads) -> SagaView:
    row, saga, definition = sources.row, sources.saga, sources.definition
    shown = payloads.show(saga.input) if saga is not None else Shown(note="the state cannot be read")
    waiting = _waiting(sources)
    return SagaView(
        id=str(row.id),
        key=row.business_key,
        tenant=row.tenant,
        definition=definition.name if definition else None,
        definition_version=definition.version if definition else None,
        definition_hash=definition.hash if definition else None,
        phase=row.phase,
        reason=saga.reason if saga else None,
        version=row.version,
        started_at=format_us(row.started_at_us),
        closed_at=maybe_time(row.closed_at_us),
        deadline_at=maybe_time(saga.deadline_at_us) if saga else None,
        duration_ms=((row.closed_at_us or sources.now) - row.started_at_us) // 1000,
        trace_id=row.trace_id,
        trace_url=sources.trace_url,
        input=shown.value,
        input_note=shown.note,
        steps=_steps(sources, payloads),
        waiting=tuple(_waiting_view(one) for one in waiting),
        attention=tuple(_attention(one, waiting) for one in sources.attention),
        exceptions=exceptions(sources.saga, sources.history),
        notes=tuple(sources.notes + _unread(sources, waiting)),
        paused=paused(sources.saga, sources.compiled, sources.pauses),
        left=effects_left(sources.history, sources.compiled),
        restarted_from=saga.restarted_from if saga else None,
        restarted_as=None if sources.restarted_as is None else str(sources.restarted_as),
        start_at=maybe_time(saga.start_at_us) if saga else None,
        begun_at=maybe_time(saga.begun_at_us) if saga else None,
    )


# --- steps ----------------------------------------------------------------------------------------


def _steps(sources: _Sources, payloads: Payloads) -> tuple[StepView, ...]:
    if sources.saga is None:
        return ()
    compiled = sources.compiled.definition.by_name if sources.compiled else {}
    names = [name for name in compiled if name in sources.saga.steps] or list(sources.saga.steps)
    return tuple(_step(name, sources.saga.steps[name], compiled.get(name), sources, payloads) for name in names)


def _step(name: str, state: StepState, step: Step | None, sources: _Sources, payloads: Payloads) -> StepView:
    history, unsent = sources.history, sources.unsent.get(name)
    reply = payloads.show(state.reply if isinstance(state.reply, bytes) else history.replies.get(name))
    attempts, omitted = history.attempts_of(name)
    attempts = tuple(_unanswered(one, name, sources.refused) for one in attempts)
    if unsent is not None:
        attempts = tuple(_not_sent(one, state) for one in attempts)
    return StepView(
        name=name,
        participant=step.participant if step else None,
        kind=step.kind.value if step else None,
        status=state.status.value,
        after=step.after if step else (),
        run=state.run,
        code=state.code,
        message=state.message,
        reply=reply.value,
        reply_note=reply.note,
        attempts=attempts,
        attempts_omitted=omitted,
        limits=dict(limits) if (limits := (sources.saga.limits or {}).get(name) if sources.saga else None) else None,
    )


def _unanswered(attempt: AttemptView, step: str, refused: Iterable[RefusedReply]) -> AttemptView:
    """The attempt; where its answer came and could not be read, it says so."""
    if attempt.outcome is not None:
        return attempt
    reply = answer_to(refused, step, attempt.direction, attempt.run, attempt.attempt)
    return attempt if reply is None else replace(attempt, message=reply.short)


def _not_sent(attempt: AttemptView, state: StepState) -> AttemptView:
    """The attempt; where it is the step's latest command, which has not left, it says so."""
    latest = (attempt.direction, attempt.run, attempt.attempt) == (state.asking, state.run, state.attempt)
    return replace(attempt, message=NOT_SENT) if latest and attempt.outcome is None else attempt


# --- waiting and attention ------------------------------------------------------------------------


def _waiting(sources: _Sources) -> list[Waiting]:
    """What the saga waits for. An open saga always waits for something with a name (promise 6)."""
    if sources.row.closed_at_us is not None:
        return []
    if sources.saga is None or sources.compiled is None:
        name = "attention:state_unreadable" if sources.saga is None else "definition_missing"
        return [Waiting(step=None, name=name, since_us=None, until_us=sources.row.wake_at_us, mover=_PARKED_WAY_OUT)]
    found = waiting_for(sources.compiled.definition, sources.saga, sources.now, sources.pauses)
    by_name = sources.compiled.definition.by_name
    known = [with_refusal(_with_consumer(one, by_name, sources.no_consumer), sources.refused) for one in found]
    return [with_delivery(one, sources.unsent, sources.delivery) for one in known]


def _with_consumer(waiting: Waiting, steps: Mapping[str, Step], no_consumer: Mapping[str, str]) -> Waiting:
    step = steps.get(waiting.step or "")
    sentence = no_consumer.get(step.participant) if step is not None else None
    return waiting if sentence is None else replace(waiting, mover=f"{sentence}; {waiting.mover}")


def _unread(sources: _Sources, waiting: list[Waiting]) -> list[str]:
    """The commonest mistake of newcomers, one sentence for each participant that nobody serves."""
    if sources.compiled is None:
        return []
    steps = sources.compiled.definition.by_name
    asked = {steps[name].participant for one in waiting if (name := one.step or "") in steps}
    return [sources.no_consumer[name] for name in sorted(asked) if name in sources.no_consumer]


def _waiting_view(waiting: Waiting) -> WaitingView:
    return WaitingView(
        step=waiting.step,
        name=waiting.name,
        since=maybe_time(waiting.since_us),
        until=maybe_time(waiting.until_us),
        mover=waiting.mover,
    )


def _attention(row: AttentionRow, waiting: list[Waiting]) -> AttentionView:
    step = row.step or None
    movers = [one.mover for one in waiting if one.step == step and one.name == f"attention:{row.reason}"]
    parked = row.reason in ("engine_error", "state_unreadable")
    return AttentionView(
        step=step,
        reason=row.reason,
        since=format_us(row.since_us),
        note=row.note,
        way_out=_PARKED_WAY_OUT if parked else movers[0] if movers else _DEFAULT_WAY_OUT,
    )
