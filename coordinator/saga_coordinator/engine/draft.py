"""A decision in the making: the saga so far, the facts so far, and the verbs rows are written in.

A Draft lives inside one call of `decide`; nobody else sees it. Every change goes through a fact, so
what the draft shows is exactly what folding its facts gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from saga_coordinator.engine import timing
from saga_coordinator.engine.copying import values_of
from saga_coordinator.engine.definition import Context, Definition, MappingFailed, Step, StepKind
from saga_coordinator.engine.events import Env, Reply
from saga_coordinator.engine.facts import Announced, CommandSent, Fact, Fold, PhaseChanged, ReplySeen, SagaChanged, StepChanged
from saga_coordinator.engine.forgetting import LEFT_BEHIND, fresh_asking
from saga_coordinator.engine.payloads import NO_PAYLOADS, NotLoaded, Payloads, Reading
from saga_coordinator.engine.state import (
    FINAL,
    Phase,
    Saga,
    Status,
    StepState,
    StuckFrom,
    is_open,
)
from saga_schemas.outcomes import Kind, Outcome

_STATUS_WHILE_ASKING = {Kind.ACTION: Status.ASKED, Kind.COMPENSATION: Status.UNDO_ASKED, Kind.RESOLVE: Status.RESOLVING}
EMPTY_RECORD = "saga.v1.Empty"
"""RESOLVE carries no data."""


class Draft:
    """One decision: `saga` and `definition` in, `facts` out."""

    def __init__(
        self,
        definition: Definition,
        saga: Saga | None,
        env: Env,
        *,
        empty: bytes,
        payloads: Payloads = NO_PAYLOADS,
        causation_id: str | None = None,
    ) -> None:
        self.definition = definition
        self.env = env
        self.facts: list[Fact] = []
        self._fold = Fold(saga)
        self._paused_with_others = definition.name in env.pauses.paused_definitions
        self._empty = empty
        self._causation_id = causation_id
        """Id of the message that is decided on."""
        self.reading = Reading(saga.version if saga is not None else 0, payloads, self.facts)

    # --- reading ----------------------------------------------------------------------------------

    @property
    def saga(self) -> Saga:
        """The saga before this decision.

        Phase and steps may have moved since: see `phase` and `step`.
        """
        assert self._fold.saga is not None
        return self._fold.saga

    @property
    def phase(self) -> Phase:
        phase: Phase = self._fold.fields["phase"]
        return phase

    @property
    def paused(self) -> bool:
        """The saga itself or its definition is."""
        return self._paused_with_others or self._fold.fields["paused_at_us"] is not None

    def is_held(self, step: Step) -> bool:
        """A pause keeps this step's participant from being asked (row 24)."""
        return self.paused or step.participant in self.env.pauses.paused_participants

    @property
    def start_at_us(self) -> int | None:
        """When it begins, or was to begin."""
        start_at_us: int | None = self._fold.fields["start_at_us"]
        return start_at_us

    @property
    def recovering(self) -> bool:
        recovering: bool = self._fold.fields["recovering"]
        return recovering

    @property
    def recovered(self) -> bool:
        recovered: bool = self._fold.fields["recovered"]
        return recovered

    @property
    def reason(self) -> str | None:
        """Why it goes back: the first reason is kept."""
        reason: str | None = self._fold.fields["reason"]
        return reason

    @property
    def last(self) -> Fact | None:
        return self.facts[-1] if self.facts else None

    @property
    def final(self) -> bool:
        return self.phase in FINAL

    def step(self, name: str) -> StepState:
        return self._fold.steps[name]

    def steps(self) -> list[tuple[Step, StepState]]:
        return [(step, self._fold.steps[step.name]) for step in self.definition.steps]

    def all_in(self, names: Iterable[str], statuses: frozenset[Status]) -> bool:
        """Each of these steps is in one of these states."""
        steps = self._fold.steps
        return all(steps[name].status in statuses for name in names)

    def steps_in(self, *statuses: Status) -> list[Step]:
        """Those that are in one of these states now, in their order."""
        steps = self._fold.steps
        return [step for step in self.definition.steps if steps[step.name].status in statuses]

    def context(self, reads: Iterable[str], *, command_of: str | None = None) -> Context:
        """What a mapping or condition sees that reads the replies of these steps.

        Raises NotLoaded, PayloadLost.
        """
        saga, steps = self.saga, self._fold.steps
        kept = {name: reply for name in reads if (reply := steps[name].reply) is not None}
        command = steps[command_of].command if command_of is not None else None
        for name, reply in kept.items():
            self.reading.need(name, "reply", reply)
        if command_of is not None:
            self.reading.need(command_of, "command", command)
        return Context(
            input=saga.input,
            replies={name: self.reading.get(name, "reply", reply) for name, reply in kept.items()},
            saga={
                "id": saga.id,
                "key": saga.key,
                "tenant": saga.tenant,
                "definition": self.definition.name,
                "version": self.definition.version,
            },
            command=self.reading.get(command_of, "command", command) if command_of is not None and command is not None else None,
        )

    def result(self) -> Saga | None:
        """The saga as the facts leave it: one version on, or as it was when there are none."""
        return self._fold.result() if self.facts else self._fold.saga

    # --- changing ---------------------------------------------------------------------------------

    def add(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._fold.apply(fact)

    def take_as_given(self) -> None:
        """What was decided so far becomes the saga before this decision."""
        self._fold.rebase()

    def change(self, name: str, row: str, **changes: Any) -> None:
        self._change(name, row, changes)

    def _change(self, name: str, row: str, changes: Mapping[str, Any]) -> None:
        """Record those of the changes that are changes."""
        known = values_of(self.step(name))
        real = {field: value for field, value in changes.items() if known[field] != value}
        if not real:
            return
        last = self.last
        if isinstance(last, StepChanged) and last.step == name and last.row == row:
            self.facts.pop()  # one fact a row and step: what follows overwrites
            real = {**last.changes, **real}
        self.add(StepChanged(step=name, row=row, changes=real))

    def move(self, name: str, row: str, status: Status, **changes: Any) -> None:
        """Enter a state: what waited in the old one is forgotten, an attention that belonged to it
        is over.
        """
        self._change(name, row, {"status": status, **LEFT_BEHIND, **changes})

    def see(self, step: Step, reply: Reply, *, keep_words: bool = True) -> None:
        """Notes that an answer was applied.

        Args:
            step: Who answered.
            reply: The answer; what a done action says is kept where some mapping or condition reads
                it.
            keep_words: Whether its code and message go into the journal. A recovering saga has
                always left them out.
        """
        done = reply.outcome is Outcome.SUCCEEDED and reply.kind is not Kind.COMPENSATION
        self.add(
            ReplySeen(
                step=step.name,
                kind=reply.kind,
                run=reply.run,
                attempt=reply.attempt,
                outcome=reply.outcome,
                code=reply.code if keep_words else None,
                message=reply.message if keep_words else None,
                payload=reply.payload,
                keep=step.reply_needed and done,
                causation_id=reply.causation_id,
                taken_at_us=reply.taken_at_us,
                handler_us=reply.handler_us,
            )
        )

    def heard(self, name: str, row: str, *, news: bool = True) -> None:
        """An answer came: the silence is over. So is the want of news, if it brings some."""
        step = self.step(name)
        over = step.attention in (timing.NO_ANSWER, timing.EXPIRED) or (news and step.attention == timing.NO_PROGRESS)
        attention = None if over else step.attention
        self.change(name, row, silent_since_us=None, reasks=0, attention=attention, skew_us=None)

    def expired(self, step: Step, reply: Reply, row: str) -> None:
        """A command came after its time.

        As good as silence (ADR 0012), but it has a name of its own.
        """
        state = self.step(step.name)
        self.change(step.name, row, skew_us=timing.skew_us(step, state, self.env.now_us, reply.time_us))
        if state.attention == timing.NO_ANSWER:
            self.change(step.name, row, attention=None)
            self.raise_attention(step.name, row, timing.EXPIRED)

    def stick(self, name: str, row: str, status: Status, reason: str, *, stuck_from: StuckFrom | None = None) -> None:
        """The step waits for an operator, with a named reason."""
        self.move(
            name,
            row,
            status,
            attention=reason,
            stuck_from=stuck_from,
            waiving=False,
            silent_since_us=None,
            probed_at_us=None,
            reasks=0,
        )
        self.announce("attention", step=name, reason=reason)

    def raise_attention(self, name: str, row: str, reason: str) -> None:
        """Ask for a person without leaving the state."""
        if self.step(name).attention is None:
            self.change(name, row, attention=reason)
            self.announce("attention", step=name, reason=reason)

    def enter_phase(self, phase: Phase, row: str, reason: str | None = None) -> None:
        kept = reason if self.reason is None else None
        self.add(PhaseChanged(row=row, phase=phase, reason=kept, at_us=self.env.now_us if phase in FINAL else None))
        if phase is Phase.COMPENSATING:
            self.announce("compensating", reason=self.reason)
        elif phase in FINAL:
            self.announce("finished", reason=self.reason)

    def change_saga(self, row: str, **changes: Any) -> None:
        self.add(SagaChanged(row=row, changes=changes))

    def announce(self, event: str, *, step: str | None = None, reason: str | None = None) -> None:
        sequence: int = self._fold.fields["announced"] + 1
        self.add(
            Announced(event=event, sequence=sequence, phase=self.phase, step=step, reason=reason, causation_id=self._causation_id)
        )

    # --- sending ----------------------------------------------------------------------------------

    def send(self, name: str, kind: Kind, row: str, *, status: Status | None = None) -> None:
        """Send a command of this kind (again), or, while a pause holds it, make it due at once.

        MappingFailed leaves the draft as it was.
        """
        step, state = self.definition.by_name[name], self.step(name)
        becomes = status or _STATUS_WHILE_ASKING[kind]
        if self.is_held(step) and (state.sent or becomes is Status.RESOLVING):
            self.move(name, row, becomes, due_at_us=self.env.now_us)
            return
        try:
            record, payload = self._payload(step, state, kind)
        except NotLoaded:
            return
        self.reading.sent(payload)
        self._change(name, row, fresh_asking(state, kind, becomes))
        state = self.step(name)
        attempt = state.attempt + 1
        now_us = self.env.now_us
        reasks = state.reasks + 1 if state.silent_since_us is not None else 0
        self.add(
            CommandSent(
                step=name,
                row=row,
                kind=kind,
                run=state.run,
                attempt=attempt,
                participant=step.participant,
                record=record,
                payload=payload,
                expiry_at_us=now_us + step.timing.expiry_ms * 1000,
                at_us=now_us,
                due_at_us=now_us + timing.reask_delay_us(step, reasks),
                status=becomes,
                probe=timing.is_probe(self.saga, self.limiting_phase, step, state, self.env),
                causation_id=self._causation_id,
            )
        )

    def _payload(self, step: Step, state: StepState, kind: Kind) -> tuple[str, bytes]:
        if kind is Kind.RESOLVE:
            return EMPTY_RECORD, self._empty
        if kind is Kind.ACTION:
            message = step.action.message
            if state.command is not None:
                self.reading.need(step.name, "command", state.command)
                return message.record, self.reading.get(step.name, "command", state.command)
            return message.record, message.render(self.context(message.reads))
        assert step.compensation is not None, f"step {step.name} has no compensation"
        message = step.compensation.message
        return message.record, message.render(self.context(message.reads, command_of=step.name))

    # --- going back -------------------------------------------------------------------------------

    def go_back(self, row: str, reason: str, *, by_evidence: bool = False) -> None:
        """The wish to go back from RUNNING or SCHEDULED.

        A pivot that may have been asked must be settled first (row 11).
        """
        pivot = self.definition.pivot
        if self.only_evidence_turns_back:
            if by_evidence:
                self.compensate(row, reason)
        elif pivot is not None and (is_open(self.step(pivot.name)) or self._never_asked_for_all_we_know(pivot)):
            self.settle_pivot(row, reason, asked_by="11")
        else:
            self.compensate(row, reason)

    @property
    def only_evidence_turns_back(self) -> bool:
        return timing.only_evidence_turns_back(self.definition, self.recovered, self._fold.steps)

    @property
    def limiting_phase(self) -> Phase:
        """See `timing.limiting_phase`."""
        return Phase.COMMITTED if self.phase is Phase.RUNNING and self.only_evidence_turns_back else self.phase

    def _never_asked_for_all_we_know(self, pivot: Step) -> bool:
        return self.recovered and self.step(pivot.name).status in (Status.IDLE, Status.READY)

    def settle_pivot(self, row: str, reason: str, *, asked_by: str | None = None) -> None:
        """SETTLING: ask what became of the pivot; its answer decides the direction.

        `asked_by`: the row that asks, if another.
        """
        assert self.definition.pivot is not None
        self.enter_phase(Phase.SETTLING, row, reason)
        self.send(self.definition.pivot.name, Kind.RESOLVE, asked_by or row)

    def compensate(self, row: str, reason: str | None = None) -> None:
        """Enter COMPENSATING and place every step (rows 12, 13, 13b)."""
        self.enter_phase(Phase.COMPENSATING, row, reason)
        for step, state in self.steps():
            self._place_going_back(step, state)

    def _place_going_back(self, step: Step, state: StepState) -> None:
        if state.status is Status.IDLE or (state.status is Status.READY and not state.dispatched):
            if self.recovered and step.kind is StepKind.COMPENSATABLE:
                self.send(step.name, Kind.RESOLVE, "12")
            else:
                self.move(step.name, "12", Status.NO_EFFECT)
        elif state.status is Status.DONE or is_open(state):
            assert step.kind is not StepKind.RETRIABLE, f"S6: retriable step {step.name} was asked before going back"
            self._place_dispatched(step, state)

    def _place_dispatched(self, step: Step, state: StepState) -> None:
        if step.compensation is None:
            if is_open(state):
                self.send(step.name, Kind.RESOLVE, "13b")
            else:
                self.move(step.name, "13b", Status.KEPT)
        elif step.name in step.compensation.message.reads and not state.known:
            self.send(step.name, Kind.RESOLVE, "13")
        else:
            self.move(step.name, "13", Status.UNDO_DUE, silent_since_us=None, probed_at_us=None, reasks=0)


__all__ = ["Draft", "MappingFailed"]
