"""What a participant remembers of announcements, one row of `saga_horizon` a tenant: the horizon,
and the incarnation below which no command is answered.

Exceptions are kept as one text of bytes, 16 a saga and rising: the whole set is written at once,
and hardly ever read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from uuid import UUID

from saga_schemas.horizon import Horizon
from saga_schemas.record_class import record

_ID_BYTES: Final = 16


@record
class Remembered:
    """The row of a tenant. Without arguments: nothing was announced yet."""

    below_ms: int = 0
    exceptions: bytes = b""
    incarnation: int = 0
    heard_at_us: int = 0
    """0: no horizon was heard."""

    @property
    def horizon(self) -> Horizon:
        return _horizon(self.below_ms, self.exceptions)


@lru_cache(maxsize=4)
def _horizon(below_ms: int, exceptions: bytes) -> Horizon:
    """Kept for a while: of many late commands each asks whether it is an exception."""
    ids = (UUID(bytes=exceptions[at : at + _ID_BYTES]) for at in range(0, len(exceptions), _ID_BYTES))
    return Horizon(below_ms=below_ms, exceptions=frozenset(ids))


def packed(exceptions: frozenset[UUID]) -> bytes:
    """The ids as one text."""
    return b"".join(saga_id.bytes for saga_id in sorted(exceptions))


def first_of(unix_ms: int) -> UUID:
    """The smallest id of that millisecond: ids sort by time."""
    return UUID(int=unix_ms << 80)
