"""The statements of batches, confirmations and redrives, the same on both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, func, insert, literal, select, update

from saga_coordinator.store.batch_records import (
    CONFIRMED,
    DONE,
    PENDING,
    REFUSED,
    RUNNING,
    STOPPED,
    BatchRow,
    BatchStep,
    ConfirmationRow,
    RedriveRow,
)
from saga_coordinator.store.batch_tables import batch, confirmation, redrive
from saga_coordinator.store.columns import database_clock
from saga_coordinator.store.dialect import AnyRow, among, insert_ignoring
from saga_coordinator.store.table_rows import TableRows
from saga_coordinator.store.transaction_part import Adding, TransactionPart

_BATCHES: Final = TableRows(batch, BatchRow, fields(BatchRow))
_CONFIRMATIONS: Final = TableRows(confirmation, ConfirmationRow, fields(ConfirmationRow))
_REDRIVES: Final = TableRows(redrive, RedriveRow, fields(RedriveRow))

_B: Final = batch.c
_C: Final = confirmation.c
_R: Final = redrive.c


class BatchReads(ABC):
    """The port's `BatchStore`, but for the lock."""

    dialect: str

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    async def batches(self, tenant: str, *, before: UUID | None, limit: int) -> list[BatchRow]:
        query = _BATCHES.newest_first(tenant, before, limit)
        return [_BATCHES.of(row) for row in await self._rows(query)]

    async def open_batches(self, tenant: str) -> list[BatchRow]:
        query = _BATCHES.select().where(_B.tenant == tenant, _runs()).order_by(_B.id)
        return [_BATCHES.of(row) for row in await self._rows(query)]

    async def batch(self, tenant: str, id: UUID) -> BatchRow | None:
        rows = await self._rows(_BATCHES.select().where(_B.tenant == tenant, _B.id == id))
        return _BATCHES.of(rows[0]) if rows else None

    async def confirmations(self, tenant: str, *, pending: bool, before: UUID | None, limit: int) -> list[ConfirmationRow]:
        query = _CONFIRMATIONS.newest_first(tenant, before, limit)
        if pending:
            query = query.where(_pends(), _C.expires_at > database_clock())
        return [_CONFIRMATIONS.of(row) for row in await self._rows(query)]

    async def confirmation(self, tenant: str, id: UUID) -> ConfirmationRow | None:
        rows = await self._rows(_CONFIRMATIONS.select().where(_C.tenant == tenant, _C.id == id))
        return _CONFIRMATIONS.of(rows[0]) if rows else None

    async def redrives(self, ids: Collection[UUID]) -> dict[UUID, RedriveRow]:
        rows = await self._rows(_REDRIVES.select().where(among(self.dialect, _R.letter_id, ids))) if ids else []
        found = [_REDRIVES.of(row) for row in rows]
        return {one.letter_id: one for one in found}


class BatchWrites(TransactionPart, ABC):
    """The port's `Batching`."""

    async def add_batch(self, row: BatchRow, most_open: int) -> bool:
        await self._alone(Adding.BATCH)
        open_now = select(func.count()).select_from(batch).where(_B.tenant == row.tenant, _runs())
        if (await self.execute(open_now)).scalar_one() >= most_open:
            return False
        await self.execute(insert_ignoring(self._dialect, batch, _BATCHES.columns_of(row)))
        return True

    async def step_batch(self, id: UUID, step: BatchStep) -> bool:
        """The row's lock orders the acts of a batch, and a stop among them."""
        counts = {"done": _B.done + step.done, "refused": _B.refused + step.refused, "failed": _B.failed + step.failed}
        outcomes = {} if step.outcomes is None else {"outcomes": step.outcomes}
        next_one = update(batch).where(_B.id == id, _runs(), _B.place == step.after)
        moved = next_one.values(place=step.saga_id, moved_at=self.now_us, **counts, **outcomes)
        return (await self.execute(moved)).rowcount == 1

    async def end_batch(self, id: UUID) -> bool:
        return await self._ended(update(batch).where(_B.id == id, _runs()).values(status=DONE))

    async def stop_batch(self, tenant: str, id: UUID, *, who: str, why: str) -> bool:
        running = update(batch).where(_B.tenant == tenant, _B.id == id, _runs())
        return await self._ended(running.values(status=STOPPED, stopped_by=who, stopped_why=why))

    async def _ended(self, change: Any) -> bool:
        return (await self.execute(change.values(ended_at=self.now_us, moved_at=self.now_us))).rowcount == 1

    async def add_confirmation(self, row: ConfirmationRow, most_pending: int) -> ConfirmationRow | None:
        await self._alone(Adding.CONFIRMATION)
        waits = (_C.tenant == row.tenant, _pends(), _C.expires_at > self.now_us)
        same = (_C.act == row.act, _C.target == row.target, _C.arguments == row.arguments, _C.who == row.who)
        there = (await self.execute(_CONFIRMATIONS.select().where(*waits, *same).order_by(_C.id).limit(1))).first()
        if there is not None:
            return _CONFIRMATIONS.of(there)
        waiting = select(func.count()).select_from(confirmation).where(*waits)
        if (await self.execute(waiting)).scalar_one() >= most_pending:
            return None
        await self.execute(insert(confirmation).values(**_CONFIRMATIONS.columns_of(row)))
        return row

    async def settle_confirmation(self, tenant: str, id: UUID, status: str, *, who: str, why: str) -> bool:
        assert status in (CONFIRMED, REFUSED), "it is settled one way or the other"
        open_one = update(confirmation).where(_C.tenant == tenant, _C.id == id, _pends(), _C.expires_at > self.now_us)
        settled = open_one.values(status=status, settled_at=self.now_us, settled_by=who, settled_why=why)
        return (await self.execute(settled)).rowcount == 1

    async def redrive_of(self, letter_id: UUID) -> RedriveRow | None:
        row = (await self.execute(_REDRIVES.select().where(_R.letter_id == letter_id).with_for_update())).first()
        return None if row is None else _REDRIVES.of(row)

    async def put_redrive(self, before: RedriveRow | None, after: RedriveRow) -> bool:
        if before is None:
            return (await self.execute(insert_ignoring(self._dialect, redrive, _REDRIVES.columns_of(after)))).rowcount == 1
        as_it_was = (_R.letter_id == before.letter_id, _R.tries == before.tries, _R.asked_at == before.asked_at_us)
        return (await self.execute(update(redrive).where(*as_it_was).values(**_REDRIVES.columns_of(after)))).rowcount == 1


def _runs() -> ColumnElement[bool]:
    """With the partial index's own condition, spelt out so that the planner sees it."""
    return _B.status == literal(RUNNING, literal_execute=True)


def _pends() -> ColumnElement[bool]:
    return _C.status == literal(PENDING, literal_execute=True)
