"""What a row of the control table says of one definition or participant: its latest pauses, and how
far the sagas that the last one held are woken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from saga_coordinator.engine.pauses import Interval
from saga_coordinator.engine.waiting import Held
from saga_coordinator.store.pause_port import PauseRow
from saga_schemas.record_class import record

MOST: Final = 16
"""Pauses that are kept of each. Of more, the two oldest are taken for one: then a saga that has not
been looked at since gets more time, never less.
"""
HEARD_WITHIN_US: Final = 10_000_000
"""So long after the end of a pause, every instance has heard of it: none decides by an older look
without looking again (`batch/plan.py`)."""


@record
class Waking:
    """Open sagas are woken, page by page, once at once and once when every instance has heard."""

    last_round: bool
    not_before_us: int
    after: UUID | None = None
    """Up to this one they are."""


@record
class ScopePauses:
    """Of one definition or participant."""

    intervals: tuple[Interval, ...] = ()
    waking: Waking | None = None

    @property
    def going_on(self) -> Interval | None:
        return self.intervals[-1] if self.intervals and self.intervals[-1].until_us is None else None

    def begun(self, now_us: int) -> ScopePauses:
        """What the last pause held stays held: nobody is woken any more."""
        first, *others = [*self.intervals, Interval(now_us)]
        if len(others) >= MOST:
            first, others = Interval(first.since_us, others[0].until_us), others[1:]
        return ScopePauses(intervals=(first, *others))

    def ended(self, now_us: int) -> ScopePauses:
        *before, last = self.intervals
        ended = Interval(last.since_us, max(now_us, last.since_us))
        return ScopePauses(intervals=(*before, ended), waking=Waking(last_round=False, not_before_us=now_us))

    def woken(self, ids: Iterable[UUID]) -> ScopePauses:
        """The same after a page; an empty page ends the round."""
        assert self.waking is not None
        last = max(ids, default=None)
        if last is not None:
            return replace(self, waking=replace(self.waking, after=last))
        if self.waking.last_round:
            return replace(self, waking=None)
        again_us = (self.intervals[-1].until_us or 0) + HEARD_WITHIN_US
        return replace(self, waking=Waking(last_round=True, not_before_us=again_us))


def read(value: str) -> ScopePauses:
    """What stands there. A row that was edited into nonsense pauses nothing."""
    try:
        content = json.loads(value)
        intervals = tuple(Interval(int(since), None if until is None else int(until)) for since, until in content["pauses"])
        return ScopePauses(intervals=intervals, waking=_waking(content.get("waking")))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ScopePauses()


def _waking(content: Any) -> Waking | None:
    if content is None:
        return None
    after = content["after"]
    return Waking(
        last_round=bool(content["last_round"]),
        not_before_us=int(content["not_before"]),
        after=None if after is None else UUID(after),
    )


def write(pauses: ScopePauses) -> str:
    waking = pauses.waking
    content: dict[str, Any] = {"pauses": [list(one) for one in pauses.intervals]}
    if waking is not None:
        after = None if waking.after is None else str(waking.after)
        content["waking"] = {"last_round": waking.last_round, "not_before": waking.not_before_us, "after": after}
    return json.dumps(content)


def held(rows: Iterable[PauseRow]) -> list[Held]:
    """The pauses that go on."""
    known = ((row, read(row.value).going_on) for row in rows)
    return [
        Held(scope=row.scope, name=row.name, since_us=going_on.since_us, who=row.who, why=row.why)
        for row, going_on in known
        if going_on is not None
    ]
