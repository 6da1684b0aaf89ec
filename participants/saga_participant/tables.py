"""The two tables that the kit keeps in the service's own database, beside its own: `saga_barrier`
and `saga_horizon`.

`create_tables` makes them, and brings those of an earlier release up to date. In a migration of the
service's own, `upgrade(op)` does (Alembic), or the text of `upgrade_sql(dialect)`. Times are
microseconds since 1970 by the database's clock. What the rows of `saga_barrier` mean stands in
barrier/table.py, what those of `saga_horizon` mean in barrier/remembered.py.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, MetaData, Table, Text, Uuid, inspect, text
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateColumn, CreateTable

from saga_schemas.outcomes import RowState

_STATES: Final = ", ".join(f"'{state.value}'" for state in RowState)
_ADVISORY_LOCK: Final = 0x7361676162  # "sagab": two instances starting at once make the tables one after the other

metadata: Final = MetaData()

saga_barrier: Final = Table(
    "saga_barrier",
    metadata,
    Column("saga_id", Uuid, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("incarnation", Integer, nullable=False),  # the highest seen; lower ones are refused
    Column("run", Integer, nullable=False),  # never falls
    Column("state", Text, CheckConstraint(f"state IN ({_STATES})", name="saga_barrier_state"), nullable=False),
    Column("undo_requested", Integer),  # while ACCEPTED: the run of the compensation that wishes it undone
    Column("action_command", LargeBinary),  # while ACCEPTED: what its handler is given again; while DONE: what a sweep tells
    Column("action_schema", Text),  # record name of the stored reply to the action
    Column("action_reply", LargeBinary),
    Column("undo_schema", Text),
    Column("undo_reply", LargeBinary),
    Column("progress_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("lease_until", BigInteger),
    Column("reply_ctx", Text),  # while ACCEPTED: the headers of the commands that will be answered
    Column("expires_at", BigInteger, nullable=False),  # of the command that made the row
    Column("at", BigInteger, nullable=False),
    Column("definition_hash", LargeBinary),  # while DONE: of the action's command, the 32 bytes
    postgresql_with={"fillfactor": 70},  # every row is written twice: leave room for the second version beside the first
)
saga_horizon: Final = Table(
    "saga_horizon",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("below", BigInteger, nullable=False),  # milliseconds; 0: no horizon was heard
    Column("exceptions", LargeBinary, nullable=False),  # saga ids, 16 bytes each, rising
    Column("incarnation", Integer, nullable=False),  # the highest that a sweep told; lower ones get no answer
    Column("source", Text, nullable=False),  # of the last announcement
    Column("heard_at", BigInteger, nullable=False),  # 0: no horizon was heard
)
_ADDED: Final = (saga_barrier.c.definition_hash,)
"""Columns that the tables of an earlier release lack. Each may be NULL."""


async def create_tables(target: AsyncEngine | AsyncConnection) -> None:
    """Make `saga_barrier` and `saga_horizon` where they are missing, and what they lack.

    Args:
        target: An engine, or a connection: then it happens in its transaction, uncommitted.
    """
    if isinstance(target, AsyncConnection):
        await target.run_sync(_create)
        return
    async with target.begin() as connection:
        await connection.run_sync(_create)


async def missing_tables(engine: AsyncEngine) -> list[str]:
    """The tables, and columns as `table.column`, that are not on the search path of the engine's
    connections."""
    async with engine.connect() as connection:
        return await connection.run_sync(_missing)


def upgrade(op: Any) -> None:
    """Make both tables in an Alembic migration of the service, or what those of an earlier release
    lack.

    Args:
        op: Alembic's `op`.

    Example:
        ```python
        from alembic import op

        from saga_participant.tables import upgrade as create_saga_tables


        def upgrade() -> None:
            create_saga_tables(op)
        ```
    """
    _create(op.get_bind())


def upgrade_sql(dialect: str) -> str:
    """The statements that make both tables, as SQL text.

    On PostgreSQL they also bring tables of an earlier release up to date. SQLite cannot say "where
    it is missing" of a column: there they are for a new database.

    Args:
        dialect: `postgresql` or `sqlite`.

    Returns:
        The statements, each with a semicolon at its end.
    """
    spoken: Dialect = make_url(f"{dialect}://").get_dialect()()
    made = [str(CreateTable(table, if_not_exists=True).compile(dialect=spoken)).strip() for table in metadata.sorted_tables]
    if dialect == "postgresql":
        made += [_add_column(column, spoken, " IF NOT EXISTS") for column in _ADDED]
    return "".join(f"{statement};\n" for statement in made)


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    metadata.create_all(connection)
    missing = _missing(connection)
    for column in _ADDED:
        if str(column) in missing:
            connection.execute(text(_add_column(column, connection.dialect)))


def _missing(connection: Connection) -> list[str]:
    inspector = inspect(connection)
    found: list[str] = []
    for table in metadata.sorted_tables:
        if not inspector.has_table(table.name):
            found.append(table.name)
            continue
        there = {column["name"] for column in inspector.get_columns(table.name)}
        found += [str(column) for column in _ADDED if column.table is table and column.name not in there]
    return found


def _add_column(column: Column[Any], spoken: Dialect, where: str = "") -> str:
    made = CreateColumn(column).compile(dialect=spoken)
    return f"ALTER TABLE {column.table.name} ADD COLUMN{where} {made}"
