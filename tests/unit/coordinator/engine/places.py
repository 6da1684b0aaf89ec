"""Every place a step can be in, how a saga comes there, and every event that can find it there."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from saga_coordinator.engine.definition import Definition, StepKind
from saga_coordinator.engine.events import Refused
from saga_coordinator.engine.state import Phase, Status, StepState, StuckFrom
from saga_schemas.outcomes import Kind, Outcome
from unit.coordinator.engine.rows import LINE, READS, TO_P, TO_R
from unit.coordinator.engine.sagas import Player, Text, definition, play, step

NONE = definition(step("a", undo=None), step("b"))
BAD_UNDO = definition(step("a", undo=Text("Undo.a", fails=True)), step("b"))
PLACES: list[tuple[str, Phase, Definition, str, str]] = [
    ("idle", Phase.RUNNING, LINE, "", "b"),
    ("idle", Phase.SETTLING, LINE, TO_P + " cancel", "r"),
    ("ready", Phase.RUNNING, LINE, "hold:b a:SUCCEEDED", "b"),
    ("ready", Phase.RUNNING, LINE, "a:FAILED hold:a wait:1", "a"),
    ("ready", Phase.COMMITTED, LINE, TO_R + " r:FAILED hold:r wait:1", "r"),
    ("asked", Phase.RUNNING, LINE, "", "a"),
    ("asked", Phase.RUNNING, LINE, TO_P, "p"),
    ("asked", Phase.COMMITTED, LINE, TO_R, "r"),
    ("accepted", Phase.RUNNING, LINE, "a:IN_PROGRESS", "a"),
    ("accepted", Phase.RUNNING, LINE, TO_P + " p:IN_PROGRESS", "p"),
    ("accepted", Phase.COMMITTED, LINE, TO_R + " r:IN_PROGRESS", "r"),
    ("backoff", Phase.RUNNING, LINE, "a:FAILED", "a"),
    ("backoff", Phase.RUNNING, LINE, TO_P + " p:FAILED", "p"),
    ("backoff", Phase.COMMITTED, LINE, TO_R + " r:FAILED", "r"),
    ("done", Phase.RUNNING, LINE, "a:SUCCEEDED", "a"),
    ("done", Phase.SETTLING, LINE, TO_P + " cancel", "a"),
    ("done", Phase.COMMITTED, LINE, TO_R, "p"),
    ("no_effect", Phase.COMPENSATING, LINE, "a:SUCCEEDED b:REJECTED", "b"),
    ("undo_due", Phase.COMPENSATING, LINE, "a:SUCCEEDED cancel", "a"),
    ("undo_asked", Phase.COMPENSATING, LINE, "a:SUCCEEDED cancel", "b"),
    ("undo_asked", Phase.COMPENSATING, LINE, "cancel", "a"),
    ("undo_backoff", Phase.COMPENSATING, LINE, "a:SUCCEEDED cancel b:FAILED", "b"),
    ("resolving", Phase.SETTLING, LINE, TO_P + " cancel", "p"),
    ("resolving", Phase.COMPENSATING, READS, "b:REJECTED", "a"),
    ("resolving", Phase.COMPENSATING, NONE, "b:REJECTED", "a"),
    ("resolving", Phase.COMMITTED, LINE, TO_R + " waive:r", "r"),
    ("resolving", Phase.COMPENSATING, LINE, "a:SUCCEEDED cancel waive:b", "b"),
    ("undone", Phase.COMPENSATING, LINE, "a:SUCCEEDED cancel b:UNDONE", "b"),
    ("undone", Phase.COMPENSATING, READS, "b:SUCCEEDED a:FENCED", "a"),
    ("kept", Phase.COMPENSATING, NONE, "a:SUCCEEDED cancel", "a"),
    ("stuck_forward", Phase.COMMITTED, LINE, TO_R + " r:REJECTED", "r"),
    ("stuck_forward", Phase.COMMITTED, LINE, TO_R + " r:UNSUPPORTED", "r"),
    ("stuck_back", Phase.COMPENSATING, LINE, "a:SUCCEEDED cancel b:REJECTED", "b"),
    ("stuck_back", Phase.COMPENSATING, READS, "b:REJECTED a:UNSUPPORTED", "a"),
    ("stuck_back", Phase.COMPENSATING, BAD_UNDO, "b:REJECTED", "a"),
    ("stuck_back", Phase.SETTLING, LINE, TO_P + " cancel p:UNSUPPORTED", "p"),
    ("waived", Phase.COMPENSATING, LINE, "a:SUCCEEDED cancel waive!:b", "b"),
    ("conflict", Phase.RUNNING, LINE, "a:SUCCEEDED a:REJECTED", "a"),
    ("conflict", Phase.COMPENSATING, READS, "a:SUCCEEDED cancel a:NOTHING_TO_UNDO", "a"),
]
ANSWERS = [(kind, outcome) for kind in Kind for outcome in Outcome]
ACTS = ["retry", "waive", "waive!"]


@dataclass(frozen=True)
class Place:
    """What a rule may look at."""

    phase: Phase
    kind: StepKind
    state: StepState
    without_undo: bool
    unsure_of_pivot: bool
    """Recovered, and its pivot was never asked as far as it knows: going back asks the pivot first
    (row 11)."""

    @property
    def from_resolving(self) -> bool:
        return self.state.status is Status.RESOLVING or self.state.stuck_from is StuckFrom.RESOLVING


def at(
    status: str, phase: Phase, shape: Definition, script: str, name: str, *, paused: bool, recovered: bool
) -> tuple[Player, Place]:
    player = play(shape, script)
    player.saga = replace(player.state, recovered=recovered)
    player.paused, player.drained, player.facts = paused, False, ()
    own = shape.by_name[name]
    assert (player.state.steps[name].status, player.state.phase) == (status, phase), "the script leads elsewhere"
    pivot = shape.pivot
    return player, Place(
        phase=phase,
        kind=own.kind,
        state=player.state.steps[name],
        without_undo=own.compensation is None,
        unsure_of_pivot=recovered and pivot is not None and player.state.steps[pivot.name].status in (Status.IDLE, Status.READY),
    )


def told(player: Player, name: str, event: str) -> Player:
    """The player after the event, or unchanged when it was refused."""
    after = copy.copy(player)
    after.facts = ()
    try:
        if event == "due":
            after.now = after.state.steps[name].due_at_us or after.now
            after.happens("wake")
        elif event in ACTS:
            after.happens(f"{event}:{name}")
        else:
            kind, _, outcome = event.partition(" ")
            after.happens(f"{name}:{kind}:{outcome}")
    except Refused:
        assert after.facts == ()
    return after
