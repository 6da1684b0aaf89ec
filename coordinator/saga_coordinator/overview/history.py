"""The figures over time, read a piece at a time: what was read once is not read again.

Rows change while their minutes are open, and a little longer. So the last ones are read each time,
and all of them every few minutes, for what an instance could not store in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from saga_coordinator.store.port import Store
from saga_coordinator.views.traffic_periods import Period, Total, every, merged, totalled
from saga_messaging.clock import Clock

OPEN_PERIODS: Final = 2
"""Periods before the last one that are read again each time."""
ALL_AGAIN_S: Final = 300.0


@dataclass(slots=True)
class _Known:
    """The periods of one length that are read: a range that follows the clock."""

    periods: dict[int, Period] = field(default_factory=dict)
    since: int = 0
    until: int = 0
    all_at_s: float = 0.0
    sums: dict[tuple[int, int], Total] = field(default_factory=dict)
    """Totals of periods that do not change any more, by the first and the one behind the last."""


class History:
    """The figures of one tenant."""

    def __init__(self, store: Store, tenant: str, clock: Clock) -> None:
        self._store = store
        self._tenant = tenant
        self._clock = clock
        self._known: dict[int, _Known] = {}

    async def periods(self, minutes: int, since: int, until: int) -> list[Period]:
        """The periods of so many minutes, from minute `since` on and before `until`, without a gap.

        One range of each length is remembered: ask for the widest and take parts of it.

        Raises:
            StoreError: They could not be read.
        """
        known = self._known.setdefault(minutes, _Known())
        now_s = self._clock.monotonic_s()
        first = since
        if known.since <= since <= known.until <= until and now_s - known.all_at_s < ALL_AGAIN_S:
            first = max(since, known.until - (OPEN_PERIODS + 1) * minutes)
        rows = await self._store.traffic(self._tenant, minutes, since=first, until=until)
        if first == since:
            known.all_at_s = now_s
            known.sums.clear()
        known.periods = {minute: one for minute, one in known.periods.items() if since <= minute < first} | merged(rows)
        known.sums = {key: total for key, total in known.sums.items() if key[0] >= since}
        known.since, known.until = since, until
        return list(every(known.periods, since, until, minutes))

    def total(self, periods: Sequence[Period]) -> Total:
        """These periods, as `periods` returned them, together. What is over is added up once."""
        whole = Total()
        if not periods:
            return whole
        known = self._known[periods[0].minutes]
        open_from = known.until - (OPEN_PERIODS + 1) * periods[0].minutes
        over = [period for period in periods if period.minute < open_from]
        if over:
            key = (over[0].minute, over[-1].minute)
            if key not in known.sums:
                known.sums[key] = totalled(over)
            whole.add(known.sums[key])
        for period in periods[len(over) :]:
            whole.add(period.total)
        return whole
