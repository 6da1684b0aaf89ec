"""Whether all live instances can read each other's tokens.

A command that one signs may be answered to any of them. Each instance writes every few seconds, in
`control`, which key it signs with and which keys it verifies, as fingerprints. There is one row for
each set of keys that was ever in use. A row that was not written for a while belongs to no live
instance.

Sets may differ while keys are changed (`k1,k2` beside `k2,k1`). What must not be is that one
instance signs with a key that another does not have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

import orjson
from pydantic import BaseModel, ValidationError

from saga_coordinator.settings import Settings
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import Meta, Store
from saga_messaging.errors import ConfigurationError
from saga_schemas.token import TokenKeys

SCOPE: Final = "token_keys"
STALE_US: Final = 15_000_000
"""The watchdog writes the row every five seconds."""


class KeysDiffer(ConfigurationError):
    """A live instance, or one that was alive a moment ago, has other token keys."""


class _Announced(BaseModel):
    """What one row says."""

    at: int
    signs: str
    keys: dict[str, str]


def _read(value: str) -> _Announced | None:
    """The row; None when it is none of ours: a row edited by hand keeps nobody from starting."""
    try:
        return _Announced.model_validate_json(value)
    except ValidationError:
        return None


class KeyAgreement:
    """The keys of one instance, compared with those of the others."""

    def __init__(self, store: Store, keys: TokenKeys, tenant: str, who: str) -> None:
        self._store = store
        self._tenant = tenant
        self._who = who
        self._current = keys.current
        self._prints = keys.fingerprints()
        self._own = hashlib.sha256(orjson.dumps([self._current, sorted(self._prints.items())])).hexdigest()[:16]

    async def check(self) -> None:
        """Raises KeysDiffer, StoreError."""
        self.compare(await self._store.look(self._tenant, frozenset({SCOPE})))

    def compare(self, look: Look) -> None:
        """Raises KeysDiffer."""
        if problem := next(self._problems(look.control.get(SCOPE, {}), look.now_us), None):
            raise KeysDiffer(
                f"{problem}: give all instances the same SAGA_TOKEN_KEYS (docs/operations.md tells how keys are changed)"
            )

    async def say(self, now_us: int) -> None:
        """Write that an instance with these keys is alive. Raises StoreError."""
        announced = _Announced(at=now_us, signs=self._prints[self._current], keys=self._prints).model_dump_json()
        await self._store.note(SCOPE, self._tenant, {self._own: announced}, who=self._who, why="alive")

    def _problems(self, rows: Mapping[str, str], now_us: int) -> Iterator[str]:
        for name, value in rows.items():
            other = None if name == self._own else _read(value)
            if other is None or other.at < now_us - STALE_US:
                continue
            other_ids = {found: key_id for key_id, found in other.keys.items()}
            if other.signs not in self._prints.values():
                yield f"another instance signs with token key {other_ids.get(other.signs, '?')}, which this one does not have"
            if self._prints[self._current] not in other_ids:
                yield f"this instance signs with token key {self._current}, which another one does not have"


def token_keys(settings: Settings, meta: Meta) -> TokenKeys:
    """The given keys, or the one that an embedded store was made with.

    Raises ConfigurationError.
    """
    if settings.token_keys is not None:
        try:
            return TokenKeys.parse(settings.token_keys.get_secret_value())
        except ValueError as error:
            raise ConfigurationError(f"SAGA_TOKEN_KEYS: {error}") from None
    assert meta.token_key is not None, "SQLite stores are made with a key"
    return TokenKeys(current="embedded", keys={"embedded": meta.token_key})
