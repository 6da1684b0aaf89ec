"""One page of a participant's rows, as it comes: what belongs to no saga goes on the list, and the
sweep moves on, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

import structlog

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.port import LostEffect, ParticipantSweep, Store, StoreError, Transaction
from saga_coordinator.sweep.rows import Owned, check_page, lost_effects
from saga_coordinator.telemetry.instruments import Instruments
from saga_schemas.headers import AnnouncementAnswerHeaders
from saga_schemas.ids import uuid7_unix_ms
from saga_schemas.inbound import AnnouncementAnswer
from saga_schemas.records import SweptRows


class _Overtaken(StoreError):
    """Another instance has read the same page."""


class SweptPages:
    """Takes pages in."""

    def __init__(
        self,
        *,
        store: Store,
        definitions: DefinitionCache,
        tenant: str,
        instruments: Instruments,
        moved: Callable[[], None],
    ) -> None:
        """`moved`: is called when a sweep has moved on; it must not wait."""
        self._store = store
        self._definitions = definitions
        self._tenant = tenant
        self._instruments = instruments
        self._moved = moved
        self._log = structlog.get_logger("sweep")

    async def take(self, participant: str, answer: AnnouncementAnswer) -> None:
        """Read a page. One that nobody waits for, or not any more, changes nothing.

        Raises:
            BadMessage: It is no page of this sweep.
            StoreError: Nothing happened.
        """
        headers, page = answer.headers, answer.content
        assert isinstance(page, SweptRows), "the kind of the headers says so"
        asked = await self._asked(participant, headers, page)
        if asked is None:
            return
        check_page(page, asked)
        try:
            async with self._store.transaction() as tx:
                lost = await self._read(tx, participant, page)
                await tx.add_lost(self._tenant, lost)
                after = None if page.next is None else (page.next.saga_id, page.next.step)
                if not await tx.move_sweep(self._tenant, asked, after=after, told=len(page.rows)):
                    raise _Overtaken("the sweep is further")
        except _Overtaken:
            return
        self._note(asked, page, lost)
        self._moved()

    async def _asked(self, participant: str, headers: AnnouncementAnswerHeaders, page: SweptRows) -> ParticipantSweep | None:
        """The sweep that waits for this page."""
        after = None if page.after is None else (page.after.saga_id, page.after.step)
        for one in await self._store.sweeps(self._tenant):
            if one.participant == participant and one.done_at_us is None:
                return one if (one.incarnation, one.after) == (headers.incarnation, after) else None
        return None

    async def _read(self, tx: Transaction, participant: str, page: SweptRows) -> list[LostEffect]:
        ids = {row.saga_id for row in page.rows}
        owned = await self._owned(await tx.definitions_of(ids))
        horizon = (await tx.horizon(self._tenant)).horizon
        removed_until_ms = await tx.removed_until_ms(self._tenant)

        def finished(saga_id: UUID) -> bool:
            return horizon.covers(saga_id) or uuid7_unix_ms(saga_id) <= removed_until_ms

        return [*lost_effects(page.rows, participant=participant, owned=owned, finished=finished, now_us=tx.now_us)]

    async def _owned(self, definitions: Mapping[UUID, int]) -> Owned:
        loaded = await self._definitions.load(definitions.values())
        steps = {
            definition_id: frozenset((step.name, step.participant) for step in compiled.definition.steps)
            for definition_id, compiled in loaded.items()
            if isinstance(compiled, CompiledDefinition)
        }
        return {saga_id: steps.get(definition_id) for saga_id, definition_id in definitions.items()}

    def _note(self, asked: ParticipantSweep, page: SweptRows, lost: list[LostEffect]) -> None:
        self._instruments.told(asked.participant, len(page.rows), len(lost))
        if lost:
            self._log.warning("lost_effects", participant=asked.participant, count=len(lost))
        if page.next is None:
            self._log.info("participant_swept", participant=asked.participant, rows=asked.told + len(page.rows))
