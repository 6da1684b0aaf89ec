"""Which Avro records a definition reaches: what `def register` sends along and what a compiled
definition pins.
"""

from __future__ import annotations

from saga_coordinator.definitions.document import Document

REPLY_ATTRIBUTE = "sagaReply"
"""Attribute of a command's record: full name of the record it is answered with."""


def records_reached(document: Document) -> tuple[str, ...]:
    """Full names of the input, every command and every reply record, sorted."""
    names = {document.input}
    for step in document.steps:
        names.add(step.command)
        if step.reply is not None:
            names.add(step.reply)
        if step.compensation is not None:
            names.add(step.compensation.command)
    return tuple(sorted(names))
