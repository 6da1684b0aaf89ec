"""A participant's rows beside the sagas: rows that do not fit a step, and rows of no saga."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol
from uuid import UUID

from saga_coordinator.doctor.damage import Damage, DamageKind
from saga_coordinator.doctor.examination import Examination, ParticipantRows, Rows
from saga_coordinator.doctor.pace import Pace
from saga_coordinator.store.port import Store

PAGE: Final = 500


class AllRows(ParticipantRows, Protocol):
    """A participant's database, read from its beginning to its end."""

    async def page(self, *, after: tuple[UUID, str] | None, limit: int) -> Rows:
        """Return the tenant's next rows by saga and step."""
        ...


class BarrierExamination:
    """One participant."""

    def __init__(self, store: Store, rows: AllRows, *, tenant: str, participant: str, pace: Pace) -> None:
        self._store, self._rows, self._pace = store, rows, pace
        self._tenant, self._participant = tenant, participant
        self._steps = Examination(store, rows, tenant=tenant, participant=participant)
        self.rows = 0

    @property
    def moving(self) -> int:
        return self._steps.moving

    @property
    def unread(self) -> Sequence[str]:
        return self._steps.unread

    async def damages(self) -> AsyncIterator[Damage]:
        """Rows that do not fit, then rows of no saga.

        Raises:
            NoSuchParticipant: No definition names it.
            StoreError: The coordinator's database cannot be read.
        """
        async for one in self._steps.findings():
            yield Damage(
                kind=DamageKind.ROW_DIFFERS,
                saga_id=one.saga_id,
                key=one.key,
                evidence=f"{one.step}: {self._participant} has {one.participant or 'what cannot be compared'}, the coordinator"
                f" {one.coordinator}",
                way_out=one.way_out,
                part=f"{self._participant} {one.step} {one.trouble}",
            )
        after: tuple[UUID, str] | None = None
        while page := await self._rows.page(after=after, limit=PAGE):
            *_, after = page
            self.rows += len(page)
            for damage in await self._unowned(page):
                yield damage
            await self._pace.rest()

    async def _unowned(self, page: Rows) -> list[Damage]:
        """A saga is stored before its first command leaves. So a row whose saga is not there has
        lost it, unless that was removed: then the horizon covers it."""
        absent = await self._absent({saga_id for saga_id, _ in page})
        if not absent:
            return []
        await self._pace.look_again()
        still = await self._absent(absent)
        rows = await self._rows.of(sorted(still))
        return [self._of_row(key, page) for key in sorted(page) if key in rows]

    async def _absent(self, ids: set[UUID]) -> set[UUID]:
        absent = ids - (await self._store.sagas(ids)).keys()
        if not absent:
            return set()
        horizons = ((await self._store.horizon(self._tenant)).horizon, await self._rows.remembered())
        known = set(await self._store.imported(self._tenant, absent))
        listed = {one.saga_id for one in await self._store.lost_effects(self._tenant, settled=True)}
        return {id for id in absent - known - listed if not any(horizon.covers(id) for horizon in horizons)}

    def _of_row(self, key: tuple[UUID, str], page: Rows) -> Damage:
        saga_id, step = key
        return Damage(
            kind=DamageKind.ROW_WITHOUT_SAGA,
            saga_id=saga_id,
            key=None,
            evidence=f"{self._participant} has a row {page[key].state} of step {step}, and its saga is not there",
            way_out="the coordinator's database has lost the saga (`saga recover` lists what it left), or the row was written by hand",
            part=f"{self._participant} {step}",
        )
