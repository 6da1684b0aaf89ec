"""The saga that a path names, and the answer to an act on it: for routes below `/v1/sagas/{id}`."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_coordinator.api.answers import Accepted
from saga_coordinator.api.facade import Facade
from saga_coordinator.api.problems import WITH_BODY, Problem
from saga_coordinator.store.port import ImportedSaga, SagaRow
from saga_schemas.ids import valid_step

ON_SAGA: Final = ("saga_unknown", "saga_archived", "saga_imported", "finished", "unreadable", *WITH_BODY)
"""What any act on a saga may be refused with."""


async def stored_row(coordinator: Facade, text: str) -> SagaRow:
    """The saga of a path, one of this store."""
    row = await looked_up(coordinator, text)
    if isinstance(row, ImportedSaga):
        raise Problem("saga_imported")
    return row


async def looked_up(coordinator: Facade, text: str) -> SagaRow | ImportedSaga:
    """The saga of a path. A path that is no UUID names none: `?key=` looks up business keys."""
    row = await coordinator.store.saga(saga_id) if (saga_id := _uuid(text)) is not None else None
    if row is None and saga_id is not None:
        imported = (await coordinator.store.imported(coordinator.settings.tenant, [saga_id])).get(saga_id)
        if imported is None:
            raise await _elsewhere(coordinator, saga_id)
        return imported
    if row is None or row.tenant != coordinator.settings.tenant:
        raise Problem("saga_unknown")
    return row


async def _elsewhere(coordinator: Facade, saga_id: UUID) -> Problem:
    """What is known of a saga that the store does not have."""
    if coordinator.whereabouts is None:
        return Problem("saga_unknown")
    look = await coordinator.whereabouts.of(saga_id)
    if look.file is None:
        return Problem("saga_unknown", look.text)
    return Problem("saga_archived", look.text, archive=look.file)


def _uuid(text: str) -> UUID | None:
    if len(text) != 36 or not text.isascii():
        return None
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None


def step_name(text: str) -> str:
    if not valid_step(text):
        raise Problem("step_unknown")
    return text


async def accepted(coordinator: Facade, before: SagaRow) -> Accepted:
    row = await coordinator.store.saga(before.id) or before
    return Accepted(id=str(row.id), phase=row.phase)
