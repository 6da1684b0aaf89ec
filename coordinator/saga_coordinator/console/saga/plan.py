"""What a saga's definition says of its steps, read from its canonical document.

The document is enough: a saga whose schemas are lost, or that ran elsewhere, has its graph too.
"""

from __future__ import annotations

from collections.abc import Mapping

from saga_coordinator.definitions.document import Document, DocumentInvalid
from saga_coordinator.views.saga import SagaView, StepView
from saga_schemas.record_class import record


@record
class StepPlan:
    """One step as it was defined; as far as it is known."""

    name: str
    participant: str | None
    kind: str | None
    """compensatable, pivot or retriable."""
    after: tuple[str, ...]
    command: str | None = None
    """Full name of the action's record."""
    compensation: str | None = None
    """None: nothing undoes it, or it is not known."""
    attempts: int | None = None
    """How many FAILED spend it; None: without end, or not known."""
    undo_attempts: int | None = None

    @property
    def is_pivot(self) -> bool:
        return self.kind == "pivot"

    @property
    def effect(self) -> str:
        """What the step does, in a word: its command without the namespace."""
        return self.name if self.command is None else self.command.rpartition(".")[2]

    def asked(self, direction: str) -> int | None:
        """How many attempts a direction has, if there is an end."""
        return {"action": self.attempts, "compensation": self.undo_attempts}.get(direction)


def read_plan(document: bytes | str | None, view: SagaView) -> Mapping[str, StepPlan]:
    """The steps of the document by name; without one that can be read, what the view knows."""
    if document:
        try:
            return {plan.name: plan for plan in _of_document(Document.parse(document))}
        except DocumentInvalid:
            pass
    return {step.name: of_view(step) for step in view.steps}


def of_view(step: StepView) -> StepPlan:
    """What the view of a step says."""
    return StepPlan(name=step.name, participant=step.participant, kind=step.kind, after=step.after)


def _of_document(document: Document) -> list[StepPlan]:
    return [
        StepPlan(
            name=step.name,
            participant=step.participant,
            kind=step.kind,
            after=step.after,
            command=step.command,
            compensation=step.compensation.command if step.compensation is not None else None,
            attempts=step.retry.attempts,
            undo_attempts=step.compensation.retry.attempts if step.compensation is not None else None,
        )
        for step in document.steps
    ]
