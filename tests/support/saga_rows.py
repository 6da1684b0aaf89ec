"""A row of the table of sagas, where what stands in it matters little."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from saga_coordinator.store.port import SagaRow

SAGA = UUID("019b0000-0000-7000-8000-000000000001")


def saga_row(saga_id: UUID = SAGA, **changes: Any) -> SagaRow:
    fields: dict[str, Any] = {
        "id": saga_id,
        "tenant": "default",
        "definition_id": 1,
        "version": 1,
        "phase": "RUNNING",
        "engine_rev": 1,
        "state_format": 1,
        "incarnation": 0,
        "state": b"",
        "state_version": 0,
        "facts_print": 0,
        "business_key": "o-17",
        "wake_at_us": None,
        "trace_id": "0" * 31 + "1",
        "parent_span": None,
        "trace_flags": 0,
        "tracestate": None,
        "baggage": None,
        "max_expiry_us": 0,
        "started_at_us": 1_700_000_000_000_000,
        "closed_at_us": None,
    }
    return SagaRow(**(fields | changes))
