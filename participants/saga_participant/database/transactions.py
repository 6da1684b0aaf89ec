"""What the barrier needs of a transaction, whichever way it goes to the database.

`claim` is the first statement: it makes the row or, when it exists, locks it, and looks at the
database's clock on the way. `save` is the last: it also proves that this is still the transaction
of `claim`. Between the two runs the handler. A transaction may begin with its first statement and
save with the commit, to spare the round trips.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol
from uuid import UUID

from saga_participant.barrier.entry import Entry
from saga_participant.handling.handlers import Handle
from saga_schemas.record_class import record

COMMIT_LIMIT_S: Final = 30.0
"""A commit that takes longer is taken for ambiguous."""
HANDLER_LIMIT_S: Final = 60.0
"""How long a handler may take, where nothing else is said."""
LARGEST_GROUP: Final = 32
"""Commands in one transaction: more would gain little."""
SHARED_LOCK_LIMIT_S: Final = 0.2
"""Who waits longer for a lock keeps the rows of a whole group of commands locked."""
CLEANUP_S: Final = 5.0
"""A session that takes longer to roll back, or to say how it stands, is thrown away."""


@record
class Claimed:
    """The row as it is now, locked."""

    entry: Entry | None
    """None: there was none, the one given was made provisionally (`claim`), or there is none
    (`lock`).
    """
    expired: bool = False
    """`claim`, where there was no row: the expiry given is over by the database's clock, or the
    remembered horizon covers the saga.
    """
    floor: int = 0
    """Commands of a lower incarnation get no answer, as a sweep has told. 0: of none."""

    def is_made(self, fresh: Entry) -> bool:
        """Whether the row given was made, and nothing forbids its command."""
        return self.entry is None and not self.expired and self.floor <= fresh.row.incarnation


NO_ROW: Final = Claimed(entry=None)


class CommitRefused(Exception):  # reads like the fact it is
    """The database said that the transaction was not committed."""


class CommitUnknown(Exception):  # as above
    """Whether the transaction was committed is not known: nobody may be told anything."""


class Transaction(Protocol):
    """One open transaction. After `commit` or `rollback` it is over."""

    @property
    def reusable(self) -> bool:
        """It is over, and the connection may be kept for the next one as it is."""
        ...

    @property
    def spoilt(self) -> bool:
        """The handler left something behind in the session that the end of a transaction does not
        take back.
        """
        ...

    @property
    def torn(self) -> bool:
        """The handler reached past its `db` to end it.

        It was stopped, but nothing can be done in this transaction but to roll it back.
        """
        ...

    async def start(self) -> None: ...

    async def claim(self, fresh: Entry) -> Claimed: ...

    async def claim_all(self, fresh: Sequence[Entry]) -> list[Claimed]:
        """The same for several commands that share the transaction, in the order of their rows'
        keys.

        No lock is waited for longer than SHARED_LOCK_LIMIT_S, here and in the handlers.
        """
        ...

    @property
    def uses(self) -> int:
        """How often handlers have used their `db`."""
        ...

    @property
    def unshareable(self) -> bool:
        """A handler wanted to change a transaction that commands share."""
        ...

    @property
    def ended(self) -> bool:
        """Somebody has ended it past every guard, so far as the driver can tell without asking the
        database.
        """
        ...

    async def lock(self, saga_id: UUID, step: str) -> Claimed: ...

    async def clock(self) -> int:
        """The database's clock, at `claim` or later."""
        ...

    async def save(self, entry: Entry) -> None:
        """Write a claimed row, now or with the commit. Either raises
        BarrierBroken, with nothing committed, when this is no longer the transaction the row was
        claimed in.
        """
        ...

    async def forget(self, entry: Entry) -> None:
        """Take the locked row away, as if it had never been.

        Raises BarrierBroken when it is not there.
        """
        ...

    async def forget_all(self, entries: Sequence[Entry]) -> None:
        """The same for several rows, which may be gone already."""
        ...

    def handle(self, wanted: Handle) -> AbstractAsyncContextManager[Any]:
        """The handler's `db`, guarded, for as long as the handler runs."""
        ...

    async def interrupt(self) -> None:
        """The handler's time is over: where its cancellation would not end a statement in the
        database, this does.
        """
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """What is done inside is undone when it raises."""
        ...

    async def intact(self) -> bool:
        """Whether this is still the transaction of `claim`, so that rolling it back takes
        everything back.
        """
        ...

    def lost(self) -> bool:
        """The connection is gone, so the transaction is too, without effect."""
        ...

    async def commit(self) -> None:
        """Raises CommitRefused or CommitUnknown; and whatever a saving that was left to the commit
        raises: nothing was committed then.
        """
        ...

    async def rollback(self) -> None:
        """Does nothing when the transaction is over."""
        ...
