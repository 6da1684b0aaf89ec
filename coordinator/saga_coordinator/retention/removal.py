"""One batch of finished sagas is removed: archived first, then removed in one transaction.

A finished saga never changes again, so nothing is locked while it is archived. A crash in between
leaves it in both places, and the archive gets it once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import structlog

from saga_coordinator.archive.port import Archive, ArchivedSaga, ArchiveError
from saga_coordinator.definitions.retention import Action, Shelf, Terms
from saga_coordinator.engine.encoding import FORMAT, encode_saga
from saga_coordinator.failures import comes_again, error_fields
from saga_coordinator.sagas.stored_saga import read_saga
from saga_coordinator.store.port import SagaRow, Store
from saga_coordinator.store.removal_port import FinishedSaga, Leaving, Removed, Stripped

BATCH_SAGAS: Final = 100
BATCH_RECORDS: Final = 2_000
"""Journal records of one batch; a saga with more goes alone."""
HORIZON: Final = "horizon"
RECOVERY: Final = "recovery"
UNREADABLE: Final = "unreadable"
"""What holds a saga: the horizon does not cover it, a restore is not yet dealt with, or an error
that comes again, which is in the log.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """Who removes by hand, and why."""

    who: str
    why: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of the first of some sagas."""

    looked_at: Sequence[FinishedSaga]
    removed: Removed


class Removal:
    """Removes sagas, or their journals alone."""

    def __init__(self, store: Store, archive: Archive | None) -> None:
        self._store = store
        self._archive = archive
        self._log = structlog.get_logger("retention")

    async def take(self, action: Action, sagas: Sequence[FinishedSaga], terms: Terms, audited: Audited | None = None) -> Taken:
        """Remove the first of these sagas, as many as fit one batch, by one definition's terms.

        One that the stored horizon does not cover stays: a participant may still be asked about
        it, or a backup bring it back. One that cannot be removed stays, too, and keeps no other:
        where they do not go together, each is tried alone.

        Raises:
            ArchiveError: Nothing is removed, or the first few.
            StoreError: The same, or nobody knows; the same may be tried again.
        """
        try:
            return await self._take(action, sagas, terms, audited)
        except Exception as error:
            if not _is_of_a_saga(error):
                raise
        looked_at = sagas[:BATCH_SAGAS]
        gone: list[UUID] = []
        rows, held = 0, Counter[str]()
        for saga in looked_at:
            one = await self._take_alone(action, saga, terms, audited)
            gone += one.sagas
            rows += one.rows
            held.update(one.held)
        return Taken(looked_at=looked_at, removed=Removed(sagas=tuple(gone), rows=rows, held=held))

    async def _take_alone(self, action: Action, saga: FinishedSaga, terms: Terms, audited: Audited | None) -> Removed:
        try:
            return (await self._take(action, [saga], terms, audited)).removed
        except Exception as error:
            if not _is_of_a_saga(error):
                raise
            about = {"saga": str(saga.id), "definition": saga.definition, "trace_id": saga.trace_id}
            self._log.error("saga_not_removed", **about, **error_fields(error))
            return Removed(held={UNREADABLE: 1})

    async def _take(self, action: Action, sagas: Sequence[FinishedSaga], terms: Terms, audited: Audited | None) -> Taken:
        rows = await self._store.sagas([saga.id for saga in sagas[:BATCH_SAGAS]])
        batch = _fitting(sagas[:BATCH_SAGAS], rows)
        horizon = await self._store.horizon(sagas[0].tenant)
        if horizon.recovering:
            return Taken(looked_at=batch, removed=Removed(held={RECOVERY: len(batch)}))
        going = batch if action == "strip" else [saga for saga in batch if horizon.lets_go(saga.id)]
        await self._keep(going, rows)
        if action == "strip":
            removed = await self._strip([saga for saga in going if saga.id in rows], rows)
        else:
            removed = await self._remove(going, terms, audited)
        covered = {} if len(going) == len(batch) else {HORIZON: len(batch) - len(going)}
        return Taken(looked_at=batch, removed=replace(removed, held={**removed.held, **covered}))

    async def _keep(self, batch: Sequence[FinishedSaga], rows: Mapping[UUID, SagaRow]) -> None:
        """Archive them. One without its journal was archived when that was removed."""
        whole = [saga for saga in batch if saga.id in rows and saga.shelf != Shelf.STRIPPED]
        if self._archive is None or not whole:
            return
        journals = await self._store.journals([saga.id for saga in whole])
        await self._archive.keep(
            [
                ArchivedSaga(
                    row=rows[saga.id],
                    journal=tuple(journals[saga.id]),
                    definition=saga.definition,
                    definition_version=saga.definition_version,
                    business_key=saga.business_key,
                    phase=saga.phase,
                    trace_id=saga.trace_id,
                    started_at_us=saga.started_at_us,
                    closed_at_us=saga.closed_at_us,
                )
                for saga in whole
            ]
        )

    async def _remove(self, batch: Sequence[FinishedSaga], terms: Terms, audited: Audited | None) -> Removed:
        leaving = [Leaving(saga=saga, keys_until_us=terms.keys_until_us(Shelf(saga.shelf), saga.closed_at_us)) for saga in batch]
        async with self._store.transaction() as tx:
            removed = await tx.remove_sagas(leaving)
            if audited is not None and removed.sagas:
                target = f"{audited.target}: {len(removed.sagas)} sagas"
                tenant = batch[0].tenant
                await tx.add_audit(tenant=tenant, act="purge", target=target, who=audited.who, why=audited.why, at_us=tx.now_us)
        return removed

    async def _strip(self, batch: Sequence[FinishedSaga], rows: Mapping[UUID, SagaRow]) -> Removed:
        stripped = [
            Stripped(
                saga=saga,
                version=rows[saga.id].version,
                state_format=FORMAT,
                state=encode_saga(await read_saga(self._store, rows[saga.id])),
            )
            for saga in batch
        ]
        async with self._store.transaction() as tx:
            return await tx.strip_sagas(stripped)


def _is_of_a_saga(error: Exception) -> bool:
    """Whether a saga is to blame, and no service that is away."""
    return comes_again(error) and not isinstance(error, ArchiveError)


def _fitting(sagas: Sequence[FinishedSaga], rows: Mapping[UUID, SagaRow]) -> Sequence[FinishedSaga]:
    """The first ones, with so many journal records that a batch may have, and at least one."""
    records = 0
    for count, saga in enumerate(sagas):
        records += rows[saga.id].version if saga.id in rows else 0
        if count and records > BATCH_RECORDS:
            return sagas[:count]
    return sagas
