"""What the trace of a saga must be, by its journal and by nothing else that makes spans: checked
against what a Jaeger took in."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from saga_coordinator.engine.encoding import decode_facts
from saga_coordinator.engine.facts import CommandSent, Fact, ReplySeen
from saga_schemas.outcomes import Outcome
from support import sql
from support.jaeger import Span, Trace

COORDINATOR = "saga-coordinator"
FIRST_SHOWN = 5
TOLERANCE_US = 5_000
PAYLOAD_FIELDS = ("order_id", "customer", "account", "sku", "quantity", "carrier", "address", "faults", "charge_id", "parcel_id")
PAYLOAD_VALUES = ("Main Street", "customer-", "account-", "sku-")
_REMEMBERED = frozenset({"SUCCEEDED", "REJECTED", "UNDONE", "NOTHING_TO_UNDO"})
_ENDS = frozenset({"SUCCEEDED", "REJECTED", "FENCED", "UNDONE", "NOTHING_TO_UNDO"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A command that the journal holds."""

    message_id: str
    step: str
    kind: str
    run: int
    number: int
    answered: bool

    @property
    def name(self) -> str:
        return {"action": "", "compensation": "undo ", "resolve": "resolve "}[self.kind] + self.step

    @property
    def identity(self) -> tuple[str, str, int, int]:
        return (self.step, self.kind, self.run, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A saga as its rows tell it."""

    id: UUID
    trace_id: str
    phase: str
    duration_us: int
    attempts: tuple[Attempt, ...]

    @property
    def root_id(self) -> str:
        return span_id(str(self.id))

    @property
    def own_spans(self) -> set[str]:
        """Ids of the coordinator's spans, but for those of attempts after the fifth, which share
        one."""
        shown = {span_id(each.message_id) for each in self.attempts if each.number <= FIRST_SHOWN}
        return shown | {self.root_id, span_id(f"{self.id}/started")}

    @property
    def with_later_attempts(self) -> set[tuple[str, str, int]]:
        return {(each.step, each.kind, each.run) for each in self.attempts if each.number > FIRST_SHOWN}


def span_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def told(database: str) -> list[Told]:
    """Every finished saga of a store."""
    journals: dict[str, list[tuple[int, tuple[Fact, ...]]]] = {}
    for saga, version, facts in await sql.rows(database, "SELECT saga_id, version, facts FROM journal ORDER BY saga_id, version"):
        journals.setdefault(str(saga), []).append((version, decode_facts(bytes(facts))))
    columns = "id, trace_id, phase, closed_at - started_at, incarnation"
    return [
        Told(
            id=UUID(str(saga)),
            trace_id=trace_id,
            phase=phase,
            duration_us=duration,
            attempts=tuple(_attempts(str(saga), incarnation, journals[str(saga)])),
        )
        for saga, trace_id, phase, duration, incarnation in await sql.rows(
            database, f"SELECT {columns} FROM saga WHERE closed_at IS NOT NULL"
        )
    ]


def _attempts(saga: str, incarnation: int, journal: list[tuple[int, tuple[Fact, ...]]]) -> Iterator[Attempt]:
    answered = {
        (fact.step, fact.kind, fact.run, fact.attempt)
        for _, facts in journal
        for fact in facts
        if isinstance(fact, ReplySeen) and fact.outcome is not Outcome.IN_PROGRESS
    }
    for version, facts in journal:
        for ord, fact in enumerate(facts):
            if isinstance(fact, CommandSent):
                yield Attempt(
                    message_id=f"{saga}.{incarnation}.{version}.{ord}",
                    step=fact.step,
                    kind=fact.kind.value,
                    run=fact.run,
                    number=fact.attempt,
                    answered=(fact.step, fact.kind, fact.run, fact.attempt) in answered,
                )


def wrongs_of_own_spans(saga: Told, trace: Trace) -> list[str]:
    """What is wrong with the coordinator's part: nothing lost, nothing doubled, nothing else."""
    own = [span for span in trace.spans if span.service == COORDINATOR]
    counted = Counter(span.span_id for span in own)
    wrong = [f"span {span} there {times} times" for span, times in counted.items() if times > 1]
    wrong += [f"span {missing} is missing" for missing in sorted(saga.own_spans - counted.keys())]
    later = [span for span in own if span.span_id not in saga.own_spans]
    if Counter((span.tags["saga.step"], span.tags["saga.kind"], span.tags["saga.run"]) for span in later) != Counter(
        saga.with_later_attempts
    ):
        wrong.append(f"unexpected spans {[span.operation for span in later]}")
    if wrong:
        return wrong
    root = next(span for span in own if span.span_id == saga.root_id)
    if root.parent_id is not None:
        wrong.append("the root has a parent")
    if abs(root.duration_us - saga.duration_us) > TOLERANCE_US:
        wrong.append(f"the root lasts {root.duration_us} µs, the saga {saga.duration_us}")
    if root.tags.get("saga.phase") != saga.phase:
        wrong.append(f"the root says {root.tags.get('saga.phase')}, the saga is {saga.phase}")
    return wrong + list(_wrong_attempts(saga, {span.span_id: span for span in own}))


def _wrong_attempts(saga: Told, own: Mapping[str, Span]) -> Iterator[str]:
    for attempt in saga.attempts:
        if attempt.number > FIRST_SHOWN:
            continue
        span = own[span_id(attempt.message_id)]
        if (span.operation, span.parent_id, span.kind) != (attempt.name, saga.root_id, "producer"):
            yield f"attempt {attempt.identity} is {span.operation} ({span.kind}) below {span.parent_id}"
        if (span.tags["saga.outcome"] != "none") != attempt.answered:
            yield f"attempt {attempt.identity} says {span.tags['saga.outcome']}"
        if attempt.kind == "compensation":
            undone = [own[link.span_id].operation for link in span.links if link.span_id in own]
            if undone != [attempt.step]:
                yield f"{attempt.name} links to {undone}"


def wrongs_of_all_spans(saga: Told, trace: Trace) -> list[str]:
    """What is wrong with the whole: orphans, participants' spans that are not below their attempt,
    payload."""
    wrong = [f"{span.service}: {span.operation} has no parent" for span in trace.roots if span.span_id != saga.root_id]
    attempts = {span_id(each.message_id) for each in saga.attempts}
    later = {span.span_id for span in trace.spans if span.service == COORDINATOR} - saga.own_spans
    processed = [span for span in trace.spans if span.kind == "consumer"]
    wrong += [f"{span.operation} is below {span.parent_id}" for span in processed if span.parent_id not in attempts | later]
    text = json.dumps([[span.operation, dict(span.tags), [dict(log.fields) for log in span.logs]] for span in trace.spans])
    wrong += [f"payload: {value}" for value in PAYLOAD_VALUES if value in text]
    keys = {key for span in trace.spans for source in (span.tags, *(log.fields for log in span.logs)) for key in source}
    return wrong + [f"payload field {name}" for name in PAYLOAD_FIELDS if name in keys]


def not_processed(saga: Told, trace: Trace) -> list[str]:
    """Attempts that were answered and whose participant's span is not there."""
    parents = {span.parent_id for span in trace.spans if span.kind == "consumer"}
    first = [each for each in saga.attempts if each.number <= FIRST_SHOWN]
    return [str(each.identity) for each in first if each.answered and span_id(each.message_id) not in parents]


def processed_twice_unsaid(trace: Trace) -> Collection[str]:
    """Attempts with more than one participant's span of which not all but one say that they are
    duplicates.

    Of spans whose outcome a barrier row remembers: after a FAILED there is no row and the handler
    runs again, and a question changes none.
    """
    taken_up = [span for span in trace.spans if span.kind == "consumer" and span.tags.get("saga.kind") != "resolve"]
    first = Counter(
        span.parent_id
        for span in taken_up
        if span.tags["saga.outcome"] in _REMEMBERED and span.tags["saga.duplicate"] is not True
    )
    return [str(parent) for parent, times in first.items() if times > 1]
