"""The coordinator's spans of one saga, folded from its journal.

Pure: the same records give the same spans.

The span of an attempt lasts from the decision to the answer. An attempt without an answer of its
own ends when its command is settled otherwise: by a definite answer to another attempt, by a
command of another kind or run, or by the end of the saga. All attempts after the fifth share one
span. It ends when the command is settled, with the outcome of the last attempt. The root span comes
last, with the true start and end of the saga.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from saga_coordinator.engine.facts import Acted, CommandSent, Fact, PhaseChanged, ReplySeen, SagaChanged, Started, StepChanged
from saga_coordinator.engine.state import FINAL, Phase, Status
from saga_coordinator.traces.attempt_parts import UNKNOWN, AttemptParts, parts_after
from saga_coordinator.traces.spans import (
    FIRST_ATTEMPTS,
    OpenSpan,
    Span,
    SpanEvent,
    SpanKind,
    Value,
    attempt_span_id,
    root_span_id,
    start_time_span,
    started_span_id,
)
from saga_schemas.ids import command_id
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.topics import Topics

MAX_EVENTS: Final = 32
"""Of one span; what comes later is only counted, in `saga.events.dropped`."""
_NAMES: Final = {Kind.ACTION: "{}", Kind.COMPENSATION: "undo {}", Kind.RESOLVE: "resolve {}"}
_TRIES: Final = frozenset({Outcome.FAILED, Outcome.EXPIRED, Outcome.UNSUPPORTED})
"""Answers after which the same command may be sent again."""
_ERRORS: Final = _TRIES | {Outcome.REJECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedSaga:
    """What spans take from the saga's row and its definition; all else comes from the journal."""

    id: UUID
    tenant: str
    trace_id: str
    parent_span: str | None
    tracestate: str | None
    definition: str
    definition_version: int
    key: str | None
    """The business key, if the definition says that it may be shown."""
    topics: Topics


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """One transition."""

    version: int
    at_us: int
    facts: tuple[Fact, ...]


@dataclass(slots=True)
class _Events:
    kept: list[SpanEvent] = field(default_factory=list)
    dropped: int = 0

    def add(self, name: str, at_us: int, **attributes: Value) -> None:
        if len(self.kept) < MAX_EVENTS:
            self.kept.append(SpanEvent(name, at_us, {f"saga.{key}": value for key, value in attributes.items()}))
        else:
            self.dropped += 1

    def count(self) -> dict[str, Value]:
        return {"saga.events.dropped": self.dropped} if self.dropped else {}


@dataclass(slots=True)
class _Attempt:
    """A span that is not finished: of one attempt, or of all after the fifth."""

    span_id: str
    message_id: str
    sent: CommandSent
    """The latest."""
    start_us: int
    waited_us: int
    events: _Events = field(default_factory=_Events)
    outcome: Outcome | None = None
    code: str | None = None
    answered_at: int | None = None
    parts: AttemptParts = UNKNOWN

    def forget_answer(self) -> None:
        self.outcome = self.code = self.answered_at = None
        self.parts = UNKNOWN


class Projection:
    """Folds a journal into spans.

    `record` takes each record in order and returns the spans that it completes.
    """

    def __init__(self, saga: TracedSaga) -> None:
        self.saga = saga
        self.ended = False
        """The root span was returned: no span follows."""
        self._root = root_span_id(saga.id)
        self._incarnation = 1
        self._started_at = 0
        self._waits = False
        """For its start time."""
        self._reason: str | None = None
        self._events = _Events()
        self._open: dict[str, list[_Attempt]] = {}
        self._shared: set[str] = set()
        """Finished spans of later attempts: they never come twice."""
        self._acted: dict[str, str] = {}
        """By step: the span of the action that is to be undone."""
        self._idle_since: dict[str, int] = {}
        """By step: since when its next command could have been sent."""

    def record(self, record: JournalFacts) -> list[Span]:
        spans: list[Span] = []
        for ord, fact in enumerate(record.facts):
            spans += self._fact(fact, ord, record)
        return spans

    def open(self) -> list[OpenSpan]:
        """The spans that have begun and not ended: the root, then the attempts without an
        answer."""
        if self.ended or not self._started_at:
            return []
        begins = [start_time_span(self.saga.id, self._started_at)] if self._waits else []
        return [self._whole(), *begins, *(self._asked(each) for waiting in self._open.values() for each in waiting)]

    def _fact(self, fact: Fact, ord: int, record: JournalFacts) -> Iterable[Span]:
        match fact:
            case Started():
                self._incarnation, self._started_at, self._waits = fact.incarnation, fact.at_us, fact.start_at_us is not None
                return [self._mark(record.version)]
            case CommandSent():
                return self._command(fact, ord, record)
            case ReplySeen():
                return self._reply(fact, record)
            case StepChanged():
                self._step(fact, record.at_us)
            case SagaChanged():
                self._saga_changed(fact, record.at_us)
            case PhaseChanged():
                return self._phase(fact, record)
            case Acted():
                where = {"step": fact.step} if fact.step is not None else {}
                self._events.add(f"saga.{fact.act}", record.at_us, **where)
            case _:
                pass
        return ()

    # --- the saga as a whole ----------------------------------------------------------------------

    def _mark(self, version: int) -> Span:
        """The span `started`.

        It is complete at once, so that a running saga has a name in Jaeger.
        """
        mark = OpenSpan(
            span_id=started_span_id(self.saga.id),
            parent_id=self._root,
            name="scheduled" if self._waits else "started",
            kind=SpanKind.INTERNAL,
            start_us=self._started_at,
            attributes=self._about_saga(),
        )
        return self._ended(mark, self._started_at, version, {})

    def _whole(self) -> OpenSpan:
        return OpenSpan(
            span_id=self._root,
            parent_id=self.saga.parent_span,
            name=self.saga.definition,
            kind=SpanKind.INTERNAL,
            start_us=self._started_at,
            attributes=self._about_saga(),
            events=tuple(self._events.kept),
        )

    def _phase(self, fact: PhaseChanged, record: JournalFacts) -> Iterator[Span]:
        self._reason = fact.reason or self._reason
        if self._waits:
            self._waits = False
            yield self._ended(start_time_span(self.saga.id, self._started_at), record.at_us, record.version, {})
        if fact.phase not in FINAL:
            self._events.add("saga.phase", record.at_us, phase=fact.phase.value)
            return
        at = fact.at_us if fact.at_us is not None else record.at_us
        self.ended = True
        for step in list(self._open):
            yield from self._settle(step, at, record.version)
        attributes: dict[str, Value] = {"saga.phase": fact.phase.value, **self._events.count()}
        if self._reason is not None:
            attributes["saga.reason"] = _public(self._reason)
        error = "FORCED" if fact.phase is Phase.FORCED else None
        yield self._ended(self._whole(), at, record.version, attributes, error)

    def _saga_changed(self, fact: SagaChanged, at: int) -> None:
        self._incarnation = fact.changes.get("incarnation", self._incarnation)
        if (reason := fact.changes.get("attention")) is not None:
            self._events.add("saga.attention", at, attention=reason)

    # --- attempts ---------------------------------------------------------------------------------

    def _step(self, fact: StepChanged, at: int) -> None:
        if (reason := fact.changes.get("attention")) is not None:
            waiting = self._open.get(fact.step)
            events = waiting[-1].events if waiting else self._events
            events.add("saga.attention", at, attention=reason, step=fact.step)
        status = fact.changes.get("status")
        if status is Status.READY:
            self._idle_since.setdefault(fact.step, at)
        elif status is not None:
            self._idle_since[fact.step] = at

    def _command(self, sent: CommandSent, ord: int, record: JournalFacts) -> Iterator[Span]:
        waiting = self._open.setdefault(sent.step, [])
        if waiting and (waiting[-1].sent.kind, waiting[-1].sent.run) != (sent.kind, sent.run):
            yield from self._settle(sent.step, sent.at_us, record.version)
            waiting = self._open.setdefault(sent.step, [])
        message_id = command_id(self.saga.id, self._incarnation, record.version, ord)
        span_id = attempt_span_id(message_id, self.saga.id, self._incarnation, sent.step, sent.kind, sent.run, sent.attempt)
        if waiting:
            waiting[-1].events.add("saga.asked_again", sent.at_us, attempt=sent.attempt)
        since = self._idle_since.pop(sent.step, sent.at_us)
        self._idle_since[sent.step] = sent.at_us
        if waiting and waiting[-1].span_id == span_id:
            later = waiting[-1]
            later.sent, later.message_id = sent, message_id
            later.forget_answer()
        elif span_id not in self._shared:
            waiting.append(
                _Attempt(
                    span_id=span_id, message_id=message_id, sent=sent, start_us=sent.at_us, waited_us=max(sent.at_us - since, 0)
                )
            )
        if sent.kind is Kind.ACTION:
            self._acted[sent.step] = span_id

    def _reply(self, reply: ReplySeen, record: JournalFacts) -> Iterator[Span]:
        at = record.at_us
        waiting = self._open.get(reply.step, [])
        asked = [each for each in waiting if (each.sent.kind, each.sent.run) == (reply.kind, reply.run)]
        answered = next((each for each in asked if _answers(reply, each)), None)
        if answered is not None and answered.sent.attempt == reply.attempt:
            answered.parts = parts_after(answered.parts, reply, asked_at_us=answered.sent.at_us, seen_at_us=at)
        if reply.outcome is Outcome.IN_PROGRESS:
            for each in [answered] if answered else asked[-1:]:
                each.events.add("saga.in_progress", at, attempt=reply.attempt)
            return
        self._idle_since[reply.step] = at
        if answered is not None:
            answered.outcome, answered.code, answered.answered_at = reply.outcome, reply.code, at
            if reply.outcome is Outcome.SUCCEEDED and reply.kind is Kind.ACTION:
                self._acted[reply.step] = answered.span_id
        goes_on = reply.outcome in _TRIES
        for each in asked:
            if goes_on and (each is not answered or each.sent.attempt > FIRST_ATTEMPTS):
                continue  # its own answer may still come; the later attempts' span ends with the last of them
            waiting.remove(each)
            yield self._finished(each, at, record.version, reply.attempt)

    def _settle(self, step: str, at: int, version: int) -> Iterator[Span]:
        """End the open attempts of this step without an answer."""
        for each in self._open.pop(step, []):
            yield self._finished(each, at, version, None)

    def _finished(self, attempt: _Attempt, at: int, version: int, answered_by: int | None) -> Span:
        sent = attempt.sent
        if sent.attempt > FIRST_ATTEMPTS:
            self._shared.add(attempt.span_id)
        end = attempt.answered_at if attempt.answered_at is not None else at
        for name, at_us in attempt.parts.marks():
            attempt.events.add(name, at_us)
        attributes = attempt.events.count() | attempt.parts.attributes()
        attributes["saga.outcome"] = attempt.outcome.value if attempt.outcome is not None else "none"
        if attempt.code is not None:
            attributes["saga.code"] = attempt.code
        if attempt.outcome is None and answered_by is not None:
            attributes["saga.answered_by_attempt"] = answered_by
        error = _error(attempt, answered_by)
        if error is not None:
            attributes["error.type"] = attempt.outcome.value if attempt.outcome is not None else "no_answer"
        return self._ended(self._asked(attempt), end, version, attributes, error)

    def _asked(self, attempt: _Attempt) -> OpenSpan:
        """The span of an attempt.

        A compensation links to the action that it undoes, RESOLVE to the one it asks about.
        """
        sent = attempt.sent
        acted = self._acted.get(sent.step) if sent.kind is not Kind.ACTION else None
        return OpenSpan(
            span_id=attempt.span_id,
            parent_id=self._root,
            name=_NAMES[sent.kind].format(sent.step),
            kind=SpanKind.PRODUCER,
            start_us=attempt.start_us,
            attributes=self._about_attempt(attempt),
            events=tuple(sorted(attempt.events.kept, key=lambda event: event.at_us)),
            links=(acted,) if acted is not None else (),
        )

    # --- what they say ----------------------------------------------------------------------------

    def _about_saga(self) -> dict[str, Value]:
        saga = self.saga
        about: dict[str, Value] = {
            "saga.id": str(saga.id),
            "saga.tenant": saga.tenant,
            "saga.definition": saga.definition,
            "saga.definition.version": saga.definition_version,
        }
        if saga.key is not None:
            about["saga.key"] = saga.key
        return about

    def _about_attempt(self, attempt: _Attempt) -> dict[str, Value]:
        sent = attempt.sent
        return {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": self.saga.topics.command(sent.participant),
            "messaging.message.id": attempt.message_id,
            "messaging.message.conversation_id": str(self.saga.id),
            "saga.id": str(self.saga.id),
            "saga.step": sent.step,
            "saga.kind": sent.kind.value,
            "saga.run": sent.run,
            "saga.attempt": sent.attempt,
            "saga.participant": sent.participant,
            "saga.command": sent.record,
            "saga.waited_ms": attempt.waited_us // 1000,
        }

    def _ended(self, begun: OpenSpan, at: int, version: int, more: Mapping[str, Value], error: str | None = None) -> Span:
        return Span(
            trace_id=self.saga.trace_id,
            span_id=begun.span_id,
            parent_id=begun.parent_id,
            tracestate=self.saga.tracestate,
            name=begun.name,
            kind=begun.kind,
            start_us=begun.start_us,
            end_us=max(at, begun.start_us),
            attributes={**begun.attributes, **more},
            events=begun.events,
            links=begun.links,
            error=error,
            completed_by=version,
        )


def spans_of(saga: TracedSaga, journal: Iterable[JournalFacts]) -> Iterator[Span]:
    """All spans that the journal completes so far, in the order of their completion."""
    projection = Projection(saga)
    for record in journal:
        yield from projection.record(record)


def _answers(reply: ReplySeen, attempt: _Attempt) -> bool:
    if attempt.sent.attempt > FIRST_ATTEMPTS:
        return reply.attempt > FIRST_ATTEMPTS
    return reply.attempt == attempt.sent.attempt


def _error(attempt: _Attempt, answered_by: int | None) -> str | None:
    if attempt.outcome is None:
        return None if answered_by is not None else "no answer"
    if attempt.outcome not in _ERRORS:
        return None
    return f"{attempt.outcome.value}: {attempt.code}" if attempt.code is not None else attempt.outcome.value


def _public(reason: str) -> str:
    """The reason as a span may show it.

    The operator's words after `cancel:` may say anything, so they are left out.
    """
    return "cancel" if reason.startswith("cancel:") else reason
