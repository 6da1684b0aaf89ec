"""The archive port: whoever keeps finished sagas somewhere else before they are removed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from saga_coordinator.store.port import JournalRow, SagaRow


class ArchiveError(Exception):
    """The archive did not take the sagas; the message says why, in one line and without a payload.

    Nothing is removed. The same sagas come again later.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedSaga:
    """A finished saga with all that is known of it."""

    row: SagaRow
    journal: tuple[JournalRow, ...]
    """All its records, in order of version."""
    definition: str
    definition_version: int
    business_key: str | None
    phase: str
    trace_id: str
    started_at_us: int
    closed_at_us: int


class Archive(Protocol):
    """Keeps sagas for good."""

    async def keep(self, sagas: Sequence[ArchivedSaga]) -> None:
        """Write these sagas, durably when it returns.

        The same saga may come again, after a crash between this and its removal.

        Raises:
            ArchiveError: They are not, or not all, written.
        """
        ...
