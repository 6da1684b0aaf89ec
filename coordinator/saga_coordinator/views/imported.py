"""What people see of an imported saga: what `saga show` said where it ran, and that it was
imported."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from saga_coordinator.archive.container import Damaged
from saga_coordinator.archive.importing import entry_of
from saga_coordinator.store.port import ImportedSaga
from saga_coordinator.views.journal import RecordView
from saga_coordinator.views.operated import ImportedView
from saga_coordinator.views.saga import SagaView
from saga_schemas.times import format_us

_SAGA: Final = TypeAdapter(SagaView)
_RECORDS: Final = TypeAdapter(list[RecordView])


class UnreadableImport(Exception):
    """Another release wrote it, or its row was edited by hand."""


def imported_view(imported: ImportedSaga) -> SagaView:
    """The view of the saga. Raises UnreadableImport."""
    mark = ImportedView(at=format_us(imported.at_us), by=imported.who, cluster_id=imported.cluster_id)
    try:
        return replace(_SAGA.validate_python(_view(imported)), imported=mark)
    except ValidationError as error:
        raise UnreadableImport(str(imported.line.id)) from error


def imported_journal(imported: ImportedSaga, *, after: int, limit: int) -> list[RecordView]:
    """The records of versions above `after`. Raises UnreadableImport."""
    try:
        records = _RECORDS.validate_python(_view(imported)["journal"])
    except (ValidationError, KeyError) as error:
        raise UnreadableImport(str(imported.line.id)) from error
    return [record for record in records if record.version > after][:limit]


def _view(imported: ImportedSaga) -> dict[str, Any]:
    try:
        view = json.loads(entry_of(imported).view)
    except (Damaged, ValueError) as error:
        raise UnreadableImport(str(imported.line.id)) from error
    if not isinstance(view, dict):
        raise UnreadableImport(str(imported.line.id))
    return view
