"""Whether all live instances can read each other's tokens: a command that one signs is answered to any of them.

Each instance says every few seconds, in `control`, which key it signs with and which it verifies, by fingerprints. One row a set of keys,
so the rows are as few as the sets that were ever in use; what was not said for a while is by nobody alive. Lists may differ while keys
are changed (`k1,k2` beside `k2,k1`); what may not be is that one signs with a key another does not have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

import orjson
from pydantic import BaseModel, ValidationError

from saga_coordinator.store.port import Store
from saga_messaging.errors import ConfigurationError
from saga_schemas.token import TokenKeys

SCOPE: Final = "token_keys"
STALE_US: Final = 15_000_000
"""The watchdog says it every five seconds."""


class KeysDiffer(ConfigurationError):
    """A live instance, or one that was alive a moment ago, has other token keys."""


class _Said(BaseModel):
    """What one row says."""

    at: int
    signs: str
    keys: dict[str, str]


def _read(value: str) -> _Said | None:
    """None for what is no row of ours, as one edited by hand: it must keep nobody from starting."""
    try:
        return _Said.model_validate_json(value)
    except ValidationError:
        return None


class KeyAgreement:
    """Of one instance."""

    def __init__(self, store: Store, keys: TokenKeys, tenant: str, who: str) -> None:
        self._store = store
        self._tenant = tenant
        self._who = who
        self._current = keys.current
        self._prints = keys.fingerprints()
        self._own = hashlib.sha256(orjson.dumps([self._current, sorted(self._prints.items())])).hexdigest()[:16]

    async def check(self) -> None:
        """Raises KeysDiffer, StoreError."""
        rows = await self._store.control(SCOPE, self._tenant)
        now = await self._store.now()
        if problem := next(self._problems(rows, now), None):
            raise KeysDiffer(
                f"{problem}: give all instances the same SAGA_TOKEN_KEYS (docs/operations.md tells how keys are changed)"
            )

    async def say(self) -> None:
        """That an instance with these keys is alive, and then `check`. Raises KeysDiffer, StoreError."""
        async with self._store.transaction() as tx:
            said = _Said(at=tx.now, signs=self._prints[self._current], keys=self._prints).model_dump_json()
            await tx.set_control(scope=SCOPE, tenant=self._tenant, name=self._own, value=said, who=self._who, why="alive")
        await self.check()

    def _problems(self, rows: Mapping[str, str], now: int) -> Iterator[str]:
        for name, value in rows.items():
            other = None if name == self._own else _read(value)
            if other is None or other.at < now - STALE_US:
                continue
            theirs = {found: key_id for key_id, found in other.keys.items()}
            if other.signs not in self._prints.values():
                yield f"another instance signs with token key {theirs.get(other.signs, '?')}, which this one does not have"
            if self._prints[self._current] not in theirs:
                yield f"this instance signs with token key {self._current}, which another one does not have"
