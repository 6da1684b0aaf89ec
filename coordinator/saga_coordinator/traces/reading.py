"""From the store to the spans of a saga."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.journal_view import read_facts
from saga_coordinator.store.port import JournalRow, SagaRow, Store
from saga_coordinator.traces.projection import JournalFacts, Projection, TracedSaga
from saga_coordinator.traces.spans import Span
from saga_schemas.topics import Topics

PAGE: Final = 200
"""Journal records read at once."""


def traced_saga(row: SagaRow, compiled: CompiledDefinition, topics: Topics) -> TracedSaga:
    definition = compiled.definition
    return TracedSaga(
        id=row.id,
        tenant=row.tenant,
        trace_id=row.trace_id,
        parent_span=row.parent_span,
        tracestate=row.tracestate,
        definition=definition.name,
        definition_version=definition.version,
        key=row.business_key if compiled.document.show_key else None,
        topics=topics,
    )


def completed(projection: Projection, rows: Iterable[JournalRow]) -> list[Span]:
    """The spans that these records complete. A record of another release, or edited by hand, adds nothing and hides nothing."""
    spans: list[Span] = []
    for row in rows:
        try:
            facts = read_facts(row)
        except UnreadableState:
            continue
        spans += projection.record(JournalFacts(row.version, row.at, facts))
    return spans


async def read_spans(store: Store, saga: TracedSaga) -> AsyncIterator[Span]:
    """All spans completed so far, in order of completion. Pages through a journal of any length."""
    projection, after = Projection(saga), 0
    while True:
        rows = await store.journal(saga.id, after=after, limit=PAGE)
        for span in completed(projection, rows):
            yield span
        if len(rows) < PAGE:
            return
        after = rows[-1].version
