"""What an archive keeps of a saga: its rows, and what `saga show -o json` says of it at that
moment.

`saga show` reads the journal by pages, each with a budget for payloads; so does this.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

import structlog
from pydantic import TypeAdapter

from saga_coordinator.archive.entry import Entry
from saga_coordinator.archive.port import ArchivedSaga
from saga_coordinator.inbound.refused_replies import LOOKED_BACK_US, RefusedReply, refused_replies
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.port import AttentionRow, DefinitionRow, JournalRow, SagaRow, Store, StoreError
from saga_coordinator.telemetry.log_fields import about_row
from saga_coordinator.views.journal import RecordView, record_views
from saga_coordinator.views.payloads import Payloads
from saga_coordinator.views.saga import SagaView, archived_view
from saga_coordinator.views.trace_link import ended_badly, trace_url
from saga_schemas.labels import PlainLabel, plain_labels

JOURNAL_PAGE: Final = 100
"""Records of one page of a journal, where nobody asks for another number."""
_SAGA: Final = TypeAdapter(SagaView)
_log = structlog.get_logger("archive")
_RECORDS: Final = TypeAdapter(list[RecordView])


class EntryWriter:
    """Makes the entries of finished sagas."""

    def __init__(
        self, *, store: Store, definitions: DefinitionCache, cluster_id: str, jaeger_url: str | None, failed_are_exported: bool
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._cluster_id = cluster_id
        self._jaeger_url = jaeger_url
        self._failed_are_exported = failed_are_exported
        self._rows: dict[int, DefinitionRow] = {}

    async def of(self, sagas: Sequence[ArchivedSaga]) -> list[Entry]:
        """The entries of sagas as the retention loop hands them over. Raises StoreError."""
        now_us = await self._store.now_us()
        attention = await self._store.attentions([saga.row.id for saga in sagas])
        labels = await self._store.labels_of([saga.row.id for saga in sagas])
        newest = await self._store.dead_letters(before=None, limit=1)
        may_be_refused = bool(newest) and newest[0].at_us >= now_us - LOOKED_BACK_US
        made: list[Entry] = []
        for saga in sagas:
            id = saga.row.id
            refused = await refused_replies(self._store, id, now_us) if may_be_refused else []
            made.append(await self._entry(saga, attention.get(id, []), refused, plain_labels(labels.get(id, {})), now_us))
            await asyncio.sleep(0)  # a batch of them takes long enough for others to notice
        return made

    async def _entry(
        self,
        saga: ArchivedSaga,
        attention: list[AttentionRow],
        refused: list[RefusedReply],
        labels: dict[str, PlainLabel],
        now_us: int,
    ) -> Entry:
        definition = await self._definition(saga.row.definition_id)
        pinned = definition.reader_schemas if definition is not None else {}
        known = [schema for id in sorted(set(pinned.values())) if (schema := self._definitions.catalog.by_id(id)) is not None]
        return Entry(
            saga=saga,
            attention=tuple(attention),
            view=json.dumps(
                await self._view(saga, attention, refused, definition, now_us) | {"labels": labels}, ensure_ascii=False
            ),
            definition_hash=definition.hash if definition is not None else "",
            document=definition.document.decode() if definition is not None else "",
            reader_schemas=pinned,
            schemas=tuple((schema.id, schema.canonical.decode()) for schema in known),
            cluster_id=self._cluster_id,
            archived_at_us=now_us,
        )

    async def _view(
        self,
        saga: ArchivedSaga,
        attention: list[AttentionRow],
        refused: list[RefusedReply],
        definition: DefinitionRow | None,
        now_us: int,
    ) -> dict[str, Any]:
        failed = self._failed_are_exported and ended_badly(saga.row)
        try:
            view = await archived_view(
                saga,
                attention,
                refused,
                now_us=now_us,
                definitions=self._definitions,
                definition=definition,
                trace_url=trace_url(saga.row, self._jaeger_url, failed=failed),
            )
            return self._shown(view, saga.journal)
        except StoreError:
            raise
        except Exception as error:  # a bug of ours, or rows edited by hand: it must not hold up others
            _log.error("archived_without_view", **about_row(saga.row, saga.definition), exc_info=error)
            return _bare(saga, f"no view could be made when this was archived: {type(error).__name__}")

    async def stored(self, row: SagaRow) -> Entry:
        """The entry of a finished saga of the store. Raises StoreError."""
        assert row.closed_at_us is not None, "only finished sagas have entries"
        definition = await self._definition(row.definition_id)
        saga = ArchivedSaga(
            row=row,
            journal=tuple(await self._journal(row.id)),
            definition=definition.name if definition is not None else "",
            definition_version=definition.version if definition is not None else 0,
            business_key=row.business_key,
            phase=row.phase,
            trace_id=row.trace_id,
            started_at_us=row.started_at_us,
            closed_at_us=row.closed_at_us,
        )
        (entry,) = await self.of([saga])
        return entry

    def _shown(self, view: SagaView, journal: tuple[JournalRow, ...]) -> dict[str, Any]:
        shown: dict[str, Any] = _SAGA.dump_python(view, mode="json")
        shown["journal"] = [record for page in _pages(journal) for record in self._records(page)]
        return shown

    def _records(self, page: tuple[JournalRow, ...]) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = _RECORDS.dump_python(record_views(page, Payloads(self._definitions.catalog)), mode="json")
        return records

    async def _definition(self, id: int) -> DefinitionRow | None:
        if id not in self._rows:
            self._rows |= {row.id: row for row in await self._store.definition_rows([id])}
        return self._rows.get(id)

    async def _journal(self, saga_id: UUID) -> list[JournalRow]:
        rows: list[JournalRow] = []
        while page := await self._store.journal(saga_id, after=rows[-1].version if rows else 0, limit=JOURNAL_PAGE):
            rows += page
        return rows


def _bare(saga: ArchivedSaga, note: str) -> dict[str, Any]:
    """A view that says little; the rows beside it say the rest."""
    nothing: dict[str, Any] = {field.name: None for field in fields(SagaView)}
    lists: dict[str, Any] = {name: [] for name in ("steps", "waiting", "attention", "exceptions", "paused", "left", "journal")}
    said = {"id": str(saga.row.id), "definition": saga.definition, "key": saga.business_key, "phase": saga.phase}
    return {**nothing, **lists, **said, "duration_ms": 0, "trace_id": saga.trace_id, "notes": [note]}


def _pages(journal: tuple[JournalRow, ...]) -> Iterator[tuple[JournalRow, ...]]:
    for first in range(0, len(journal), JOURNAL_PAGE):
        yield journal[first : first + JOURNAL_PAGE]
