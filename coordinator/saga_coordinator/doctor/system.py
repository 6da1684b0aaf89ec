"""Goes through everything that is stored, page by page, and tells what does not fit.

Coordinators run meanwhile. Each page is read with its neighbours in one statement, so of one
moment, and what does not fit is looked at again a second later before it is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.doctor.barrier import BarrierExamination
from saga_coordinator.doctor.damage import Damage
from saga_coordinator.doctor.folding import Folding
from saga_coordinator.doctor.judging import of_pointer, of_saga
from saga_coordinator.doctor.pace import Pace
from saga_coordinator.doctor.positions import position_damages
from saga_coordinator.doctor.schedules import ScheduleExamination
from saga_coordinator.store.auditing_port import Key, Pointer, SagaLook, Table
from saga_coordinator.store.port import Store
from saga_messaging.broker import Broker

SAGAS_PAGE: Final = 100
ROWS_PAGE: Final = 500
_OF_ONE_SAGA: Final = (
    Table.WAKEUP,
    Table.ATTENTION,
    Table.OUTBOX,
    Table.INBOX,
    Table.SPANS,
    Table.RECOVERING,
    Table.REQUESTS,
    Table.LABELS,
)
"""Tables in which the rows of one saga are found by a key or an index."""

Told = Callable[[str, int], None]
"""What is gone through, and how many of it so far."""


class SystemExamination:
    """One run. Counts what it went through."""

    def __init__(
        self,
        store: Store,
        pace: Pace,
        *,
        broker: Broker | None = None,
        participants: Sequence[BarrierExamination] = (),
        tenant: str = "default",
        told: Told = lambda what, count: None,
    ) -> None:
        """Prepare a run.

        Args:
            store: The coordinator's database, started.
            pace: How fast it goes.
            broker: Where positions are compared; None: they are not.
            participants: Whose rows are compared.
            tenant: Whose schedules are looked at.
            told: Hears of the progress.
        """
        self._store, self._pace = store, pace
        self._broker, self._participants = broker, participants
        self._told = told
        self._folding = Folding(store, pace)
        self._schedules = ScheduleExamination(store, pace, tenant)
        self.sagas = 0
        self.rows = 0

    @property
    def moving(self) -> int:
        """Sagas that did not fit, and moved with every look."""
        return self._folding.moving + sum(one.moving for one in self._participants)

    @property
    def unread(self) -> Sequence[str]:
        """Definitions that cannot be read: labels and rows of their sagas are not compared."""
        return sorted({*self._folding.unread, *(text for one in self._participants for text in one.unread)})

    async def damages(self) -> AsyncIterator[Damage]:
        """Everything that does not fit.

        Raises:
            StoreError, BrokerError: Something cannot be read.
            NoSuchParticipant: No definition names a participant.
        """
        async for damage in self._of_sagas():
            yield damage
        for table in Table:
            async for damage in self._of_table(table):
                yield damage
        async for damage in self._schedules.damages():
            yield damage
        self._told("schedules", self._schedules.schedules)
        self.rows += self._schedules.schedules
        if self._broker is not None:
            async for damage in position_damages(self._store, self._broker, self._pace):
                yield damage
        for participant in self._participants:
            async for damage in participant.damages():
                self._told("barrier rows", participant.rows)
                yield damage
            self.rows += participant.rows

    async def of_one(self, saga_id: UUID) -> AsyncIterator[Damage]:
        """What does not fit of one saga, there or not."""
        for damage in await self._page(await self._store.saga_looks(ids=[saga_id])):
            yield damage
        for table in _OF_ONE_SAGA:
            after: Key | None = None
            while page := await self._store.pointers(table, after=after, limit=ROWS_PAGE, saga_id=saga_id):
                after = page[-1].key
                for damage in await self._pointers(table, page):
                    yield damage

    async def _of_sagas(self) -> AsyncIterator[Damage]:
        after: UUID | None = None
        while page := await self._store.saga_looks(after=after, limit=SAGAS_PAGE):
            after = page[-1].id
            for damage in await self._page(page):
                yield damage
            self._told("sagas", self.sagas)
            await self._pace.rest()

    async def _page(self, page: Sequence[SagaLook]) -> list[Damage]:
        self.sagas += len(page)
        dialect = self._store.dialect
        found = {damage.identity: damage for look in page for damage in of_saga(look, dialect)}
        if found:
            await self._pace.look_again()
            again = await self._store.saga_looks(ids=_sagas(found.values()))
            found = {damage.identity: damage for look in again for damage in of_saga(look, dialect) if damage.identity in found}
        return [*found.values(), *await self._folding.damages([look.id for look in page])]

    async def _of_table(self, table: Table) -> AsyncIterator[Damage]:
        after: Key | None = None
        count = 0
        while page := await self._store.pointers(table, after=after, limit=ROWS_PAGE):
            after = page[-1].key
            count += len(page)
            for damage in await self._pointers(table, page):
                yield damage
            self._told(table, count)
            await self._pace.rest()
        self.rows += count

    async def _pointers(self, table: Table, page: Iterable[Pointer]) -> list[Damage]:
        dialect = self._store.dialect
        wrong = [pointer.key for pointer in page if of_pointer(pointer, dialect) is not None]
        if not wrong:
            return []
        await self._pace.look_again()
        again = await self._store.pointers_at(table, wrong)
        return [damage for pointer in again if (damage := of_pointer(pointer, dialect)) is not None]


def _sagas(damages: Iterable[Damage]) -> list[UUID]:
    return sorted({damage.saga_id for damage in damages if damage.saga_id is not None})
