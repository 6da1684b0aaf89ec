"""What the barrier needs of a transaction, whichever way it goes to the database.

`claim` is the first statement: it makes the row or, when it exists, locks it, and reads the database's clock on the way. `save` is the
last: it also proves that this is still the transaction of `claim`. Between the two runs the handler.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol
from uuid import UUID

from saga_participant.entry import Entry

COMMIT_LIMIT_S: Final = 30.0
"""A commit that takes longer is taken for ambiguous."""


class Handle(Enum):
    """What a handler wants to have as `db`."""

    CONNECTION = "sqlalchemy.ext.asyncio.AsyncConnection"
    SESSION = "sqlalchemy.ext.asyncio.AsyncSession"
    ASYNCPG = "asyncpg.Connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The row as it is now, locked, and the database's clock."""

    entry: Entry | None
    """None: there was none, the one given was made provisionally (`claim`), or there is none (`lock`)."""
    now_us: int


class CommitRefused(Exception):  # reads like the fact it is
    """The database said that the transaction was not committed."""


class CommitUnknown(Exception):  # as above
    """Whether the transaction was committed is not known: nobody may be told anything."""


class Transaction(Protocol):
    """One open transaction. After `commit` or `rollback` it is over."""

    @property
    def reusable(self) -> bool:
        """The connection may be kept for the next transaction as it is."""
        ...

    async def start(self) -> None: ...

    async def claim(self, fresh: Entry) -> Claimed: ...

    async def lock(self, saga_id: UUID, step: str) -> Claimed: ...

    async def save(self, entry: Entry) -> None:
        """Write the claimed row. Raises BarrierBroken when this is no longer the transaction it was claimed in."""
        ...

    def handle(self, wanted: Handle) -> AbstractAsyncContextManager[Any]:
        """The handler's `db`, guarded, for as long as the handler runs."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """What is done inside is undone when it raises."""
        ...

    async def intact(self) -> bool:
        """Whether this is still the transaction of `claim`, so that rolling it back takes everything back."""
        ...

    def lost(self) -> bool:
        """The connection is gone, so the transaction is too, without effect."""
        ...

    async def commit(self) -> None:
        """Raises CommitRefused or CommitUnknown."""
        ...

    async def rollback(self) -> None:
        """Does nothing when the transaction is over."""
        ...
