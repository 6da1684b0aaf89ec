"""A definition as a drawing: its steps in both lanes, before anything has happened. Pure."""

from __future__ import annotations

from typing import Final

from saga_coordinator.console.drawing.graph import Drawing, GraphStep, Side, draw_graph
from saga_coordinator.console.formatting import Look
from saga_coordinator.definitions.document import Document, StepDocument

_FORWARD: Final = Look(shape="run", tone="soft", words="asked once what it waits for is done")
_UNDO: Final = Look(shape="back", tone="back", words="undone when the saga goes back")


def drawn(document: Document, href: str) -> Drawing:
    """The drawing.

    Args:
        document: The definition.
        href: Where its boxes lead to: the list of its steps.
    """
    return draw_graph([_step(step, href) for step in document.steps], turned=None, href=href)


def _step(step: StepDocument, href: str) -> GraphStep:
    undo = step.compensation
    return GraphStep(
        name=step.name,
        after=step.after,
        forward=Side(look=_FORWARD, detail=step.participant, reached=True),
        undo=None if undo is None else Side(look=_UNDO, detail=undo.command.rpartition(".")[2], reached=True),
        pivot=step.kind == "pivot",
        href=href,
        undo_href=href if undo is not None else "",
    )
