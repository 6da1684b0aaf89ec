"""An asyncpg connection as it lies under one of SQLAlchemy's, and whether our statements are
prepared on it: for as long as it lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from saga_messaging.database_errors import sqlstate
from saga_participant.database.joined_statements import PREPARE

_KEY: Final = "saga_participant"
_NAME_TAKEN: Final = "42P05"


@dataclass(slots=True)
class BareConnection:
    """`driver` is asyncpg's connection."""

    driver: Any
    prepared: bool = False
    _names_keep: bool = True
    """False behind a pooler that gives every transaction another session."""

    async def prepare(self) -> bool:
        """Whether the statements can be called by their names."""
        if not self.prepared and self._names_keep:
            try:
                await self.driver.execute(PREPARE)
            except Exception as error:
                if sqlstate(error) != _NAME_TAKEN:
                    raise
                self._names_keep = False  # somebody else's session, then, and not ours for long
            else:
                self.prepared = True
        return self.prepared

    def names_are_lost(self) -> None:
        """From now on nothing is called by name here."""
        self.prepared = self._names_keep = False


async def bare_connection(connection: AsyncConnection) -> BareConnection:
    """The one under this connection."""
    found: BareConnection | None = connection.info.get(_KEY)
    if found is None:
        found = BareConnection((await connection.get_raw_connection()).driver_connection)
        connection.info[_KEY] = found
    return found
