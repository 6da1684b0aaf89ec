"""What the API needs of acts on many sagas, of acts of two people, and of letters sent again."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from saga_coordinator.batches.jobs import RATE, BatchPreview
from saga_coordinator.store.port import BatchRow, ConfirmationRow, RedriveRow


class ManyActs(Protocol):
    """A part of the facade: `saga_coordinator.batches.facade` says more of each."""

    async def dry_run_batch(self, query: str, act: str) -> BatchPreview:
        """Raises QueryRefused, Refused."""
        ...

    async def create_batch(self, query: str, act: str, reason: str, actor: str, *, rate: int = RATE) -> BatchRow:
        """Raises QueryRefused, Refused, ConfirmationNeeded."""
        ...

    async def batches(self, *, before: UUID | None = None, limit: int = 50) -> list[BatchRow]:
        """Newest first."""
        ...

    async def batch(self, batch_id: UUID) -> BatchRow:
        """Raises Refused."""
        ...

    async def stop_batch(self, batch_id: UUID, reason: str, actor: str) -> BatchRow:
        """Raises Refused."""
        ...

    async def confirmations(self, *, pending: bool = True, before: UUID | None = None, limit: int = 50) -> list[ConfirmationRow]:
        """Newest first."""
        ...

    async def confirmation(self, confirmation_id: UUID) -> ConfirmationRow:
        """Raises Refused."""
        ...

    async def confirm(self, confirmation_id: UUID, reason: str, actor: str) -> ConfirmationRow:
        """Raises Refused, SagaUnknown, QueryRefused."""
        ...

    async def refuse_confirmation(self, confirmation_id: UUID, reason: str, actor: str) -> ConfirmationRow:
        """Raises Refused."""
        ...

    async def redrive_dead_letter(self, letter_id: UUID, reason: str, actor: str, *, again: bool = False) -> RedriveRow:
        """Raises Refused, BrokerError."""
        ...
