"""All that the checks look at, read at about one moment. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from saga_coordinator.engine.definition import Definition, Step
from saga_coordinator.engine.state import Saga
from saga_coordinator.engine.waiting import Waiting
from saga_coordinator.inbound.refused_replies import RefusedReply
from saga_coordinator.store.port import AttentionRow, InstanceRow, SagaRow, Standing
from saga_coordinator.store.schedule_records import ScheduleRow, TickRow
from saga_coordinator.views.deliveries import Unsent
from saga_schemas.record_class import record

GONE_AFTER_US = 30_000_000
"""An instance that was not seen for so long is not alive: each renews its entry every ten seconds.
"""


@record
class Situation:
    """One saga, and what its way depends on."""

    now_us: int
    """By the database's clock."""
    row: SagaRow
    saga: Saga | None
    state_error: str | None
    """Why there is no saga."""
    definition: Definition | None
    definition_error: str | None
    standing: Standing
    waits: Sequence[Waiting] = ()
    attention: Sequence[AttentionRow] = ()
    refused: Sequence[RefusedReply] = ()
    """Replies of the last minutes that could not be read, latest first."""
    unsent: Mapping[str, Unsent] = field(default_factory=dict)
    """By step: the latest command, where it has not left."""
    kafka_away: str | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    """By participant: the sentence that nobody reads its command topic."""
    problems: Sequence[str] = ()
    """What the instance that answers does not do well."""
    lag: Mapping[str, int] = field(default_factory=dict)
    """By participant: its replies that are not read yet. Absent: not known."""
    instances: Sequence[InstanceRow] = ()
    incarnation: int = 1
    """The database's."""
    started_by: tuple[ScheduleRow, TickRow] | None = None
    """The schedule and its tick; None: no schedule started it."""
    ticks_waiting: int = 0
    """Of that schedule: ticks that wait for its sagas to end."""
    answered_in_s: float = 0.0
    """How long the database took for one small question."""

    @property
    def open(self) -> bool:
        return self.row.closed_at_us is None

    @property
    def alive(self) -> list[InstanceRow]:
        """The instances that were seen a moment ago."""
        return [one for one in self.instances if one.seen_at_us > self.now_us - GONE_AFTER_US]

    def step(self, name: str | None) -> Step | None:
        return self.definition.by_name.get(name or "") if self.definition is not None else None

    def participant(self, step: str | None) -> str | None:
        found = self.step(step)
        return None if found is None else found.participant

    @property
    def asked(self) -> list[str]:
        """The participants that the saga waits for, by name."""
        return sorted({name for wait in self.waits if (name := self.participant(wait.step)) is not None})

    def has_role(self, role: str) -> bool | None:
        """Whether a live instance has the role; None: nobody can tell."""
        alive = self.alive
        if any(one.state is not None and role in one.state.roles for one in alive):
            return True
        return None if not alive or any(one.state is None for one in alive) else False

    def problem(self, what: str) -> str | None:
        """The instance's problem of this name."""
        return next((problem for problem in self.problems if problem.partition(":")[0] == what), None)
