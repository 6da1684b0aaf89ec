"""All that the overview is made from, at one moment. Nothing here is asked for again: whoever
gathers it sees to its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Final

from saga_coordinator.engine.waiting import Held
from saga_coordinator.schedules.words import Need
from saga_coordinator.store.overview_port import LiveInstance, LongestAttention
from saga_coordinator.store.port import Figures
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.store.schedule_records import ScheduleCounts
from saga_coordinator.views.open_waits import NOBODY, Waits
from saga_coordinator.views.traffic_periods import Period, Total
from saga_schemas.record_class import record

OLDEST_SHOWN: Final = 8
"""Reasons that need a person, the longest first."""


class Window(StrEnum):
    """How far back the overview looks."""

    HOUR = "1h"
    DAY = "1d"


@record
class Line:
    """The active version of a definition, or the newest, and whom its steps ask."""

    name: str
    version: int
    active: bool
    participants: Sequence[str]


@record
class SchedulesNow:
    """How schedules stand."""

    counts: ScheduleCounts | None = None
    """None: nobody has looked."""
    needs: Sequence[Need] = ()
    """Why a person should look at some."""
    more: bool = False
    """There are more of them."""
    waits: str | None = None
    """Why this instance decides no tick."""


@record
class Situation:
    now_us: int
    """The database's clock."""
    window: Window
    periods: Sequence[Period]
    """Those of the window, without a gap; the last may not be over."""
    total: Total
    """All of them together."""
    usual: Total
    """The 24 hours before the window."""
    recent: Sequence[Period]
    """The last hour, minute by minute: what goes wrong now is seen there."""
    latest: Total
    """The last ten minutes together."""
    lines: Sequence[Line]
    """By name."""
    figures: Figures
    attentions: Sequence[LongestAttention] = ()
    waits: Waits = NOBODY
    nobody_reads: Mapping[str, int] = field(default_factory=dict)
    """Participants whose command topic nobody reads, each with since when."""
    readers: Mapping[str, int | None] = field(default_factory=dict)
    """By participant: consumers of its command topic."""
    unread_commands: Mapping[str, int] = field(default_factory=dict)
    """By participant: records of its command topic that it has not read; absent: unknown."""
    lag: Mapping[str, int] = field(default_factory=dict)
    """By topic: records of our reply topics, and of starts, that are not applied."""
    reply_topics: Mapping[str, str] = field(default_factory=dict)
    """By participant."""
    kafka_away: str | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why this instance should get no requests."""
    retention: str | None = None
    """Why nothing is removed."""
    schedules: SchedulesNow = field(default_factory=SchedulesNow)
    recovering: Recovering | None = None
    unswept: Mapping[str, int] = field(default_factory=dict)
    pauses: Sequence[Held] = ()
    """Definitions and participants that are paused."""
    dead_letters_today: int = 0
    """In the last 24 hours."""
    instances: Sequence[LiveInstance] = ()
    own_name: str | None = None
    """None: this instance has no name, and so no row."""
    timers_seen_us: int | None = None
    """When some instance last said that it fires timers; None: never."""
    size_bytes: int | None = None

    def is_paused(self, participant: str) -> bool:
        """Whether nothing new is asked of it."""
        return any((held.scope, held.name) == ("participant", participant) for held in self.pauses)

    @property
    def attention(self) -> int:
        return sum(self.figures.attention_by_reason.values())

    @property
    def open(self) -> int:
        return sum(self.figures.sagas_by_phase.values())
