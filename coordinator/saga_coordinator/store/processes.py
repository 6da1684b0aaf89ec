"""Coordinators' processes, as their database sees them.

Each makes a token when it opens its store. On PostgreSQL all its connections bear the token as
their application name, and the server closes them once the process is gone, however it went. So
whoever wants the name of an instance sees at once whether the process that has it still lives.
"""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import ColumnElement, and_, column, func, select, table

_COORDINATOR: Final = "saga-coordinator"
_MARK: Final = f"{_COORDINATOR}/"
"""A token without it is of a release whose connections do not bear theirs."""
_S: Final = table("pg_stat_activity", column("application_name"), column("datname")).c
BORNE: Final = select(_S.application_name).where(
    _S.datname == func.current_database(), _S.application_name.startswith(_COORDINATOR, autoescape=True)
)
"""PostgreSQL: what each of the connections is called that coordinators have to this database."""


def new_token() -> str:
    """Of one process: what its connections are called."""
    return _MARK + secrets.token_hex(16)


def is_gone(dialect: str, token: ColumnElement[str]) -> ColumnElement[bool]:
    """The process of that token, another one than this, is known not to live any more.

    On SQLite whoever writes has locked the file, so no other process is there. On PostgreSQL the
    process has no connection left. One that lives has none for the moment in which the server
    restarts: it learns with its next renewal that its name was taken, if anybody took it then.
    """
    tells = token.startswith(_MARK, autoescape=True)
    return tells if dialect == "sqlite" else and_(tells, token.not_in(BORNE))
