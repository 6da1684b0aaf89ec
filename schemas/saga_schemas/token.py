"""The token of a command: proof, echoed in the reply, that this coordinator issued it. And the
token of an announcement, which a participant may verify.

HMAC-SHA256 over tenant, saga, step, direction, run and incarnation, under a key with an id, so that
keys can be changed while sagas are open. Opaque to participants: ASCII, at most 128 bytes. A
RESOLVE is a direction of its own.

An announcement is signed under a key that is derived from the same one and given to participants:
whoever has it can verify and sign announcements, and can sign no command.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self
from uuid import UUID

from saga_schemas.limits import TOKEN_BYTES
from saga_schemas.outcomes import AnnouncementKind, Kind

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SHORTEST_KEY: Final = 16
_DOMAIN: Final = b"saga token 1\0"
_FINGERPRINT: Final = b"saga token key fingerprint 1\0"
_ANNOUNCEMENT_KEY: Final = b"saga announcement key 1\0"
_ANNOUNCEMENT: Final = b"saga announcement 1\0"


@dataclass(frozen=True, slots=True)
class _Keys:
    """The signing key and those that still verify. Never printed unasked."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise ValueError("the current token key is not among the keys")
        for key_id, key in self.keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError("a token key's id has 1 to 32 letters, digits, '_' or '-'")
            if len(key) < _SHORTEST_KEY:
                raise ValueError(f"token key {key_id} has fewer than {_SHORTEST_KEY} bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `id:base64,id:base64`: the first key signs, all verify.

        Raises ValueError, which names the entry by its position and never its content.
        """
        keys = _parsed(text)
        return cls(current=next(iter(keys)), keys=keys)

    def _key_of(self, token: str) -> str | None:
        """The id of ours that the token names; None: it names none, or is no token."""
        if len(token) > TOKEN_BYTES or not token.isascii():
            return None
        key_id = token.partition(".")[0]
        return key_id if key_id in self.keys else None


class TokenKeys(_Keys):
    """Those of commands."""

    __slots__ = ()

    def fingerprints(self) -> dict[str, str]:
        """By key id, 16 hex digits that are the same for whoever holds the same key.

        They say nothing of the key.
        """
        return {key_id: hmac.digest(key, _FINGERPRINT + key_id.encode(), "sha256")[:8].hex() for key_id, key in self.keys.items()}

    def announcement_keys(self) -> AnnouncementKeys:
        """What announcements are signed under: one key for each of these, of the same id."""
        derived = {key_id: hmac.digest(key, _ANNOUNCEMENT_KEY + key_id.encode(), "sha256") for key_id, key in self.keys.items()}
        return AnnouncementKeys(current=self.current, keys=derived)

    def sign(self, tenant: str, saga_id: UUID, step: str, kind: Kind, run: int, incarnation: int) -> str:
        """`<key id>.<base64url of the MAC>`."""
        return _signed(self.current, self.keys[self.current], tenant, saga_id.int, step, kind, run, incarnation)

    def verify(self, token: str, tenant: str, saga_id: UUID, step: str, kind: Kind, run: int, incarnation: int) -> bool:
        """Whether one of our keys signed exactly this; in constant time for a known key id."""
        key_id = self._key_of(token)
        if key_id is None:
            return False
        expected = _signed(key_id, self.keys[key_id], tenant, saga_id.int, step, kind, run, incarnation)
        return hmac.compare_digest(expected, token)


class AnnouncementKeys(_Keys):
    """Those of announcements."""

    __slots__ = ()

    def text(self) -> str:
        """All keys, for who is to verify."""
        first = {self.current: self.keys[self.current]}
        return ",".join(f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in (first | dict(self.keys)).items())

    def sign(self, tenant: str, participant: str, kind: AnnouncementKind, incarnation: int, value: bytes) -> str:
        """`<key id>.<base64url of the MAC>`, over the digest of the framed value."""
        return self._token(self.current, tenant, participant, kind, incarnation, announcement_digest(value))

    def verify(self, token: str, tenant: str, participant: str, kind: AnnouncementKind, incarnation: int, digest: bytes) -> bool:
        """Whether one of these keys signed an announcement of this digest; in constant time for a
        known key id.
        """
        key_id = self._key_of(token)
        if key_id is None:
            return False
        return hmac.compare_digest(self._token(key_id, tenant, participant, kind, incarnation, digest), token)

    def _token(self, key_id: str, tenant: str, participant: str, kind: AnnouncementKind, incarnation: int, digest: bytes) -> str:
        parts = (tenant.encode(), participant.encode(), kind.encode(), b"%d" % incarnation, digest)
        return _written(key_id, hmac.digest(self.keys[key_id], _ANNOUNCEMENT + b"".join(map(_measured, parts)), "sha256"))


def announcement_digest(value: bytes) -> bytes:
    """What an announcement's token signs of its value, and its answer carries back."""
    return hashlib.sha256(value).digest()


def _parsed(text: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for position, entry in enumerate(text.split(","), start=1):
        key_id, colon, encoded = entry.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ValueError(f"token key {position}: expected id:base64")
        if key_id in keys:
            raise ValueError(f"token key {position}: its id stands there twice")
        try:
            keys[key_id] = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"token key {position}: what follows the id is not base64") from None
    return keys


@lru_cache(maxsize=4096)
def _signed(key_id: str, key: bytes, tenant: str, saga: int, step: str, kind: Kind, run: int, incarnation: int) -> str:
    """The token's digest; `saga` is the id as a number.

    It is kept for a while: what is signed for a command is compared with its reply's token soon
    after.
    """
    before, after = _around(tenant, step, kind, run, incarnation)
    mac = _keyed(key).copy()
    mac.update(before + saga.to_bytes(16, "big") + after)
    return _written(key_id, mac.digest())


def _written(key_id: str, mac: bytes) -> str:
    return f"{key_id}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> hmac.HMAC:
    """To be copied: with this and `_around` a token costs 2.3 us instead of 4.1, of the 12 of a
    command's headers (`benchmarks/wire.py`)."""
    return hmac.new(key, _DOMAIN, "sha256")


@lru_cache(maxsize=1024)
def _around(tenant: str, step: str, kind: Kind, run: int, incarnation: int) -> tuple[bytes, bytes]:
    """What is signed before and behind the saga's id: many sagas share it.

    Each part's length stands before it, the id's too: no two different tuples give the same bytes.
    """
    rest = (step.encode(), kind.encode(), b"%d" % run, b"%d" % incarnation)
    return b"%b16:" % _measured(tenant.encode()), b"".join(map(_measured, rest))


def _measured(part: bytes) -> bytes:
    return b"%d:%b" % (len(part), part)
