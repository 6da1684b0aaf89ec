"""The horizon: "every saga below this time has ended and is settled, except these". Pure.

What it says stays true for ever, so horizons may be heard late, twice and in any order. Truth:
docs/wire.md; checked as a model in tests/model/horizon.py.
"""

from __future__ import annotations

from uuid import UUID

from saga_schemas.ids import uuid7_unix_ms
from saga_schemas.record_class import record


@record
class Horizon:
    """A time, and the sagas below it that do not count as below. Without arguments: none."""

    below_ms: int = 0
    """A saga is below where the time in its id, in milliseconds since 1970, is smaller."""
    exceptions: frozenset[UUID] = frozenset()

    def covers(self, saga_id: UUID) -> bool:
        """Whether the saga is settled for ever: what is remembered of it may go."""
        return uuid7_unix_ms(saga_id) < self.below_ms and saga_id not in self.exceptions


def heard(before: Horizon, announced: Horizon) -> Horizon:
    """What is remembered after an announcement.

    The time only rises, and what was covered before stays covered: of the sagas below the earlier
    time, only its own exceptions stay exceptions.
    """
    if announced.below_ms < before.below_ms:
        return before
    kept = frozenset(saga_id for saga_id in announced.exceptions if not before.covers(saga_id))
    return Horizon(below_ms=announced.below_ms, exceptions=kept)
