"""Changes of tables beside transactions that run: each waits for its locks for a moment only, and
is tried again.

Whoever waits for an exclusive lock holds up all who come after it. So it waits shorter than anybody
would notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from saga_coordinator.store.faults import sqlstate
from saga_coordinator.store.port import StoreError

LOCK_WAIT: Final = "SET LOCAL lock_timeout = '100ms'"
TRIES: Final = 20
PAUSE_S: Final = 1.0
_LOCKED: Final = ("55P03", "40P01")
"""The lock was not to be had in time, or others waited in a circle."""

Result = TypeVar("Result")


async def tried_again(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """What a transaction of short lock waits returns, once it got its locks.

    Raises StoreError when it never does.
    """
    for _ in range(TRIES):
        try:
            return await attempt()
        except DBAPIError as error:
            if error.orig is None or sqlstate(error.orig) not in _LOCKED:
                raise
        await asyncio.sleep(PAUSE_S)
    raise StoreError(
        f"{TRIES} times a table could not be had for a moment: a long transaction holds it, such as a dump; try again after it"
    )
