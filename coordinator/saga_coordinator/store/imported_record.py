"""The row of a saga that was imported."""

from __future__ import annotations

from saga_coordinator.store.query_records import Listed
from saga_schemas.record_class import record


@record
class ImportedSaga:
    """A saga that ran in another store."""

    line: Listed
    at_us: int
    who: str
    cluster_id: str
    """Of that store."""
    content: bytes
    """The file that it came in, cut to this saga."""
