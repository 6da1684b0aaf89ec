"""What may be asked of batches: what one would do, to begin it, how far it is, to stop it.

A batch is a row. It goes from the youngest saga that was there when it was made to the oldest, and
remembers the place that it has come to. So it needs no list of its sagas, and a saga that starts
later is none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.batches.acts import Act, By, Events, act_named
from saga_coordinator.batches.operating import Along, Changes, EventsOf, Operating
from saga_coordinator.batches.pinning import pinned
from saga_coordinator.engine.events import Event, Refused
from saga_coordinator.query import Query
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.starts.requests import SagaUnknown, StartRefused
from saga_coordinator.starts.restarting import Restarts
from saga_coordinator.store.identifiers import first_id, new_id
from saga_coordinator.store.port import BatchRow, SagaRow, Store
from saga_schemas.record_class import record

FOUND_MOST: Final = 100_000
"""Sagas of one batch."""
OPEN_MOST: Final = 10
"""Batches that run at a time."""
SAMPLE: Final = 10
"""Sagas on which a dry run tries the act."""
RATE: Final = 20
RATE_MOST: Final = 200
"""Sagas a second."""
_PREVIEW: Final = "preview"
_MS_US: Final = 1000


@record
class Tried:
    """What the act would do to one saga."""

    saga: SagaRow
    definition: str
    version: int
    refused: str | None = None
    """The code; None: it would be done."""
    detail: str | None = None
    changes: Changes | None = None
    """None: it would be refused."""


@record
class BatchPreview:
    """What a batch would do."""

    act: Act
    found: int
    """Sagas that match, counted up to FOUND_MOST + 1."""
    sample: Sequence[Tried]
    """The youngest of them."""


class BatchJobs:
    """Batches of one tenant."""

    def __init__(self, store: Store, operating: Operating, restarts: Restarts, tenant: str) -> None:
        self._store = store
        self._operating = operating
        self._restarts = restarts
        self._tenant = tenant
        self.stirred = asyncio.Event()
        """Set when a batch was made here: the loop need not wait until it looks again."""

    async def preview(self, query: str, act: str) -> BatchPreview:
        """What a batch of this act would do; nothing is changed.

        Raises:
            QueryRefused, Refused (act_unknown), StoreError.
        """
        wanted = act_named(act)
        now_us = await self._store.now_us()
        meant = pinned(query, now_us)
        found = await self._count(meant)
        ids = await self._store.matching_ids(self._tenant, meant, after=above(now_us), limit=SAMPLE)
        rows = await self._store.sagas(ids)
        names = {row.id: row for row in await self._store.definition_rows({row.definition_id for row in rows.values()})}
        by = By(actor=_PREVIEW, reason=_PREVIEW)
        sample: list[Tried] = []
        for row in (rows[id] for id in ids if id in rows):
            named = names[row.definition_id]
            sample.append(await self._tried(row, named.name, named.version, wanted, by))
        return BatchPreview(act=wanted, found=found, sample=sample)

    async def _tried(self, row: SagaRow, definition: str, version: int, act: Act, by: By) -> Tried:
        try:
            changes = await self._changes(row, act, by)
        except (Refused, StartRefused) as refused:
            return Tried(saga=row, definition=definition, version=version, refused=refused.code, detail=refused.detail)
        except SagaUnknown:
            return Tried(saga=row, definition=definition, version=version, refused="saga_unknown", detail="it was removed")
        return Tried(saga=row, definition=definition, version=version, changes=changes)

    async def _changes(self, row: SagaRow, act: Act, by: By) -> Changes:
        if act.events is not None:
            return await self._operating.rehearse(row.id, events_of(act.events, by), by.actor)
        await self._restarts.prepared(row.id)
        return Changes(phase=(row.phase, row.phase), steps={})

    async def checked(self, query: str, act: str) -> int:
        """How many sagas a batch would come to.

        Raises:
            QueryRefused, StoreError: As `preview`.
            Refused: act_unknown, nothing_matches, batch_too_large.
        """
        act_named(act)
        found = await self._count(pinned(query, await self._store.now_us()))
        if not found:
            raise Refused("nothing_matches", "no saga matches the query")
        if found > FOUND_MOST:
            raise Refused("batch_too_large", f"more than {FOUND_MOST} sagas match: narrow the query")
        return found

    async def create(
        self, query: str, act: str, *, rate: int, who: str, why: str, id: UUID | None = None, along: Along | None = None
    ) -> BatchRow:
        """Begin a batch.

        Args:
            query: Which sagas.
            act: What is done to each.
            rate: Sagas a second, at most.
            who: Who does it.
            why: Why.
            id: Its id, where it has one already; a batch that is there stays as it is.
            along: What else is done in the transaction.

        Raises:
            As `checked`, and Refused (batches_full).
        """
        found = await self.checked(query, act)
        async with self._store.transaction() as tx:
            made = BatchRow(
                id=id or new_id(tx.now_us),
                tenant=self._tenant,
                act=act,
                query=query,
                why=why,
                who=who,
                rate=rate,
                found=found,
                created_at_us=tx.now_us,
                place=above(tx.now_us),
                moved_at_us=tx.now_us,
            )
            if along is not None:
                await along(tx)
            if not await tx.add_batch(made, OPEN_MOST):
                raise Refused("batches_full", f"{OPEN_MOST} batches run already: wait for one, or stop one")
            target = f"{made.id}: {query}"
            await tx.add_audit(tenant=self._tenant, act=f"batch {act}", target=target, who=who, why=why, at_us=tx.now_us)
        self.stirred.set()
        return made

    async def stop(self, id: UUID, *, who: str, why: str) -> BatchRow:
        """Let a batch do nothing more. What it has done stays.

        Raises:
            Refused (batch_unknown, batch_over), StoreError.
        """
        async with self._store.transaction() as tx:
            is_stopped = await tx.stop_batch(self._tenant, id, who=who, why=why)
            if is_stopped:
                await tx.add_audit(tenant=self._tenant, act="batch stop", target=str(id), who=who, why=why, at_us=tx.now_us)
        found = await self.one(id)
        if not is_stopped:
            raise Refused("batch_over", f"the batch is {found.status} already")
        return found

    async def one(self, id: UUID) -> BatchRow:
        """A batch. Raises Refused (batch_unknown), StoreError."""
        found = await self._store.batch(self._tenant, id)
        if found is None:
            raise Refused("batch_unknown", "there is no such batch")
        return found

    async def newest(self, *, before: UUID | None, limit: int) -> list[BatchRow]:
        """A page of batches, newest first. Raises StoreError."""
        return await self._store.batches(self._tenant, before=before, limit=limit)

    async def _count(self, query: Query) -> int:
        return await self._store.count_sagas(self._tenant, query, FOUND_MOST, imported=False)


def above(now_us: int) -> UUID:
    """An id above those of all sagas that have started."""
    return first_id(now_us + _MS_US)


def events_of(given: Events, by: By) -> EventsOf:
    """What an act gives to a saga, as `Operating` asks for it."""

    def events(work: SagaWork) -> Sequence[Event]:
        assert work.saga is not None, "a saga that is acted on has begun"
        return given(work.compiled.definition, work.saga, by)

    return events
