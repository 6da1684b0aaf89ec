"""The part of the store port that `saga doctor` reads: rows page by page, each with what stands
beside it in other tables.

One statement reads a page with its neighbours, so that all of it is of one moment: transactions run
meanwhile, and each writes all of its tables at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from saga_coordinator.store.records import Position
from saga_schemas.record_class import record


class Table(StrEnum):
    """Tables whose rows name a saga. Its value is the table's name."""

    WAKEUP = "wakeup"
    LISTING = "saga_listing"
    ATTENTION = "attention"
    OUTBOX = "outbox"
    INBOX = "inbox_event"
    SPANS = "span_due"
    RECOVERING = "recovering"
    REQUESTS = "start_request"
    KEYS = "saga_key"
    FORMER_KEYS = "saga_key_former"
    LABELS = "saga_label"


Key = tuple[Any, ...]
"""The values of a table's key, in its order."""


@record
class Pointer:
    """One row that names a saga."""

    table: Table
    key: Key
    saga_id: UUID
    saga: bool
    """The saga is there."""
    open: bool
    """It is, and it is not finished."""
    record: bool
    """The journal record that the row names is there; True where it names none."""
    kept: bool
    """The saga is not there, and the row is right all the same: it is of a removed saga whose
    starts are still known, or of an imported one."""


@record
class SagaLook:
    """One saga, and what stands beside it."""

    id: UUID
    tenant: str
    business_key: str | None
    phase: str
    closed_at_us: int | None
    wake_at_us: int | None
    version: int
    state_version: int
    definition: str | None
    """None: its definition is not there."""
    due_at_us: int | None
    """Of its wake-up."""
    listed_phase: str | None
    """None: it is on no list."""
    listed_closed_at_us: int | None
    listed_attention: int
    attention: int
    waits_for: str | None
    """Of its row in `recovering`; None: there is none."""
    holds_key: bool
    """It holds its business key, or held it; True where it has none."""
    records: int
    """Of its journal."""
    first: int | None
    last: int | None


class Audited(Protocol):
    """What a store says of its own rows."""

    async def saga_looks(
        self, *, after: UUID | None = None, limit: int = 1, ids: Collection[UUID] | None = None
    ) -> Sequence[SagaLook]:
        """Return a page of sagas by id, or these sagas."""
        ...

    async def pointers(
        self, table: Table, *, after: Key | None = None, limit: int = 1, saga_id: UUID | None = None
    ) -> Sequence[Pointer]:
        """Return a page of a table's rows by its key; with `saga_id` only those of that saga."""
        ...

    async def pointers_at(self, table: Table, keys: Sequence[Key]) -> Sequence[Pointer]:
        """Return the rows with these keys that are there."""
        ...

    async def all_positions(self, *, after: tuple[str, int] | None, limit: int) -> Sequence[Position]:
        """Return a page of the stored positions by topic and partition."""
        ...
