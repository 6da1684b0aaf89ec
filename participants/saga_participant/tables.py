"""The one table that the kit keeps in the service's own database, beside its own: `saga_barrier`.

`create_tables` makes it. In a migration of the service's own, `upgrade(op)` makes it (Alembic), or
the text of `upgrade_sql(dialect)`. Times are microseconds since 1970 by the database's clock. What
the rows mean stands in barrier/table.py.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, MetaData, Table, Text, Uuid, inspect, text
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateTable

from saga_schemas.outcomes import RowState

TABLE: Final = "saga_barrier"
_STATES: Final = ", ".join(f"'{state.value}'" for state in RowState)
_ADVISORY_LOCK: Final = 0x7361676162  # "sagab": two instances starting at once make the table one after the other

metadata: Final = MetaData()

saga_barrier: Final = Table(
    TABLE,
    metadata,
    Column("saga_id", Uuid, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("incarnation", Integer, nullable=False),  # the highest seen; lower ones are refused
    Column("run", Integer, nullable=False),  # never falls
    Column("state", Text, CheckConstraint(f"state IN ({_STATES})", name="saga_barrier_state"), nullable=False),
    Column("undo_requested", Integer),  # while ACCEPTED: the run of the compensation that wishes it undone
    Column("action_command", LargeBinary),  # while ACCEPTED: what the handler is given again when the lease is over
    Column("action_schema", Text),  # record name of the stored reply to the action
    Column("action_reply", LargeBinary),
    Column("undo_schema", Text),
    Column("undo_reply", LargeBinary),
    Column("progress_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("lease_until", BigInteger),
    Column("reply_ctx", Text),  # while ACCEPTED: the headers of the commands that will be answered
    Column("expires_at", BigInteger, nullable=False),  # of the command that made the row: for the horizon
    Column("at", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},  # every row is written twice: leave room for the second version beside the first
)


async def create_tables(target: AsyncEngine | AsyncConnection) -> None:
    """Make `saga_barrier` where it is missing.

    Args:
        target: An engine, or a connection: then the table is made in its transaction, uncommitted.
    """
    if isinstance(target, AsyncConnection):
        await target.run_sync(_create)
        return
    async with target.begin() as connection:
        await connection.run_sync(_create)


async def table_exists(engine: AsyncEngine) -> bool:
    """Whether the table is on the search path of the engine's connections."""
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: inspect(sync).has_table(TABLE))


def upgrade(op: Any) -> None:
    """Make `saga_barrier` in an Alembic migration of the service.

    Args:
        op: Alembic's `op`.

    Example:
        ```python
        from alembic import op

        from saga_participant.tables import upgrade as create_saga_barrier


        def upgrade() -> None:
            create_saga_barrier(op)
        ```
    """
    _create(op.get_bind())


def upgrade_sql(dialect: str) -> str:
    """The statement that makes `saga_barrier`, as SQL text.

    Args:
        dialect: `postgresql` or `sqlite`.

    Returns:
        The statement, with a semicolon at its end.
    """
    spoken: Dialect = make_url(f"{dialect}://").get_dialect()()
    return str(CreateTable(saga_barrier).compile(dialect=spoken)).strip() + ";\n"


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    metadata.create_all(connection)
