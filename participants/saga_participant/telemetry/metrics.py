"""What a participant counts, and the text in which Prometheus reads it.

No payload, no saga id: labels are outcomes and reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from saga_schemas.outcomes import Outcome

HORIZON_LATE_S: Final = 24 * 3600.0
"""A horizon that was heard so long ago is told of by `/readyz`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonHeardOf:
    """The horizon that this participant remembers."""

    below_ms: int
    heard_at_s: float
    """When one was heard last, on the clock that `Metrics.now_s` reads."""


@dataclass(slots=True)
class Metrics:
    """Counters since the start of this process, and two gauges."""

    participant: str
    commands: int = 0
    duplicates: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    """Commands to which nothing may be said: refused, ambiguous, broken."""
    dead_letters: Counter[str] = field(default_factory=Counter)
    refused_replies: int = 0
    refused_schemas: int = 0
    unavailable: int = 0
    """How often a command had to wait for the database."""
    busy_seconds: float = 0.0
    blocked_seconds: float = 0.0
    """Time in which a handler kept everybody else from running."""
    waiting: int = 0
    """Commands that wait for the database now."""
    in_hand: int = 0
    reading: bool = False
    waits_for: Callable[[], str] = lambda: ""
    """What a start waits for, in one line; empty while it waits for nothing."""
    unread: str = ""
    """Partitions that stand still although they are not read to their end, as a sentence; empty:
    none.
    """

    unready: Callable[[], str] = lambda: ""
    """Why it serves nobody, in one line."""
    finished_at_s: float = 0.0
    """When a command was finished last, or begun while nobody was at work; monotonic."""
    at_work: Callable[[], int] = lambda: 0
    workers_replaced: Callable[[], int] = lambda: 0
    groups: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)
    """Groups of commands: how many were committed, the commands in them, how many were rolled back.
    """
    handlers_left: Callable[[], tuple[int, int]] = lambda: (0, 0)
    """Handlers that could not be ended: how many there were, how many go on."""
    rows_removed: int = 0
    """Rows of the barrier that the horizon covered."""
    horizon: HorizonHeardOf | None = None
    """None: none was heard."""
    now_s: Callable[[], float] = lambda: 0.0
    """Monotonic."""

    def trouble(self) -> str:
        """Why commands are not served now, in one line; empty: they are."""
        if self.reading:
            return self.unread or self.unready()
        awaited = self.waits_for()
        return f"starting: waiting for {awaited}" if awaited else "not reading commands"

    def serves_nobody(self, now_s: float, stalled_s: float) -> str:
        """Why nobody is served although commands are read; empty while somebody is.

        `stalled_s`: longer than any command may take.
        """
        at_work = self.at_work()
        if at_work and self.waiting >= at_work:
            return f"waiting for the database: all {at_work} commands at work do"
        if at_work and now_s - self.finished_at_s > stalled_s:
            return f"{at_work} commands are at work and none was finished for {now_s - self.finished_at_s:.0f} s"
        return ""

    def horizon_age_s(self) -> float | None:
        """How long ago a horizon was heard last; None: none was."""
        return None if self.horizon is None else max(0.0, self.now_s() - self.horizon.heard_at_s)

    def remark(self) -> str:
        """What is worth knowing though commands are served; empty: nothing."""
        age_s = self.horizon_age_s()
        late = age_s is not None and age_s > HORIZON_LATE_S
        return f"no horizon was heard for {age_s:.0f} s: rows of saga_barrier stay" if late else ""

    def answered(self, outcome: Outcome) -> None:
        self.outcomes[outcome.value] += 1

    def text(self) -> str:
        """Prometheus text format 0.0.4."""
        committed, grouped, rolled_back = self.groups()
        age_s, horizon = self.horizon_age_s(), self.horizon
        ages = {} if age_s is None else {"": round(age_s, 3)}
        below = {} if horizon is None else {"": horizon.below_ms / 1000}
        lines = [
            *self._one("commands_total", "counter", "Commands taken.", {"": self.commands}),
            *self._one("duplicate_commands_total", "counter", "Commands that were asked again.", {"": self.duplicates}),
            *self._one("replies_total", "counter", "Replies, by outcome.", _labelled("outcome", self.outcomes)),
            *self._one("silent_commands_total", "counter", "Commands to which nothing may be said.", {"": self.silent}),
            *self._one(
                "dead_letters_total", "counter", "Unreadable commands, by reason.", _labelled("reason", self.dead_letters)
            ),
            *self._one("refused_replies_total", "counter", "Replies the broker would not take.", {"": self.refused_replies}),
            *self._one(
                "refused_schemas_total", "counter", "Entries of the schema topic that are no schemas.", {"": self.refused_schemas}
            ),
            *self._one("database_waits_total", "counter", "Waits for a database that was away.", {"": self.unavailable}),
            *self._one("busy_seconds_total", "counter", "Time spent on commands.", {"": round(self.busy_seconds, 6)}),
            *self._one(
                "blocked_seconds_total", "counter", "Time the event loop stood still.", {"": round(self.blocked_seconds, 3)}
            ),
            *self._one(
                "workers_replaced_total", "counter", "Workers that ended and were replaced.", {"": self.workers_replaced()}
            ),
            *self._one("groups_total", "counter", "Groups of commands that were committed.", {"": committed}),
            *self._one("grouped_commands_total", "counter", "Commands that were served in groups.", {"": grouped}),
            *self._one("groups_rolled_back_total", "counter", "Groups of commands that were rolled back.", {"": rolled_back}),
            *self._one("handlers_left_total", "counter", "Handlers that went on after their end.", {"": self.handlers_left()[0]}),
            *self._one("handlers_going_on", "gauge", "Handlers that go on after their end.", {"": self.handlers_left()[1]}),
            *self._one("database_waiting", "gauge", "Commands that wait for the database now.", {"": self.waiting}),
            *self._one("in_hand", "gauge", "Commands in hand.", {"": self.in_hand}),
            *self._one("rows_removed_total", "counter", "Rows of saga_barrier that were removed.", {"": self.rows_removed}),
            *self._one("horizon_age_seconds", "gauge", "Time since a horizon was heard; absent where none was.", ages),
            *self._one("horizon_timestamp_seconds", "gauge", "The horizon that is remembered, in Unix time.", below),
            *self._one("reading", "gauge", "1 while commands are being read.", {"": int(self.reading)}),
        ]
        return "\n".join(lines) + "\n"

    def _one(self, name: str, kind: str, text: str, values: Mapping[str, float]) -> list[str]:
        full = f"saga_participant_{name}"
        own = f'participant="{self.participant}"'
        samples = [f"{full}{{{own}{',' if label else ''}{label}}} {value}" for label, value in sorted(values.items())]
        return [f"# HELP {full} {text}", f"# TYPE {full} {kind}", *samples]


def _labelled(label: str, counts: Mapping[str, int]) -> dict[str, float]:
    return {f'{label}="{value}"': count for value, count in counts.items()}
