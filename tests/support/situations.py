"""Situations of a coordinator, made in a line: what was counted in which minute, and what is known
besides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from saga_coordinator.store.port import Figures
from saga_coordinator.telemetry.traffic import FINE, MINUTE_US, Traffic
from saga_coordinator.views.open_waits import OpenWait, Waits, waits
from saga_coordinator.views.situation import Line, Situation, Window
from saga_coordinator.views.traffic_periods import Total, every, merged, totalled

MINUTE = 1_000_000
"""The current minute of every situation; half of it has passed."""
NOW_US = MINUTE * MINUTE_US + MINUTE_US // 2
SAGA = UUID("0190a000-0000-7000-8000-000000000001")
ORDER = Line(name="order", version=3, active=True, participants=("inventory", "payment", "shipping"))


class Counting:
    """Counts as commits do, minutes before now."""

    def __init__(self) -> None:
        self.traffic = Traffic()

    def started(self, count: int = 1, *, ago: int = 1, definition: str = "order") -> Counting:
        for _ in range(count):
            self.traffic.started(definition, _at(ago))
        return self

    def ended(
        self, phase: str = "COMPLETED", count: int = 1, *, ago: int = 1, took_ms: int = 200, definition: str = "order"
    ) -> Counting:
        for _ in range(count):
            self.traffic.ended(definition, phase, took_ms * 1000, _at(ago))
        return self

    def answered(
        self, outcome: str = "SUCCEEDED", code: str = "", count: int = 1, *, ago: int = 1, participant: str = "payment"
    ) -> Counting:
        for _ in range(count):
            self.traffic.sent(participant, _at(ago))
            self.traffic.answered(participant, outcome, code, _at(ago))
        return self

    def took(self, part: str, ms: int, count: int = 1, *, ago: int = 1, participant: str = "payment") -> Counting:
        for _ in range(count):
            self.traffic.took(participant, part, ms * 1000, _at(ago))
        return self

    def letters(self, reason: str, count: int = 1, *, ago: int = 1) -> Counting:
        for _ in range(count):
            self.traffic.letter(reason, _at(ago))
        return self

    def total(self) -> Total:
        return totalled(merged(row for row in self.rows() if row.minutes == FINE).values())

    def rows(self) -> list[Any]:
        return self.traffic.rows(self.traffic.changed(), "test")


def figures(**known: Any) -> Figures:
    at_rest: dict[str, Any] = {
        "sagas_by_phase": {},
        "outbox_depth": 0,
        "outbox_oldest_at_us": None,
        "wakeup_earliest_due_us": None,
        "attention_by_reason": {},
        "dead_letters": 0,
        "inbox": 0,
        "spans_due": 0,
        "spans_oldest_at_us": None,
        "now_us": NOW_US,
    }
    return Figures(**{**at_rest, **known})


def situation(counting: Counting | None = None, *, usual: Counting | None = None, **known: Any) -> Situation:
    """The last hour as it was counted; all that is not given is well."""
    rows = [] if counting is None else [row for row in counting.rows() if row.minutes == FINE]
    recent = list(every(merged(rows), MINUTE - 59, MINUTE + 1, FINE))
    well: dict[str, Any] = {
        "now_us": NOW_US,
        "window": Window.HOUR,
        "periods": recent,
        "total": totalled(recent),
        "usual": Total() if usual is None else usual.total(),
        "recent": recent,
        "latest": totalled(recent[-10:]),
        "lines": (ORDER,),
        "figures": figures(),
        "timers_seen_us": NOW_US - 1_000_000,
    }
    return Situation(**{**well, **known})


def waiting(*, sagas: int = 1, seconds: int = 0, participant: str = "payment", code: str = "") -> Waits:
    """So many sagas that wait for a participant, silent for so long (0: not silent)."""
    return waits(_waits(sagas, seconds, participant, code), sagas, sagas)


def _waits(sagas: int, seconds: int, participant: str, code: str) -> Iterable[OpenWait]:
    for number in range(sagas):
        yield OpenWait(
            saga_id=UUID(int=SAGA.int + number),
            business_key=f"o-{number}",
            definition="order",
            step="charge",
            participant=participant,
            since_us=NOW_US - seconds * 1_000_000 if seconds else 0,
            code=code,
        )


def _at(ago: int) -> int:
    return NOW_US - ago * MINUTE_US
