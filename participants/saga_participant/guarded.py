"""The `db` a handler is given: the participant's own transaction, without the means to end it.

A handler that commits would leave a barrier row without its effect, or an effect without its row. So commit, rollback, begin and close
raise; savepoints (`begin_nested`, asyncpg's `transaction()`) are fine. A COMMIT sent as text is found afterwards (transaction code).
"""

from __future__ import annotations

from itertools import count
from types import TracebackType
from typing import Any, Final, NoReturn

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


class TransactionIsOurs(RuntimeError):
    """A handler tried to end the transaction it was given. The barrier row, the effect and the reply commit together, by the kit."""


def _refuse(name: str) -> NoReturn:
    raise TransactionIsOurs(
        f"{name}() on a handler's db: the kit commits barrier row, effect and reply together; just return or raise"
    )


class GuardedConnection(AsyncConnection):
    """SQLAlchemy's connection."""

    __slots__ = ()

    async def commit(self) -> None:
        _refuse("commit")

    async def rollback(self) -> None:
        _refuse("rollback")

    async def close(self) -> None:
        _refuse("close")

    async def aclose(self) -> None:
        _refuse("aclose")

    async def invalidate(self, exception: BaseException | None = None) -> None:
        _refuse("invalidate")

    def begin(self) -> NoReturn:
        _refuse("begin")

    async def get_raw_connection(self) -> NoReturn:
        _refuse("get_raw_connection")


class GuardedSession(AsyncSession):
    """SQLAlchemy's ORM session, bound to the kit's connection inside a savepoint."""

    async def commit(self) -> None:
        _refuse("commit")

    async def rollback(self) -> None:
        _refuse("rollback")

    async def close(self) -> None:
        _refuse("close")

    async def aclose(self) -> None:
        _refuse("aclose")

    async def reset(self) -> None:
        _refuse("reset")

    async def invalidate(self) -> None:
        _refuse("invalidate")

    def begin(self) -> NoReturn:
        _refuse("begin")

    async def finish(self) -> None:
        """For the kit: write what is pending and let go of the savepoint."""
        await super().commit()
        await super().close()

    async def abandon(self) -> None:
        """For the kit: forget what is pending."""
        await super().close()


_REFUSED: Final = frozenset({"close", "terminate", "reset", "reload_schema_state", "set_builtin_type_codec"})


class Savepoint:
    """A savepoint of an asyncpg connection, with the ways of asyncpg's own transaction: `async with`, or `start`, `commit`, `rollback`.

    asyncpg's cannot be had within a transaction that was not begun by its means.
    """

    __slots__ = ("_connection", "_isolation", "_name")

    def __init__(self, connection: Any, name: str, isolation: str | None = None) -> None:
        self._connection = connection
        self._name = name
        self._isolation = isolation

    async def start(self) -> None:
        if self._isolation is not None:
            held = str(await self._connection.fetchval("SHOW transaction_isolation")).replace(" ", "_")
            if held != self._isolation:
                raise TransactionIsOurs(
                    f"transaction(isolation={self._isolation!r}) on a handler's db: its transaction is {held}"
                )
        await self._connection.execute(f"SAVEPOINT {self._name}")

    async def commit(self) -> None:
        await self._connection.execute(f"RELEASE SAVEPOINT {self._name}")

    async def rollback(self) -> None:
        await self._connection.execute(f"ROLLBACK TO {self._name}")

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await (self.commit() if error is None else self.rollback())


class GuardedAsyncpg:
    """The bare asyncpg connection. `transaction()` gives a savepoint, since the kit's transaction is open."""

    __slots__ = ("_connection", "_numbers")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._numbers = count(1)

    def transaction(self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False) -> Savepoint:
        """A savepoint; as in asyncpg, an isolation must be that of the transaction around it, and the rest counts for nothing."""
        return Savepoint(self._connection, f"saga_handler_{next(self._numbers)}", isolation)

    def __getattr__(self, name: str) -> Any:
        if name in _REFUSED:
            _refuse(name)
        return getattr(self._connection, name)
