"""The instances as `saga list instances` shows them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from saga_coordinator.store.port import InstanceRow
from saga_schemas.times import format_us

ALIVE_US = 30_000_000
"""Each renews its entry every ten seconds at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """One instance as it was last seen."""

    name: str
    """One that was given no name has one that begins with `~`."""
    alive: bool
    """It was seen within the last 30 s."""
    roles: tuple[str, ...] | None
    """None: it is of a release that does not say so."""
    since: str | None
    """When its process was first seen."""
    seen_at: str
    feature_level: int
    problems: tuple[str, ...]
    """What it does not do well, as its `/readyz` says."""
    note: str | None
    """What to do about it."""


def instance_view(row: InstanceRow, now_us: int) -> InstanceView:
    alive = row.seen_at_us > now_us - ALIVE_US
    return InstanceView(
        name=row.name,
        alive=alive,
        roles=None if row.state is None else row.state.roles,
        since=None if row.since_us is None else format_us(row.since_us),
        seen_at=format_us(row.seen_at_us),
        feature_level=row.feature_level,
        problems=() if row.state is None else row.state.problems,
        note=None if alive else "it was killed or hangs, or does not reach the database: start it again",
    )
