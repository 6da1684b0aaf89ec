"""What the retention loop asks of an archive, and what it hands over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from saga_coordinator.store.port import AttentionRow, JournalRow, SagaRow
from saga_schemas.record_class import record


class ArchiveError(Exception):
    """The archive did not do as asked: one line that says what to do. Nothing may be removed."""


@record
class ArchivedSaga:
    """One finished saga as it is stored."""

    row: SagaRow
    journal: tuple[JournalRow, ...]
    """Whole, in order of version."""
    definition_name: str
    definition_version: int
    attention: tuple[AttentionRow, ...] = ()


class Archive(Protocol):
    """A place that keeps sagas."""

    async def keep(self, sagas: Sequence[ArchivedSaga]) -> None:
        """Keep these sagas. It is durable when it returns, and may be repeated.

        Raises:
            ArchiveError: Nothing may be removed; try again later.
        """
        ...
