"""Horizons for tests: as many rounds as are wanted, without a running coordinator."""

from __future__ import annotations

from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.store.horizon_port import Raise, Raised, StoredHorizon
from saga_coordinator.store.port import Store

AT_ONCE = HorizonTerms(restore_window_ms=0, clock_skew_ms=0, interval_ms=1_000)
"""The horizon follows the clock at once, but for the expiry of commands."""
SECONDS: dict[str, object] = {"horizon_restore_window": "0s", "horizon_clock_skew": "0s", "horizon_interval": "1s"}
"""The same as settings of a coordinator."""
EVER_US = 10**18


async def horizon_at(
    store: Store, below_ms: int, *, ended_before_us: int = EVER_US, limit: int = 5_000, sagas: int = 10_000
) -> Raised:
    """One step up to there; nobody starts a saga meanwhile."""
    async with store.transaction() as tx:
        up_to_ms = await tx.refuse_starts_below(below_ms)
    async with store.transaction() as tx:
        by = Raise(up_to_ms=up_to_ms, ended_before_us=ended_before_us, limit=limit, sagas=sagas)
        return await tx.raise_horizon(await tx.horizon("default"), by)


async def horizon_now(store: Store) -> StoredHorizon:
    """Whatever is finished by now may be forgotten."""
    await horizon_at(store, await store.now_us() // 1000 + 60_000)
    return await store.horizon("default")
