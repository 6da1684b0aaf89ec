"""Where Jaeger shows a saga's trace."""

from __future__ import annotations

from saga_coordinator.engine.state import Phase
from saga_coordinator.store.port import SagaRow
from saga_schemas.trace_context import SAMPLED


def trace_url(row: SagaRow, jaeger_url: str | None, *, failed: bool) -> str | None:
    """The page of a saga whose spans are exported: it is sampled, or it failed.

    Args:
        row: The saga's row.
        jaeger_url: Where Jaeger's pages are, if anywhere.
        failed: It ended badly or needs attention, and such sagas are exported.
    """
    if jaeger_url is None or not (row.trace_flags & SAMPLED or failed):
        return None
    return f"{jaeger_url.rstrip('/')}/trace/{row.trace_id}"


def ended_badly(row: SagaRow) -> bool:
    return row.closed_at_us is not None and row.phase != Phase.COMPLETED
