"""Ids of rows: UUIDv7, which begin with the time that they were made at.

Randomness enters ids here. Ids of one process are never twice the same.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from typing import Final
from uuid import UUID

from saga_coordinator.store.examining_port import MADE_NAME
from saga_schemas.ids import uuid7

_HOST_CHARS: Final = 60


def new_id(unix_us: int) -> UUID:
    """A fresh UUIDv7 of this time (microseconds since 1970)."""
    return uuid7(unix_us, secrets.token_bytes(10))


def first_id(unix_us: int) -> UUID:
    """The lowest UUIDv7 of this time: every id that is made from then on is above it."""
    return UUID(int=max(0, unix_us) // 1000 << 80)


def made_name() -> str:
    """A name for an instance that was given none: where it runs, its process, and something random,
    since containers of one name each have a process 1.
    """
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:_HOST_CHARS] or "host"
    return f"{MADE_NAME}{host}-{os.getpid()}-{secrets.token_hex(2)}"
