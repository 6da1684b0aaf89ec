"""What `Participant(…)` is given, checked where it is made: a mistake is one line that says what to
write.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from saga_messaging.errors import ConfigurationError
from saga_schemas.ids import valid_name
from saga_schemas.token import AnnouncementKeys


def check_name(name: object) -> str:
    if not isinstance(name, str) or not valid_name(name):
        raise ConfigurationError(f"a participant's name matches [a-z][a-z0-9-]{{0,62}}: {name!r} does not")
    return name


def check_database(database: object) -> None:
    if not isinstance(database, AsyncEngine) and not (isinstance(database, str) and database):
        raise ConfigurationError(
            f"database is an AsyncEngine or a SQLAlchemy URL such as sqlite+aiosqlite:///shop.db, not {type(database).__name__}"
        )


def read_directories(schemas: object) -> list[Path]:
    """One directory or several."""
    several = list(schemas) if isinstance(schemas, Sequence) and not isinstance(schemas, str) else [schemas]
    if not several or not all(isinstance(each, str | Path) and str(each) for each in several):
        raise ConfigurationError('schemas is a directory of .avsc files, or a list of such: write schemas="schemas/"')
    return [Path(each) for each in several if isinstance(each, str | Path)]


def read_keys(name: str, text: object) -> AnnouncementKeys | None:
    """`id:base64,…`, or None where there are none."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise ConfigurationError(f"{name} is what `saga token announcement-keys` prints, not {type(text).__name__}")
    try:
        return AnnouncementKeys.parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}; `saga token announcement-keys` prints them") from None


def check_limit_s(seconds: object) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not (math.isfinite(seconds) and seconds > 0):
        raise ConfigurationError("handler_limit_s is a number of seconds above 0")


def check_group(group: object, largest: int) -> None:
    if isinstance(group, bool) or not isinstance(group, int) or not 1 <= group <= largest:
        raise ConfigurationError(f"group is a number of commands from 1 to {largest}; 1 gives each its own transaction")


def check_callback(name: str, function: object) -> None:
    if function is not None and not callable(function):
        raise ConfigurationError(f"{name} is an async def function, not {type(function).__name__}")
