"""Lists of sagas: a line, what is asked for, and the error of a question that costs too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from saga_coordinator.query import Query
from saga_coordinator.store.records import StoreError
from saga_schemas.labels import LabelValue


class QueryTooSlow(StoreError):
    """A query was given up, because it took longer than a query may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of a list of sagas."""

    id: UUID
    tenant: str
    definition: str
    definition_version: int
    business_key: str | None
    phase: str
    attention: tuple[str, ...]
    """Reasons, `step: reason` or `reason`."""
    started_at_us: int
    closed_at_us: int | None
    version: int
    trace_id: str
    begins_at_us: int | None = None
    """When it begins, while it is SCHEDULED. Past that, while a pause holds it: the next look."""
    imported: bool = False
    labels: Mapping[str, LabelValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """Which sagas: those that every field agrees to."""

    tenant: str
    query: Query | None = None
    definition: str | None = None
    phase: str | None = None
    attention: bool | None = None
    key: str | None = None
    limit: int = 50
    cursor: str | None = None
    """Opaque: as given by the page before. Newest first. A bad one raises ValueError."""
