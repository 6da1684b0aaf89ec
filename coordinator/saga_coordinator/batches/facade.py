"""The part of a coordinator's facade for acts on many sagas, acts of two people, and letters that
are sent again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from saga_coordinator.batches.jobs import RATE, BatchJobs, BatchPreview
from saga_coordinator.batches.operating import Operating
from saga_coordinator.confirmations.gate import Confirmations, Settle
from saga_coordinator.inbound.redriving import Redriving
from saga_coordinator.store.port import BatchRow, ConfirmationRow, RedriveRow

BATCH: Final = "batch"
"""The act of two people that any batch is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActParts:
    """What acts are done by."""

    operating: Operating
    jobs: BatchJobs
    gate: Confirmations
    redriving: Redriving


class BatchFacade(ABC):
    """What a coordinator does about them. Each act is audited with who and why."""

    def __init__(self, parts: ActParts) -> None:
        self._operating = parts.operating
        self._jobs = parts.jobs
        self._gate = parts.gate
        self._redriving = parts.redriving

    @abstractmethod
    async def _do_confirmed(self, confirmation: ConfirmationRow, settle: Settle) -> None:
        """Do the act that was confirmed, with this in its transaction."""

    # --- acts on many sagas -----------------------------------------------------------------------

    async def dry_run_batch(self, query: str, act: str) -> BatchPreview:
        """Raises QueryRefused, Refused (act_unknown), StoreError."""
        return await self._jobs.preview(query, act)

    async def create_batch(self, query: str, act: str, reason: str, actor: str, *, rate: int = RATE) -> BatchRow:
        """Begin a batch of an act on all sagas that a query matches now.

        Raises:
            QueryRefused, StoreError.
            Refused: act_unknown, nothing_matches, batch_too_large, batches_full.
            ConfirmationNeeded: A batch, or this act, needs a second person.
        """
        if self._gate.needed(BATCH, act):
            found = await self._jobs.checked(query, act)
            arguments = {"query": query, "act": act, "rate": rate}
            await self._gate.ask(BATCH, f"{act} of {found} sagas: {query}", arguments, who=actor, why=reason)
        return await self._jobs.create(query, act, rate=rate, who=actor, why=reason)

    async def batches(self, *, before: UUID | None = None, limit: int = 50) -> list[BatchRow]:
        """Newest first. Raises StoreError."""
        return await self._jobs.newest(before=before, limit=limit)

    async def batch(self, batch_id: UUID) -> BatchRow:
        """Raises Refused (batch_unknown), StoreError."""
        return await self._jobs.one(batch_id)

    async def stop_batch(self, batch_id: UUID, reason: str, actor: str) -> BatchRow:
        """Raises Refused (batch_unknown, batch_over), StoreError."""
        return await self._jobs.stop(batch_id, who=actor, why=reason)

    # --- acts of two people -----------------------------------------------------------------------

    async def confirmations(self, *, pending: bool = True, before: UUID | None = None, limit: int = 50) -> list[ConfirmationRow]:
        """Newest first; `pending`: only those that may still be confirmed. Raises StoreError."""
        return await self._gate.newest(pending=pending, before=before, limit=limit)

    async def confirmation(self, confirmation_id: UUID) -> ConfirmationRow:
        """Raises Refused (confirmation_unknown), StoreError."""
        return await self._gate.one(confirmation_id)

    async def confirm(self, confirmation_id: UUID, reason: str, actor: str) -> ConfirmationRow:
        """Do an act that somebody else asked for.

        Raises:
            Refused: confirmation_unknown, confirmation_over, actor_needed, same_actor, or what the
                act raises; then it goes on waiting.
            SagaUnknown, QueryRefused, StoreError: As the act does.
        """
        found = await self._gate.confirmable(confirmation_id, actor)
        await self._do_confirmed(found, self._gate.settling(found, actor, reason))
        return await self._gate.one(confirmation_id)

    async def refuse_confirmation(self, confirmation_id: UUID, reason: str, actor: str) -> ConfirmationRow:
        """Raises Refused (confirmation_unknown, confirmation_over, actor_needed), StoreError."""
        return await self._gate.refuse(confirmation_id, who=actor, why=reason)

    # --- letters that are sent again --------------------------------------------------------------

    async def redrive_dead_letter(self, letter_id: UUID, reason: str, actor: str, *, again: bool = False) -> RedriveRow:
        """Send a dead letter again to where it came from; `again`: also a second time.

        Raises:
            Refused, BrokerError, StoreError: As `Redriving.redrive` does.
        """
        return await self._redriving.redrive(letter_id, again=again, who=actor, why=reason)
