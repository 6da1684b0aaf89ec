"""A saga's journal played by a script, and the coordinator's spans that are made from it."""

from __future__ import annotations

from uuid import UUID

from saga_coordinator.engine.definition import Definition
from saga_coordinator.traces.projection import JournalFacts, Projection, spans_of
from saga_coordinator.traces.spans import Span, root_span_id
from saga_coordinator.traces.traced_saga import TracedSaga
from saga_schemas.topics import Topics
from unit.coordinator.engine.sagas import PIVOT, Player, definition, play, step

SAGA = UUID("0190a000-0000-7000-8000-000000000001")
ROOT = root_span_id(SAGA)
ORDER = definition(step("reserve"), step("charge", after=["reserve"]), step("ship", PIVOT, after=["charge"]))
TRACED = TracedSaga(
    id=SAGA,
    tenant="default",
    trace_id="ab" * 16,
    parent_span=None,
    tracestate=None,
    definition="order",
    definition_version=3,
    key=None,
    topics=Topics(),
)


def journal_of(player: Player) -> list[JournalFacts]:
    return [JournalFacts(version, at, facts) for version, (at, facts) in enumerate(player.journal, start=1)]


def spans(script: str, shape: Definition = ORDER, saga: TracedSaga = TRACED) -> list[Span]:
    return list(spans_of(saga, journal_of(play(shape, script))))


def folded(script: str, shape: Definition = ORDER) -> tuple[Projection, list[Span]]:
    """The projection of a saga that goes on, and the spans it has made so far."""
    projection = Projection(TRACED)
    return projection, [span for record in journal_of(play(shape, script)) for span in projection.record(record)]


def named(found: list[Span], name: str) -> list[Span]:
    return [span for span in found if span.name == name]
