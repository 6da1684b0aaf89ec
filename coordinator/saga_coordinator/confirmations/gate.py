"""The gate before acts that need a second person: they wait here until somebody else confirms them.

The act runs in the transaction that notes the confirmation. So it is done once, or not at all, and
a confirmation whose act is refused goes on waiting.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final
from uuid import UUID

import orjson

from saga_coordinator.engine.events import Refused
from saga_coordinator.store.batch_records import CONFIRMED, PENDING, REFUSED
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import ConfirmationRow, Store, Transaction

PENDING_MOST: Final = 1_000
NOBODY: Final = "anonymous"
"""What the API takes for a caller who does not say who they are."""
Settle = Callable[[Transaction], Awaitable[None]]


class ConfirmationNeeded(Exception):
    """The act waits for a second person. Nothing was done yet."""

    def __init__(self, confirmation: ConfirmationRow) -> None:
        super().__init__(f"confirmation {confirmation.id} waits for a second person")
        self.confirmation = confirmation


class Confirmations:
    """The confirmations of one tenant."""

    def __init__(self, store: Store, tenant: str, acts: Collection[str], within_us: int) -> None:
        """`acts`: those that need a second person; `within_us`: how long they wait for one."""
        self._store = store
        self._tenant = tenant
        self._acts = frozenset(acts)
        self._within_us = within_us

    def needed(self, *acts: str) -> bool:
        """Whether an act that is all of these needs a second person."""
        return not self._acts.isdisjoint(acts)

    async def ask(self, act: str, target: str, arguments: Mapping[str, Any], *, who: str, why: str) -> None:
        """Let an act wait.

        Args:
            act: What is called once it is confirmed.
            target: What it is done to, as people read it.
            arguments: What it is called with.
            who: Who wants it.
            why: Why.

        Raises:
            ConfirmationNeeded: Always, but for:
            Refused: actor_needed, confirmations_full.
            StoreError: It does not wait.
        """
        _named(who)
        async with self._store.transaction() as tx:
            wanted = ConfirmationRow(
                id=new_id(tx.now_us),
                tenant=self._tenant,
                act=act,
                target=target,
                arguments=orjson.dumps(dict(arguments), option=orjson.OPT_SORT_KEYS).decode(),
                who=who,
                why=why,
                asked_at_us=tx.now_us,
                expires_at_us=tx.now_us + self._within_us,
            )
            waiting = await tx.add_confirmation(wanted, PENDING_MOST)
            if waiting is wanted:
                await self._audit(tx, "ask for", wanted, who, why)
        if waiting is None:
            raise Refused("confirmations_full", f"{PENDING_MOST} acts wait for a second person: confirm or refuse some")
        raise ConfirmationNeeded(waiting)

    async def one(self, id: UUID) -> ConfirmationRow:
        """A confirmation. Raises Refused (confirmation_unknown), StoreError."""
        found = await self._store.confirmation(self._tenant, id)
        if found is None:
            raise Refused("confirmation_unknown", "there is no such confirmation")
        return found

    async def newest(self, *, pending: bool, before: UUID | None, limit: int) -> list[ConfirmationRow]:
        """A page of them, newest first; `pending`: those that may still be confirmed."""
        return await self._store.confirmations(self._tenant, pending=pending, before=before, limit=limit)

    async def confirmable(self, id: UUID, who: str) -> ConfirmationRow:
        """A confirmation that this person may confirm.

        Raises:
            Refused: confirmation_unknown, confirmation_over, actor_needed, same_actor.
            StoreError: The store is away.
        """
        _named(who)
        found = await self.one(id)
        if found.status != PENDING:
            raise Refused("confirmation_over", f"it is {found.status} already, by {found.settled_by}")
        if found.expires_at_us <= await self._store.now_us():
            raise Refused("confirmation_over", "its time is over: ask for the act again")
        if is_same(found.who, who):
            raise Refused("same_actor", "whoever asked for an act does not confirm it: somebody else does")
        return found

    def settling(self, confirmation: ConfirmationRow, who: str, why: str) -> Settle:
        """What notes the confirmation, in the transaction of the act."""

        async def settle(tx: Transaction) -> None:
            await self._settle(tx, confirmation, CONFIRMED, who, why)

        return settle

    async def refuse(self, id: UUID, *, who: str, why: str) -> ConfirmationRow:
        """The act is not done. Whoever asked for it may say so, too.

        Raises:
            Refused: confirmation_unknown, confirmation_over, actor_needed.
            StoreError: The store is away.
        """
        _named(who)
        found = await self.one(id)
        async with self._store.transaction() as tx:
            await self._settle(tx, found, REFUSED, who, why)
        return await self.one(id)

    async def _settle(self, tx: Transaction, row: ConfirmationRow, status: str, who: str, why: str) -> None:
        if not await tx.settle_confirmation(self._tenant, row.id, status, who=who, why=why):
            raise Refused("confirmation_over", "it is settled already, or its time is over")
        await self._audit(tx, "confirm" if status == CONFIRMED else "refuse", row, who, why)

    async def _audit(self, tx: Transaction, act: str, row: ConfirmationRow, who: str, why: str) -> None:
        target = f"{row.target} (confirmation {row.id})"
        await tx.add_audit(tenant=self._tenant, act=f"{act} {row.act}", target=target, who=who, why=why, at_us=tx.now_us)


def is_same(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _named(who: str) -> None:
    if _plain(who) in ("", NOBODY):
        raise Refused("actor_needed", "an act that needs a second person needs to know who the first one is: give `actor`")
