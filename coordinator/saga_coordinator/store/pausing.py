"""The statements of pauses, the same on both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, select

from saga_coordinator.store import schema
from saga_coordinator.store.dialect import AnyRow, AnySelect
from saga_coordinator.store.pause_port import CONTROL_SCOPES, PauseRow, PauseScope
from saga_coordinator.store.transaction_part import TransactionPart

_C: Final = schema.control.c
_SCOPES: Final[Mapping[str, PauseScope]] = {stored: scope for scope, stored in CONTROL_SCOPES.items()}


class PauseReads(ABC):
    """The port's `PausedScopes`."""

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    async def pause_rows(self, tenant: str) -> list[PauseRow]:
        return [_row(row) for row in await self._rows(_of_tenant(tenant).order_by(_C.scope, _C.name))]

    async def open_sagas(self, tenant: str, definitions: Collection[str], *, after: UUID | None, limit: int) -> list[UUID]:
        t = schema.saga_listing.c
        query = select(t.saga_id).where(
            t.tenant == tenant,
            t.closed_at.is_(None),
            t.phase.in_(schema.OPEN_PHASES),
            t.definition_name.in_(sorted(definitions)),
        )
        if after is not None:
            query = query.where(t.saga_id > after)
        return [row[0] for row in await self._rows(query.order_by(t.saga_id).limit(limit))]


class PauseWrites(TransactionPart):
    """The port's `Pausing`."""

    async def pause_row(self, tenant: str, scope: PauseScope, name: str) -> PauseRow | None:
        query = _of_tenant(tenant).where(_C.scope == CONTROL_SCOPES[scope], _C.name == name).with_for_update()
        found = (await self.execute(query)).one_or_none()
        return None if found is None else _row(found)


def _of_tenant(tenant: str) -> AnySelect:
    columns = (_C.scope, _C.name, _C.value, _C.who, _C.why)
    return select(*columns).where(_C.tenant == tenant, _C.scope.in_(sorted(CONTROL_SCOPES.values())))


def _row(row: AnyRow) -> PauseRow:
    return PauseRow(scope=_SCOPES[row.scope], name=row.name, value=row.value, who=row.who, why=row.why)
