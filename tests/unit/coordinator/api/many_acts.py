"""The part of a scripted coordinator that acts on many sagas, asks a second person, and sends
letters again: it notes what it is asked, or raises what the test says."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from saga_coordinator.batches.acts import ACTS
from saga_coordinator.batches.jobs import BatchPreview
from saga_coordinator.store.port import BatchRow, ConfirmationRow, RedriveRow

BATCH = UUID("019b0000-0000-7000-8000-00000000ba7c")
CONFIRMATION = UUID("019b0000-0000-7000-8000-00000000c0f1")
LETTER = UUID("019b0000-0000-7000-8000-00000000dead")
AT_US = 1_700_000_000_000_000


def batch_row(**more: Any) -> BatchRow:
    given: dict[str, Any] = {"act": "cancel", "query": "open = true", "why": "a reason", "who": "ada", "rate": 20, "found": 3}
    times = {"created_at_us": AT_US, "moved_at_us": AT_US}
    return BatchRow(**{"id": BATCH, "tenant": "default", "place": UUID(int=9), **given, **times, **more})


def confirmation_row(**more: Any) -> ConfirmationRow:
    given: dict[str, Any] = {"act": "waive", "target": "step charge", "arguments": "{}", "who": "ada", "why": "a reason"}
    times = {"asked_at_us": AT_US, "expires_at_us": AT_US + 1}
    return ConfirmationRow(**{"id": CONFIRMATION, "tenant": "default", **given, **times, **more})


class ScriptedManyActs:
    """A part of `ScriptedCoordinator`."""

    acts: list[tuple[object, ...]]
    raises: Exception | None

    async def dry_run_batch(self, query: str, act: str) -> BatchPreview:
        self._asked("dry run", query, act)
        return BatchPreview(act=ACTS[act], found=3, sample=[])

    async def create_batch(self, query: str, act: str, reason: str, actor: str, *, rate: int = 20) -> BatchRow:
        self._asked("batch", query, act, reason, actor, rate)
        return batch_row()

    async def batches(self, *, before: UUID | None = None, limit: int = 50) -> list[BatchRow]:
        self._asked("batches", before, limit)
        return [batch_row()]

    async def batch(self, batch_id: UUID) -> BatchRow:
        self._asked("show batch", batch_id)
        return batch_row()

    async def stop_batch(self, batch_id: UUID, reason: str, actor: str) -> BatchRow:
        self._asked("stop batch", batch_id, reason, actor)
        return batch_row(status="stopped", stopped_by=actor, stopped_why=reason, ended_at_us=AT_US)

    async def confirmations(self, *, pending: bool = True, before: UUID | None = None, limit: int = 50) -> list[ConfirmationRow]:
        self._asked("confirmations", pending, before, limit)
        return [confirmation_row()]

    async def confirmation(self, confirmation_id: UUID) -> ConfirmationRow:
        self._asked("show confirmation", confirmation_id)
        return confirmation_row()

    async def confirm(self, confirmation_id: UUID, reason: str, actor: str) -> ConfirmationRow:
        self._asked("confirm", confirmation_id, reason, actor)
        return confirmation_row(status="confirmed", settled_at_us=AT_US, settled_by=actor, settled_why=reason)

    async def refuse_confirmation(self, confirmation_id: UUID, reason: str, actor: str) -> ConfirmationRow:
        self._asked("refuse", confirmation_id, reason, actor)
        return confirmation_row(status="refused", settled_at_us=AT_US, settled_by=actor, settled_why=reason)

    async def redrive_dead_letter(self, letter_id: UUID, reason: str, actor: str, *, again: bool = False) -> RedriveRow:
        self._asked("redrive", letter_id, reason, actor, again)
        return RedriveRow(letter_id=letter_id, tries=1, asked_at_us=AT_US, who=actor, why=reason, sent_at_us=AT_US)

    def _asked(self, *what: object) -> None:
        if self.raises is not None:
            raise self.raises
        self.acts.append(what)
