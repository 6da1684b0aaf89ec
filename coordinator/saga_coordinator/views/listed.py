"""The view of one line of a list of sagas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from saga_coordinator.store.port import Listed
from saga_schemas.labels import PlainLabel, plain_labels
from saga_schemas.times import format_us


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedView:
    """One line of a list."""

    id: str
    key: str | None
    definition: str
    definition_version: int
    phase: str
    attention: tuple[str, ...]
    started_at: str
    closed_at: str | None
    version: int
    trace_id: str
    begins_at: str | None = None
    """When it begins, while it is SCHEDULED."""
    imported: bool = False
    """It ran elsewhere, and is only shown."""
    labels: Mapping[str, PlainLabel] = field(default_factory=dict)


def listed_view(listed: Listed) -> ListedView:
    """The line of a list for one stored saga."""
    return ListedView(
        id=str(listed.id),
        key=listed.business_key,
        definition=listed.definition,
        definition_version=listed.definition_version,
        phase=listed.phase,
        attention=listed.attention,
        started_at=format_us(listed.started_at_us),
        closed_at=None if listed.closed_at_us is None else format_us(listed.closed_at_us),
        version=listed.version,
        trace_id=listed.trace_id,
        begins_at=None if listed.begins_at_us is None else format_us(listed.begins_at_us),
        imported=listed.imported,
        labels=plain_labels(listed.labels),
    )
