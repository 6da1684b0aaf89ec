"""Where randomness and time enter ids: UUIDv7 made by this process, never twice the same."""

from __future__ import annotations

import secrets
from uuid import UUID

from saga_schemas.ids import uuid7


def new_id(unix_us: int) -> UUID:
    """A fresh UUIDv7 for this time (microseconds)."""
    return uuid7(unix_us, secrets.token_bytes(10))
