"""One saga as it is read for its page: from the store, or from what it was imported with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from saga_coordinator.api.facade import Facade
from saga_coordinator.api.problems import Problem
from saga_coordinator.api.saga_paths import looked_up
from saga_coordinator.api.saga_routes import view_of
from saga_coordinator.archive.importing import entry_of
from saga_coordinator.console.saga.exchanges import rows_about
from saga_coordinator.console.saga.plan import StepPlan, read_plan
from saga_coordinator.diagnosis.view import Diagnosis, diagnosis_of
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.registry.definition_cache import DefinitionMissing
from saga_coordinator.sagas.stored_saga import read_saga
from saga_coordinator.store.port import DeadLetter, ImportedSaga, JournalRow, SagaRow
from saga_coordinator.views.imported import UnreadableImport, imported_journal, imported_view
from saga_coordinator.views.journal import RecordView, record_views
from saga_coordinator.views.payloads import Payloads
from saga_coordinator.views.preview import PreviewedAct, PreviewView, preview
from saga_coordinator.views.saga import SagaView, StepView
from saga_coordinator.views.step_history import read_journal
from saga_schemas.ids import saga_key
from saga_schemas.record_class import record

_LETTERS_MOST: Final = 20
_DAY_US: Final = 24 * 3600 * 1_000_000
_RECORDS_MOST: Final = 2_000
"""Of a saga that is downloaded."""
_PAGE: Final = 100
_VIEW: Final = TypeAdapter(SagaView)
_RECORDS: Final = TypeAdapter(list[RecordView])


@record
class Story:
    """One saga."""

    id: UUID
    view: SagaView
    plans: Mapping[str, StepPlan]
    row: SagaRow | None
    """None: it was imported."""
    rows: tuple[JournalRow, ...]
    """The journal of a saga of this store, as far as it was read."""
    records: tuple[RecordView, ...]
    """The whole journal of an imported saga."""

    @property
    def version(self) -> int:
        """The last record of its journal."""
        return self.row.version if self.row is not None else max((one.version for one in self.records), default=0)


async def read_story(coordinator: Facade, text: str) -> Story:
    """Everything that the page of a saga is made of.

    Raises:
        Problem: There is no such saga here, or it cannot be shown; it says what to do.
        StoreError: The database cannot be read.
    """
    found = await _found(coordinator, text)
    if isinstance(found, ImportedSaga):
        try:
            return await asyncio.to_thread(_imported, found)
        except UnreadableImport:
            detail = "It was imported from a release that this one cannot read, or its row was edited: import its file again."
            raise Problem("unreadable", detail) from None
    journal = await read_journal(coordinator.store, found)
    view = await view_of(coordinator, found, journal)
    definition = next(iter(await coordinator.store.definition_rows([found.definition_id])), None)
    plans = read_plan(definition.document if definition is not None else None, view)
    return Story(
        id=found.id,
        view=view,
        plans=plans,
        row=found,
        rows=journal.rows,
        records=(),
    )


async def _found(coordinator: Facade, text: str) -> SagaRow | ImportedSaga:
    try:
        return await looked_up(coordinator, text)
    except Problem as problem:
        if problem.code == "saga_unknown" and problem.explanation is None:
            detail = (
                "No saga of this store has this id. If it ended long ago, it may have been removed; a key or a query in the "
                "search above finds the sagas that are here."
            )
            raise Problem("saga_unknown", detail) from None
        raise


def _imported(found: ImportedSaga) -> Story:
    view = imported_view(found)
    records = tuple(imported_journal(found, after=0, limit=1_000_000))
    plans = read_plan(entry_of(found).document, view)
    return Story(id=UUID(view.id), view=view, plans=plans, row=None, rows=(), records=records)


async def journal_page(coordinator: Facade, story: Story, *, before: int, limit: int) -> list[RecordView]:
    """The records of the versions below `before`, newest last."""
    after = max(before - 1 - limit, 0)
    if story.row is None:
        return [one for one in story.records if after < one.version < before]
    rows = await coordinator.store.journal(story.id, after=after, limit=before - 1 - after) if before > 1 else []
    return record_views(rows, Payloads(coordinator.definitions.catalog))


def records_of(coordinator: Facade, story: Story, step: StepView) -> Sequence[RecordView]:
    """The records with the commands and replies of a step that its view shows."""
    if story.row is None:
        return story.records
    return record_views(rows_about(story.rows, step), Payloads(coordinator.definitions.catalog))


async def what_would_happen(coordinator: Facade, story: Story, act: PreviewedAct) -> PreviewView | None:
    """What the act would do if it came now; None: nobody can say. Raises StoreError."""
    if story.row is None:
        return None
    try:
        definition = (await coordinator.definitions.get(story.row.definition_id)).definition
        saga = await read_saga(coordinator.store, story.row)
    except (DefinitionMissing, UnreadableState):
        return None
    return preview(act, definition, saga, await coordinator.store.now_us())


async def diagnosed(coordinator: Facade, story: Story) -> Diagnosis | None:
    """Why an open saga does not move; None of one that is finished. Raises StoreError."""
    if story.row is None or story.row.closed_at_us is not None:
        return None
    return await diagnosis_of(coordinator, story.row)


async def dead_letters(coordinator: Facade, story: Story) -> list[DeadLetter]:
    """Records of the last day about this saga that could not be read, newest first."""
    if story.row is None:
        return []
    since = max(story.row.started_at_us, await coordinator.store.now_us() - _DAY_US)
    return await coordinator.store.dead_letters_of(saga_key(story.id), since_us=since, limit=_LETTERS_MOST)


async def whole(coordinator: Facade, story: Story) -> dict[str, Any]:
    """What `saga show -o json` prints; of a very long journal the beginning."""
    records = list(story.records[:_RECORDS_MOST])
    while story.row is not None and len(records) < _RECORDS_MOST:
        after = records[-1].version if records else 0
        page = record_views(
            await coordinator.store.journal(story.id, after=after, limit=_PAGE), Payloads(coordinator.definitions.catalog)
        )
        records += page
        if len(page) < _PAGE:
            break
    shown: dict[str, Any] = _VIEW.dump_python(story.view, mode="json")
    return {
        **shown,
        "journal": _RECORDS.dump_python(records, mode="json"),
        "journal_omitted": max(story.version - len(records), 0),
    }
