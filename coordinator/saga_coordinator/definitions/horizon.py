"""How far the horizon lags behind the clock. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from saga_coordinator.definitions.document import Document
from saga_coordinator.definitions.retention import longest_expiry_ms
from saga_schemas.record_class import record


@record
class HorizonTerms:
    """What the settings say of the horizon. All in milliseconds."""

    restore_window_ms: int
    """How old a backup is at most that may be restored."""
    clock_skew_ms: int
    """How far clocks differ at most."""
    interval_ms: int
    """How often the horizon is raised and announced."""

    def lag_ms(self, documents: Iterable[bytes]) -> int | None:
        """For so long after its end nobody forgets a saga of these definitions.

        None: one of them is of another release, and nobody knows how long its commands live.
        """
        try:
            expiry_ms = max((longest_expiry_ms(Document.parse(document)) for document in documents), default=0)
        except ValueError:
            return None
        return expiry_ms + self.clock_skew_ms + self.restore_window_ms
