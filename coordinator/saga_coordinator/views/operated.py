"""What persons did to a saga: the pauses that hold it, the steps that were waived, and what is left
where it was terminated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine.state import Saga, Status
from saga_coordinator.engine.waiting import Held, held_by
from saga_coordinator.views.step_history import StepHistory
from saga_schemas.times import format_us


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedView:
    """Of a saga that ran elsewhere: how it came here."""

    at: str
    by: str
    cluster_id: str
    """The coordinator's store that it ran in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionView:
    """A step that an operator waived. It makes the saga FORCED."""

    step: str
    evidence: str | None
    actor: str | None
    at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedView:
    """A pause that holds the saga, or steps of it."""

    scope: str
    """`saga`, `definition` or `participant`."""
    name: str
    """Of the definition or participant; the saga's id."""
    since: str
    by: str
    why: str

    @classmethod
    def of(cls, held: Held) -> PausedView:
        return cls(scope=held.scope, name=held.name, since=format_us(held.since_us), by=held.who, why=held.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftView:
    """A step of a saga that was ended as it was: its effect `stays`, or `may_stay`."""

    step: str
    participant: str | None
    effect: str


def exceptions(saga: Saga | None, history: StepHistory) -> tuple[ExceptionView, ...]:
    """The waived steps, with who waived them and on what evidence."""
    waived = [name for name, state in saga.steps.items() if state.status is Status.WAIVED] if saga is not None else []
    acts = {name: history.waives.get(name) for name in waived}
    return tuple(
        ExceptionView(
            step=name,
            evidence=act.evidence if act else None,
            actor=act.actor if act else None,
            at=format_us(act.at) if act else None,
        )
        for name, act in acts.items()
    )


def paused(saga: Saga | None, compiled: CompiledDefinition | None, pauses: Iterable[Held]) -> tuple[PausedView, ...]:
    """The pauses that hold the saga or steps of it, of those that are on."""
    if saga is None or compiled is None:
        return ()
    whole, of_participant = held_by(compiled.definition, saga, pauses)
    return tuple(PausedView.of(one) for one in [*whole, *of_participant.values()])


def effects_left(history: StepHistory, compiled: CompiledDefinition | None) -> tuple[LeftView, ...]:
    """What the saga's last record lists."""
    steps = compiled.definition.by_name if compiled is not None else {}
    return tuple(
        LeftView(step=name, participant=steps[name].participant if name in steps else None, effect=effect)
        for name, effect in history.left.items()
    )
