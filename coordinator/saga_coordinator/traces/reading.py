"""From the store to the spans of a saga."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine.encoding import UnreadableState, read_facts
from saga_coordinator.store.port import JournalRow, SagaRow, Store
from saga_coordinator.traces.projection import JournalFacts, Projection, TracedSaga
from saga_coordinator.traces.spans import OpenSpan, Span
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


async def read_spans(store: Store, projection: Projection) -> AsyncGenerator[Span, None]:
    """All spans completed so far, in order of completion, by a new projection. Pages through a journal of any length."""
    after = 0
    while True:
        rows = await store.journal(projection.saga.id, after=after, limit=PAGE)
        for span in completed(projection, rows):
            yield span
        if len(rows) < PAGE:
            return
        after = rows[-1].version


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePage:
    """A part of a saga's trace."""

    spans: Sequence[Span]
    open: Sequence[OpenSpan]
    """On the last page."""
    ended: bool
    """The root is among the spans of this page or of one before: no other follows."""
    next: int | None
    """`after` of the page behind this one."""


async def read_page(store: Store, saga: TracedSaga, *, after: int, limit: int) -> TracePage:
    """Of the spans completed after version `after` about `limit`: those of one transition are never parted."""
    projection = Projection(saga)
    spans: list[Span] = []
    async with aclosing(read_spans(store, projection)) as found:
        async for span in found:
            if span.completed_by <= after:
                continue
            if len(spans) >= limit and span.completed_by != spans[-1].completed_by:
                return TracePage(spans=spans, open=(), ended=False, next=spans[-1].completed_by)
            spans.append(span)
    return TracePage(spans=spans, open=projection.open(), ended=projection.ended, next=None)
