"""A participant's own database, as `saga doctor` reads it: `saga_barrier`, and what is remembered
of the horizon. Nothing is written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, and_, inspect, or_, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from saga_cli.exits import CommandFailed, ExitCode
from saga_coordinator.doctor.comparison import BarrierRow
from saga_coordinator.doctor.examination import Rows
from saga_messaging.database_errors import in_words, not_up_yet
from saga_messaging.errors import ConfigurationError
from saga_messaging.sqlite import connect_args
from saga_participant.barrier.remembered import Remembered
from saga_participant.tables import saga_barrier, saga_horizon
from saga_schemas.horizon import Horizon
from saga_schemas.outcomes import RowState

_SHAPES: Final = "sqlite+aiosqlite:///path/to/file.db or postgresql+asyncpg://user@host/database"
_CONNECT_LIMIT_S: Final = 10
_STATEMENT_LIMIT_S: Final = 60
_STATES: Final = {state.value: state for state in RowState}
_READING: Final = {"application_name": "saga-doctor", "default_transaction_read_only": "on"}


class OpenParticipant:
    """One connection to it."""

    def __init__(self, connection: AsyncConnection, tenant: str, *, forgets: bool) -> None:
        """`forgets`: it has a table for the horizon."""
        self._connection = connection
        self._tenant = tenant
        self._forgets = forgets

    async def of(self, ids: Sequence[UUID]) -> Rows:
        c = saga_barrier.c
        found = await self._read(select(c.saga_id, c.step, c.state, c.run).where(c.saga_id.in_(ids))) if ids else []
        return {(saga_id, step): _row(state, run) for saga_id, step, state, run in found}

    async def page(self, *, after: tuple[UUID, str] | None, limit: int) -> Rows:
        c = saga_barrier.c
        query = select(c.saga_id, c.step, c.state, c.run).where(c.tenant == self._tenant).order_by(c.saga_id, c.step).limit(limit)
        if after is not None:
            query = query.where(or_(c.saga_id > after[0], and_(c.saga_id == after[0], c.step > after[1])))
        return {(saga_id, step): _row(state, run) for saga_id, step, state, run in await self._read(query)}

    async def remembered(self) -> Horizon:
        h = saga_horizon.c
        found = await self._read(select(h.below, h.exceptions).where(h.tenant == self._tenant)) if self._forgets else []
        for below_ms, exceptions in found:
            return Remembered(below_ms=below_ms, exceptions=bytes(exceptions)).horizon
        return Horizon()

    async def _read(self, statement: Executable) -> Sequence[Any]:
        with _in_words():
            return (await self._connection.execute(statement)).all()


@asynccontextmanager
async def opened_participant(address: str, tenant: str) -> AsyncIterator[OpenParticipant]:
    """The participant's database at that address.

    Raises:
        ConfigurationError: It is none.
        CommandFailed: It does not answer.
    """
    url = _checked(address)
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_settings(url))
    try:
        with _in_words():
            connection = await engine.connect()
        try:
            with _in_words():
                if url.get_backend_name() == "sqlite":
                    await connection.execute(text("PRAGMA query_only = ON"))
                there = await connection.run_sync(_tables)
            if saga_barrier.name not in there:
                raise ConfigurationError(
                    f"{_shown(url)} is not the database of a participant: it has no table {saga_barrier.name}"
                )
            yield OpenParticipant(connection, tenant, forgets=saga_horizon.name in there)
        finally:
            await connection.close()
    finally:
        await engine.dispose()


def _checked(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError:
        raise ConfigurationError(f"--database is not a database URL; give {_SHAPES}") from None
    if url.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        raise ConfigurationError(f"--database: {url.drivername} is not read; give {_SHAPES}")
    if not url.database:
        raise ConfigurationError(f"--database names no database; give {_SHAPES}")
    if url.get_backend_name() == "sqlite" and not Path(url.database).is_file():
        raise ConfigurationError(f"{url.database} does not exist")
    return url


def _settings(url: URL) -> Mapping[str, Any]:
    if url.get_backend_name() == "sqlite":
        return connect_args(url)
    return {"server_settings": _READING, "timeout": _CONNECT_LIMIT_S, "command_timeout": _STATEMENT_LIMIT_S}


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _tables(connection: Any) -> set[str]:
    inspector = inspect(connection)
    return {table.name for table in (saga_barrier, saga_horizon) if inspector.has_table(table.name)}


def _row(state: object, run: object) -> BarrierRow:
    known = _STATES.get(str(state))
    if known is None or not isinstance(run, int):
        raise ConfigurationError(f"{saga_barrier.name} has a row that the kit did not write: state {str(state)[:40]!r}")
    return BarrierRow(state=known, run=run)


@contextmanager
def _in_words() -> Iterator[None]:
    """A driver's error in one line, with the exit code of what it says."""
    try:
        yield
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        code = ExitCode.NO_SERVER if not_up_yet(error) is not None else ExitCode.CONFIGURATION
        raise CommandFailed(f"the participant's database: {in_words(error)}", code) from error
