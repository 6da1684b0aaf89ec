"""Sagas of a file taken into a store, for reading only: all of them, or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from saga_coordinator.archive.container import read_container, write_container
from saga_coordinator.archive.entry import Entry
from saga_coordinator.store.port import ImportedSaga, Listed, SagaRow, Store
from saga_coordinator.store.schema import FINAL_PHASES
from saga_schemas.labels import LabelValue, labels_of
from saga_schemas.record_class import record


class ImportRefused(Exception):
    """Nothing was imported; the message says why."""

    def __init__(self, why: str, saga_id: UUID) -> None:
        super().__init__(why)
        self.saga_id = saga_id


@record
class Imported:
    """What became of the sagas of a file."""

    taken: tuple[UUID, ...]
    known: tuple[UUID, ...]
    """They were there before, with the same content."""


async def import_entries(store: Store, entries: Sequence[Entry], *, tenant: str, who: str, why: str) -> Imported:
    """Take sagas in.

    Raises:
        ImportRefused: One of them is here already with other content, or is no finished saga.
        StoreError: The database does not do as asked.
    """
    wanted: dict[UUID, Entry] = {}
    for entry in entries:
        _check_finished(entry)
        if not _same_sagas(wanted.setdefault(entry.id, entry), entry):
            raise ImportRefused("the file has it twice, with different content", entry.id)
    known = await _known(store, wanted, tenant)
    new = [entry for id, entry in wanted.items() if id not in known]
    if new:
        async with store.transaction() as tx:
            await tx.add_imported([_imported(entry, tenant, who, tx.now_us) for entry in new])
            target = f"{len(new)} sagas, first {new[0].id}"
            await tx.add_audit(tenant=tenant, act="import", target=target, who=who, why=why, at_us=tx.now_us)
    return Imported(taken=tuple(entry.id for entry in new), known=tuple(sorted(known)))


def entry_of(imported: ImportedSaga) -> Entry:
    """The entry of an imported saga. Raises Damaged where its row was edited by hand."""
    (entry,) = read_container(imported.content)
    return entry


async def _known(store: Store, wanted: dict[UUID, Entry], tenant: str) -> set[UUID]:
    """Those that are here already. Raises ImportRefused where one has other content."""
    own, imported = await store.sagas(list(wanted)), await store.imported(tenant, list(wanted))
    for id, row in own.items():
        if not _same_rows(row, wanted[id].saga.row):
            raise ImportRefused("a saga of this store has its id, and other content", id)
    for id, saga in imported.items():
        if not _same_sagas(entry_of(saga), wanted[id]):
            raise ImportRefused("it was imported before with other content", id)
    return {*own, *imported}


def _check_finished(entry: Entry) -> None:
    if entry.saga.row.phase not in FINAL_PHASES:
        raise ImportRefused("it is not finished", entry.id)


def _same_rows(one: SagaRow, other: SagaRow) -> bool:
    """Equal fingerprints of facts, equal journals."""
    return (one.version, one.facts_print, one.phase) == (other.version, other.facts_print, other.phase)


def _same_sagas(one: Entry, other: Entry) -> bool:
    """Views may differ: the same saga may have been exported twice."""
    return one.saga == other.saga and one.definition_hash == other.definition_hash


def _imported(entry: Entry, tenant: str, who: str, now_us: int) -> ImportedSaga:
    saga, row = entry.saga, entry.saga.row
    line = Listed(
        id=row.id,
        tenant=tenant,
        definition=saga.definition,
        definition_version=saga.definition_version,
        business_key=row.business_key,
        phase=row.phase,
        attention=(),
        started_at_us=row.started_at_us,
        closed_at_us=entry.closed_at_us,
        version=row.version,
        trace_id=row.trace_id,
        imported=True,
        labels=_labels(entry),
    )
    return ImportedSaga(line=line, at_us=now_us, who=who, cluster_id=entry.cluster_id, content=write_container([entry]))


def _labels(entry: Entry) -> dict[str, LabelValue]:
    """As its view has them: one of a release that knew none, or that cannot be read, has none."""
    try:
        return labels_of(json.loads(entry.view)["labels"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
