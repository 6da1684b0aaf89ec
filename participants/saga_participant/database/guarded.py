"""The `db` a handler is given: the participant's own transaction, without the means to end it.

A handler that commits would leave a barrier row without its effect, or an effect without its row.
So commit, rollback, begin and close raise, and COMMIT as text too; savepoints (`begin_nested`,
asyncpg's `transaction()`) are fine. What gets past that is found afterwards (transaction code).
When the handler has ended, its `db` and whatever came out of it raise (guard.py): SQLAlchemy's by
its own events, asyncpg's because a handler never has anything of asyncpg's own in its hands.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Coroutine, Generator
from itertools import count
from types import TracebackType
from typing import Any, Final, NoReturn, cast

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from saga_participant.database.guard import ENDED, Guard, HandlerHasEnded, TransactionIsOurs, refuse


class _Ended:
    """In the place of what SQLAlchemy's objects stand for, when the handler has ended."""

    def __getattr__(self, name: str) -> NoReturn:
        raise HandlerHasEnded(ENDED)


class GuardedConnection(AsyncConnection):
    """SQLAlchemy's connection."""

    __slots__ = ()

    def end(self) -> None:
        """For the kit."""
        self.sync_connection = cast(Any, _Ended())

    async def commit(self) -> None:
        refuse("commit()")

    async def rollback(self) -> None:
        refuse("rollback()")

    async def close(self) -> None:
        refuse("close()")

    async def aclose(self) -> None:
        refuse("aclose()")

    async def invalidate(self, exception: BaseException | None = None) -> None:
        refuse("invalidate()")

    def begin(self) -> NoReturn:
        refuse("begin()")

    async def get_raw_connection(self) -> NoReturn:
        refuse("get_raw_connection()")


class GuardedSession(AsyncSession):
    """SQLAlchemy's ORM session, bound to the kit's connection inside a savepoint."""

    async def connection(self, *args: Any, **options: Any) -> AsyncConnection:
        found = await super().connection(*args, **options)
        return GuardedConnection(found.engine, found.sync_connection)

    async def commit(self) -> None:
        refuse("commit()")

    async def rollback(self) -> None:
        refuse("rollback()")

    async def close(self) -> None:
        refuse("close()")

    async def aclose(self) -> None:
        refuse("aclose()")

    async def reset(self) -> None:
        refuse("reset()")

    async def invalidate(self) -> None:
        refuse("invalidate()")

    def begin(self) -> NoReturn:
        refuse("begin()")

    async def finish(self) -> None:
        """For the kit: write what is pending and let go of the savepoint."""
        await super().commit()
        await super().close()

    async def abandon(self) -> None:
        """For the kit: forget what is pending, and everything else."""
        try:
            await super().close()
        finally:
            self.sync_session = self._proxied = cast(Any, _Ended())


_REFUSED: Final = frozenset({"close", "terminate", "reset", "reload_schema_state", "set_builtin_type_codec"})
_STATEMENTS: Final = frozenset({"executemany", "fetchmany", "prepare", "cursor", "copy_from_query"})
"""Beside those that are written out below: their first argument is one."""
_LEAVING: Final = frozenset(
    {"add_listener", "add_log_listener", "add_termination_listener", "add_query_logger", "set_type_codec", "reset_type_codec"}
)
_PLAIN: Final = (str, bytes, int, float, tuple, list, dict, type(None))


class Savepoint:
    """A savepoint of an asyncpg connection, with the ways of asyncpg's own transaction: `async
    with`, or `start`, `commit`, `rollback`.

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
    """The bare asyncpg connection.

    `transaction()` gives a savepoint, since the kit's transaction is open.
    """

    __slots__ = ("_connection", "_guard", "_numbers")

    def __init__(self, connection: Any, guard: Guard) -> None:
        self._connection = connection
        self._guard = guard
        self._numbers = count(1)

    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        self._guard.asked(query)
        return await self._connection.execute(query, *args, **options)

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        self._guard.asked(query)
        return await self._connection.fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        self._guard.asked(query)
        return await self._connection.fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        self._guard.asked(query)
        return await self._connection.fetchval(query, *args, **options)

    def transaction(self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False) -> Savepoint:
        """A savepoint; as in asyncpg, an isolation must be that of the transaction around it, and
        the rest counts for nothing.
        """
        return Savepoint(self, f"saga_handler_{next(self._numbers)}", isolation)

    def __getattr__(self, name: str) -> Any:
        if name in _REFUSED:
            refuse(f"{name}()")
        self._guard.used()
        if name in _LEAVING:
            self._guard.spoilt = True
        return _lent(getattr(self._connection, name), self._guard, is_asked=name in _STATEMENTS)


class _Lent:
    """What came out of asyncpg's connection (a prepared statement, a cursor): usable for as long as
    the handler runs.
    """

    __slots__ = ("_guard", "_thing")

    def __init__(self, thing: Any, guard: Guard) -> None:
        self._thing = thing
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        self._guard.used()
        return _lent(getattr(self._thing, name), self._guard)

    def __await__(self) -> Generator[Any, None, Any]:
        self._guard.used()
        return _lent((yield from self._thing.__await__()), self._guard)

    async def __aiter__(self) -> AsyncIterator[Any]:
        self._guard.used()
        async for each in self._thing:
            yield each
            self._guard.used()


def _lent(found: Any, guard: Guard, *, is_asked: bool = False) -> Any:
    if isinstance(found, _PLAIN) or type(found).__name__ == "Record":
        return found
    if not callable(found):
        return _Lent(found, guard)

    def call(*args: Any, **options: Any) -> Any:
        guard.asked(args[0] if is_asked and args else None)
        made = found(*args, **options)
        return _awaited(made, guard) if inspect.iscoroutine(made) else _lent(made, guard)

    return call


async def _awaited(made: Coroutine[Any, Any, Any], guard: Guard) -> Any:
    try:
        guard.used()
    except HandlerHasEnded:
        made.close()
        raise
    return _lent(await made, guard)
