"""Rows of figures merged into periods, and periods into totals and series. Pure.

What instances counted for the same name and minutes is added up: a restarted instance has another
token, so nothing is counted twice and nothing is written over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from saga_coordinator.store.overview_port import TrafficRow
from saga_coordinator.telemetry.traffic_figures import (
    DEFINITION,
    INSTANCE,
    PARTICIPANT,
    AnyFigures,
    DefinitionFigures,
    InstanceFigures,
    ParticipantFigures,
    decode,
)

Kept = TypeVar("Kept", DefinitionFigures, ParticipantFigures, InstanceFigures)
SECONDS: Final = 60


@dataclass(slots=True)
class Total:
    """The figures of all instances together, over some time."""

    definitions: dict[str, DefinitionFigures] = field(default_factory=dict)
    participants: dict[str, ParticipantFigures] = field(default_factory=dict)
    instances: InstanceFigures = field(default_factory=InstanceFigures)

    def count(self, kind: str, name: str, figures: AnyFigures) -> None:
        """Add what one row has."""
        match figures:
            case DefinitionFigures() if kind == DEFINITION:
                self.definitions.setdefault(name, DefinitionFigures()).add(figures)
            case ParticipantFigures() if kind == PARTICIPANT:
                self.participants.setdefault(name, ParticipantFigures()).add(figures)
            case InstanceFigures() if kind == INSTANCE:
                self.instances.add(figures)

    def add(self, more: Total) -> None:
        for name, one in more.definitions.items():
            self.count(DEFINITION, name, one)
        for participant, of in more.participants.items():
            self.count(PARTICIPANT, participant, of)
        self.instances.add(more.instances)


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of minutes."""

    minute: int
    """The first."""
    minutes: int
    total: Total

    @property
    def seconds(self) -> int:
        return self.minutes * SECONDS


def merged(rows: Iterable[TrafficRow]) -> dict[int, Period]:
    """Periods by their first minute, of rows of one length. A row that cannot be read is passed
    over.
    """
    found: dict[int, Period] = {}
    for row in rows:
        figures = decode(row.kind, row.figures)
        if figures is not None:
            period = found.setdefault(row.minute, Period(row.minute, row.minutes, Total()))
            period.total.count(row.kind, row.name, figures)
    return found


def totalled(periods: Iterable[Period]) -> Total:
    """All of these together."""
    whole = Total()
    for period in periods:
        whole.add(period.total)
    return whole


def every(periods: Mapping[int, Period], since: int, until: int, minutes: int) -> Iterator[Period]:
    """The periods of so many minutes from `since` on and before `until`, without a gap."""
    for minute in range(since, until, minutes):
        yield periods.get(minute) or Period(minute, minutes, Total())


def per_second(periods: Sequence[Period], count: Callable[[Total], int], now_us: int) -> list[float]:
    """A series of rates. The last period may not be over; what has passed of it counts."""
    return [round(count(period.total) / passed_s(period, now_us), 3) for period in periods]


def passed_s(period: Period, now_us: int) -> float:
    """How much of a period has passed, in seconds; at least one."""
    return min(max(now_us / 1e6 - period.minute * SECONDS, 1.0), float(period.seconds))


def started(total: Total) -> int:
    return sum(one.started for one in total.definitions.values())


def ended_in(phase: str) -> Callable[[Total], int]:
    """Counts the sagas that ended in a phase."""
    return lambda total: sum(sum(one.ended.get(phase, {}).values()) for one in total.definitions.values())
