"""Ids of rows: UUIDv7, which begin with the time that they were made at.

Randomness enters ids here. Ids of one process are never twice the same.
"""

from __future__ import annotations

import secrets
from uuid import UUID

from saga_schemas.ids import uuid7


def new_id(unix_us: int) -> UUID:
    """A fresh UUIDv7 of this time (microseconds since 1970)."""
    return uuid7(unix_us, secrets.token_bytes(10))


def first_id(unix_us: int) -> UUID:
    """The lowest UUIDv7 of this time: every id that is made from then on is above it."""
    return UUID(int=max(0, unix_us) // 1000 << 80)
