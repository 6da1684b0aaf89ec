"""What the store says and is told of batches of acts, of confirmations, and of redriven letters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol
from uuid import UUID

from saga_schemas.record_class import record

RUNNING: Final = "running"
DONE: Final = "done"
STOPPED: Final = "stopped"
BATCH_STATUSES: Final = (RUNNING, DONE, STOPPED)

PENDING: Final = "pending"
CONFIRMED: Final = "confirmed"
REFUSED: Final = "refused"
CONFIRMATION_STATUSES: Final = (PENDING, CONFIRMED, REFUSED)
"""A pending one whose time is over counts as expired."""


@record
class BatchRow:
    """One act on all sagas that a query matches."""

    id: UUID
    tenant: str
    act: str
    query: str
    why: str
    who: str
    rate: int
    """Sagas a second, at most."""
    found: int
    """Sagas that matched when it was made."""
    created_at_us: int
    """What the query's relative times count from."""
    place: UUID
    """Of the saga that it came to last: it goes from young sagas to old ones. At first an id above
    all that were there."""
    moved_at_us: int
    """When it last did anything."""
    status: str = RUNNING
    done: int = 0
    refused: int = 0
    failed: int = 0
    outcomes: str = "{}"
    """JSON: why sagas were refused or failed, with how many and the first of them."""
    ended_at_us: int | None = None
    stopped_by: str | None = None
    stopped_why: str | None = None


@record
class BatchStep:
    """What a batch notes of one saga."""

    after: UUID
    """Its place before."""
    saga_id: UUID
    done: int = 0
    refused: int = 0
    failed: int = 0
    outcomes: str | None = None
    """None: as they were."""


@record
class ConfirmationRow:
    """An act that waits, or waited, for a second person."""

    id: UUID
    tenant: str
    act: str
    target: str
    """What it is done to, as people read it."""
    arguments: str
    """JSON: what the act is called with."""
    who: str
    why: str
    asked_at_us: int
    expires_at_us: int
    """It cannot be confirmed any more from then on."""
    status: str = PENDING
    settled_at_us: int | None = None
    settled_by: str | None = None
    settled_why: str | None = None


@record
class RedriveRow:
    """What is known of a dead letter that was sent again."""

    letter_id: UUID
    tries: int
    asked_at_us: int
    """When it was last asked for."""
    who: str
    why: str
    sent_at_us: int | None = None
    """When the broker confirmed it. None: it may have been sent, unless `note` says that it was
    not."""
    note: str | None = None
    """Why the last try surely sent nothing."""


class BatchStore(Protocol):
    """What a store says of them outside transactions."""

    async def batches(self, tenant: str, *, before: UUID | None, limit: int) -> list[BatchRow]:
        """Return batches with ids below `before`, newest first."""
        ...

    async def open_batches(self, tenant: str) -> list[BatchRow]:
        """Return those that run, oldest first."""
        ...

    async def batch(self, tenant: str, id: UUID) -> BatchRow | None:
        """Return one, or None."""
        ...

    async def confirmations(self, tenant: str, *, pending: bool, before: UUID | None, limit: int) -> list[ConfirmationRow]:
        """Return confirmations with ids below `before`, newest first; `pending`: only those that
        may still be confirmed.
        """
        ...

    async def confirmation(self, tenant: str, id: UUID) -> ConfirmationRow | None:
        """Return one, or None."""
        ...

    async def redrives(self, ids: Collection[UUID]) -> dict[UUID, RedriveRow]:
        """Return what is known of those of these letters that were sent again."""
        ...


class Batching(Protocol):
    """What a transaction does about them."""

    async def add_batch(self, batch: BatchRow, most_open: int) -> bool:
        """Insert a batch. Return False where so many run already. One that is there is left as it
        is.
        """
        ...

    async def step_batch(self, id: UUID, step: BatchStep) -> bool:
        """Note what became of the next saga.

        Returns:
            False, with nothing noted, where the batch does not run any more, or is not at that
            place any more: the caller rolls back.
        """
        ...

    async def end_batch(self, id: UUID) -> bool:
        """Note that it has come to its end. Return False where it does not run any more."""
        ...

    async def stop_batch(self, tenant: str, id: UUID, *, who: str, why: str) -> bool:
        """Let it do nothing more from the end of this transaction on. Return False where it does
        not run any more.
        """
        ...

    async def add_confirmation(self, row: ConfirmationRow, most_pending: int) -> ConfirmationRow | None:
        """Insert a confirmation.

        Returns:
            It; or the same act of the same person that waits already; or None where so many wait.
        """
        ...

    async def settle_confirmation(self, tenant: str, id: UUID, status: str, *, who: str, why: str) -> bool:
        """Note that it is confirmed or refused. Return False where it is settled or its time is
        over.
        """
        ...

    async def redrive_of(self, letter_id: UUID) -> RedriveRow | None:
        """Lock and return what is known of a letter's redrive."""
        ...

    async def put_redrive(self, before: RedriveRow | None, after: RedriveRow) -> bool:
        """Insert it, or write over what was read before. Return False where somebody else did."""
        ...
