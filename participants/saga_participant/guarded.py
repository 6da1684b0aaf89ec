"""The `db` a handler is given: the participant's own transaction, without the means to end it.

A handler that commits would leave a barrier row without its effect, or an effect without its row. So commit, rollback, begin and close
raise; savepoints (`begin_nested`, asyncpg's `transaction()`) are fine. A COMMIT sent as text is found afterwards (transaction code).
"""

from __future__ import annotations

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


class GuardedAsyncpg:
    """The bare asyncpg connection. `transaction()` gives a savepoint, since the kit's transaction is open."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        if name in _REFUSED:
            _refuse(name)
        return getattr(self._connection, name)
