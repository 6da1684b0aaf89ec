"""Reads the spans of a saga from the store, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine.encoding import UnreadableState, read_facts
from saga_coordinator.store.port import JournalRow, SagaRow, Store
from saga_coordinator.traces.projection import JournalFacts, Projection
from saga_coordinator.traces.spans import OpenSpan, Span
from saga_coordinator.traces.traced_saga import TracedSaga
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
    """The spans that these records complete.

    A record that cannot be read is skipped: it hides no other.
    """
    spans: list[Span] = []
    for row in rows:
        try:
            facts = read_facts(row)
        except UnreadableState:
            continue
        spans += projection.record(JournalFacts(row.version, row.at_us, facts))
    return spans


async def read_spans(store: Store, projection: Projection) -> AsyncGenerator[Span, None]:
    """Yields all spans that are complete, in order of completion.

    `projection` must be new. The journal may have any length.
    """
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
    """The spans without an end; only the last page has them."""
    ended: bool
    """The root span is on this page or on one before: no span follows."""
    next: int | None
    """The value of `after` for the next page; None on the last."""


async def read_page(store: Store, saga: TracedSaga, *, after: int, limit: int) -> TracePage:
    """About `limit` spans that were completed after version `after`.

    The spans of one transition stay together.
    """
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
