"""Events for sagas that another transaction has locked, and replies that nobody could read."""

from __future__ import annotations

from abc import ABC
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select

from saga_coordinator.store import schema
from saga_coordinator.store import statements as sql
from saga_coordinator.store.dialect import among
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.records import DeadLetter, InboxEvent
from saga_coordinator.store.rows import dead_letter, inbox_event, read
from saga_coordinator.store.transaction_part import TransactionPart
from saga_schemas.ids import saga_key


class InboxWrites(TransactionPart, ABC):
    """The part of the port's `Transaction` about them."""

    async def put_inbox(self, events: Sequence[InboxEvent]) -> None:
        await self._put(sql.INSERT_INBOX, [(event.saga_id, event.id, event.kind, event.body) for event in events])

    async def inbox_of(self, ids: Collection[UUID]) -> list[InboxEvent]:
        if not ids:
            return []
        t = schema.inbox_event
        found = await self.execute(
            select(t.c.saga_id, t.c.id, t.c.kind, t.c.body).where(among(self._dialect, t.c.saga_id, ids)).order_by(t.c.id)
        )
        return [read(inbox_event, row, "inbox_event") for row in found]

    async def unread_replies(self, ids: Collection[UUID], *, since_us: int) -> list[DeadLetter]:
        t = schema.dead_letter
        keys = [saga_key(id) for id in ids]
        query = select(t).where(t.c.id >= first_id(since_us), t.c.reason == "unknown_schema", t.c.key.in_(keys)).order_by(t.c.id)
        return [read(dead_letter, row, "dead_letter") for row in await self.execute(query)]

    async def delete_inbox(self, ids: Collection[UUID]) -> None:
        await self._put(sql.DROP_INBOX, [(id,) for id in sorted(ids)])
