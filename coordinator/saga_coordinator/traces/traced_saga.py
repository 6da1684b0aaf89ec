"""What the spans of a saga say of it as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from saga_coordinator.traces.spans import Value
from saga_schemas.topics import Topics


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

    def attributes(self, tick: str | None) -> dict[str, Value]:
        """Of its root and its `started`.

        `tick`: `<schedule>@<tick>`, where a schedule started it.
        """
        about: dict[str, Value] = {
            "saga.id": str(self.id),
            "saga.tenant": self.tenant,
            "saga.definition": self.definition,
            "saga.definition.version": self.definition_version,
        }
        if self.key is not None:
            about["saga.key"] = self.key
        if tick is not None:
            about["saga.schedule"], _, about["saga.scheduled_for"] = tick.partition("@")
        return about
