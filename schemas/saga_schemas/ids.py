"""Ids and names of the protocol: UUIDv7 saga ids, command ids, idempotency keys, derived trace ids.

Nothing here draws randomness or reads a clock: both are passed in. Patterns are shown in
docs/wire.md.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from saga_schemas.limits import INT32_MAX, INT64_MAX, TEXT_CHARS
from saga_schemas.outcomes import AnnouncementKind, Kind

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
"""Definitions, steps, participants, tenants in topics."""
STEP: Final = re.compile(r"[a-z][a-z0-9-]{0,62}(\[(0|[1-9][0-9]{0,5})\])?")
"""A step name, with an instance where it is one of many: `charge[3]`."""
SAGA_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
DEFINITION_HASH: Final = re.compile(r"[0-9a-f]{64}")
"""SHA-256 of a definition's canonical document."""
DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")

_SAGA_ID_CHARS: Final = 36
_MAX_MS: Final = 2**48


def uuid7(unix_us: int, entropy: bytes) -> UUID:
    """A UUIDv7 (RFC 9562) of that instant; ids of one process sort by microsecond.

    Args:
        unix_us: Microseconds since 1970.
        entropy: At least 10 random bytes.
    """
    if len(entropy) < 10:
        raise ValueError("uuid7 needs at least 10 random bytes")
    ms, us = divmod(unix_us, 1000)
    if not 0 <= ms < _MAX_MS:
        raise ValueError("time is outside the range of a UUIDv7")
    fraction = us * 4096 // 1000  # RFC 9562 section 6.2, method 3: the 12 bits after the version hold the sub-millisecond part
    tail = int.from_bytes(entropy[:8], "big") & ((1 << 62) - 1)
    return UUID(int=(ms << 80) | (7 << 76) | (fraction << 64) | (0b10 << 62) | tail)


def started_id(unix_ms: int, tenant: str, source: str, message_id: str) -> UUID:
    """The id of a saga that a message asks for: the same message, read again, gives the same id.

    A UUIDv7 whose time is the message's, and whose other 74 bits are of a hash of who asks, and by
    which id.

    Args:
        unix_ms: Milliseconds since 1970.
        tenant: The message's tenant.
        source: Its source.
        message_id: Its id.
    """
    if not 0 <= unix_ms < _MAX_MS:
        raise ValueError("time is outside the range of a UUIDv7")
    digest = hashlib.sha256(b"saga start")
    for part in (tenant.encode(), source.encode(), message_id.encode()):
        digest.update(b"%d:" % len(part) + part)
    bits = int.from_bytes(digest.digest()[:10], "big")
    return UUID(int=(unix_ms << 80) | (7 << 76) | (bits >> 62 & 0xFFF) << 64 | (0b10 << 62) | bits & ((1 << 62) - 1))


def uuid7_unix_ms(value: UUID) -> int:
    """The milliseconds since 1970 that a UUIDv7 starts with."""
    return value.int >> 80


def parse_saga_id(text: str) -> UUID | None:
    """A saga id in its one spelling (lower case, dashes) and of version 7, else None."""
    return _saga_id(text) if len(text) == _SAGA_ID_CHARS else None


@lru_cache(maxsize=4096)
def _saga_id(text: str) -> UUID | None:
    """Kept for a while: every message of a saga names it."""
    return UUID(text) if SAGA_ID.fullmatch(text) else None


@lru_cache(maxsize=4096)
def saga_text(saga_id: UUID) -> str:
    """`str(saga_id)`, kept for a while: a message names its saga in six places.

    Without the caches of ids, times, tokens, span ids and bindings, deciding and writing a saga
    costs 1.04 to 1.08 (`benchmarks/transitions.py`).
    """
    return str(saga_id)


def saga_key(saga_id: UUID) -> bytes:
    """The record key of a saga's commands, replies and events."""
    return saga_text(saga_id).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandId:
    """The journal record a command stands in."""

    saga_id: UUID
    incarnation: int
    version: int
    ord: int

    def __str__(self) -> str:
        return command_id(self.saga_id, self.incarnation, self.version, self.ord)


def command_id(saga_id: UUID, incarnation: int, version: int, ord: int) -> str:
    """`<saga id>.<incarnation>.<version>.<ord>`: asking again is a new version, so a new id."""
    return f"{saga_text(saga_id)}.{incarnation}.{version}.{ord}"


def announcement_id(kind: AnnouncementKind, incarnation: int, random: UUID) -> str:
    """`<kind>.<incarnation>.<uuid>`."""
    return f"{kind.value}.{incarnation}.{random}"


def parse_command_id(text: str) -> CommandId | None:
    """The parts of a command id, or None when it is not one."""
    parts = text.split(".")
    if len(parts) != 4:
        return None
    saga_id = parse_saga_id(parts[0])
    numbers = [parse_number(part) for part in parts[1:]]
    if saga_id is None or None in numbers:
        return None
    incarnation, version, ord_ = (number or 0 for number in numbers)
    return CommandId(saga_id=saga_id, incarnation=incarnation, version=version, ord=ord_)


@lru_cache(maxsize=4096)
def parse_number(text: str, largest: int = INT64_MAX) -> int | None:
    """A decimal in its one spelling (no sign, no leading zero) up to `largest`, else None."""
    if len(text) > 19 or not DECIMAL.fullmatch(text):
        return None
    value = int(text)
    return value if value <= largest else None


def idempotency_key(saga_id: UUID, step: str, kind: Kind, run: int) -> str:
    """What a participant hands to a third party: `<saga id>/<step>/action|compensation/<run>`.

    RESOLVE asks about the action.
    """
    direction = Kind.COMPENSATION if kind is Kind.COMPENSATION else Kind.ACTION
    return f"{saga_text(saga_id)}/{step}/{direction.value}/{run}"


def trace_id_of(saga_id: UUID) -> str:
    """The trace id (32 hex digits) of a saga that was started without one.

    A hash and not the id itself: samplers decide by the low bits, and those of a UUID start with a
    fixed variant.
    """
    return hashlib.sha256(b"saga trace " + saga_id.bytes).hexdigest()[:32]


def span_id_of(command: str) -> str:
    """The span id of a command's span: 16 hex digits, never all zero.

    It is derived, so that exporting the span twice gives the same one.
    """
    digest = hashlib.sha256(command.encode()).digest()
    return (digest[:8] if any(digest[:8]) else b"\0" * 7 + b"\1").hex()


@lru_cache(maxsize=4096)
def valid_name(text: str) -> bool:
    """A definition, participant or step name without an instance."""
    return NAME.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def valid_step(text: str) -> bool:
    """A step name, possibly with an instance."""
    return STEP.fullmatch(text) is not None


def valid_text(text: str) -> bool:
    """A business key, tenant, request id or source: 1 to 256 printable characters.

    `isprintable` leaves out control, format (hence bidirectional marks and zero-width characters),
    surrogate, private and unassigned characters and every space but U+0020, which may not stand at
    an end.
    """
    return 0 < len(text) <= TEXT_CHARS and text.isprintable() and text.strip() == text


valid_business_key = valid_tenant = valid_request_id = valid_text
TEXT_RULE: Final = f"1 to {TEXT_CHARS} printable characters without spaces at the ends"
"""`valid_text`, for who is told that theirs is not: a key that was given, computed from an input,
or looked up."""


def valid_definition_ref(text: str) -> tuple[str, int | None] | None:
    """`name` or `name@version` in parts, or None when it is neither."""
    name, at, version = text.partition("@")
    if not valid_name(name):
        return None
    if not at:
        return name, None
    number = parse_number(version, INT32_MAX)
    return (name, number) if number else None
