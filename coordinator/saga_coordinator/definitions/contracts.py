"""What definitions ask of participants and starters, for AsyncAPI documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from saga_coordinator.definitions.document import Document
from saga_schemas.asyncapi import CommandContract, StartContract, coordinator_document, participant_document
from saga_schemas.outcomes import Kind
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics


class Contracts:
    """The commands of each participant and the inputs, of all definitions that were added.

    Where two of them have a record in two versions, the one added last counts.
    """

    def __init__(self) -> None:
        self.participants: dict[str, list[CommandContract]] = defaultdict(list)
        self._starts: list[StartContract] = []

    def add(self, document: Document, schemas: Mapping[str, Schema]) -> None:
        """Add a definition.

        Args:
            document: The definition.
            schemas: By full name, those of every record that it reaches.
        """
        self._starts.append(StartContract(definition=document.saga, input=schemas[document.input]))
        for step in document.steps:
            asked_by = (f"{document.saga}/{step.name}",)
            replies = () if step.reply is None else (schemas[step.reply],)
            wanted = self.participants[step.participant]
            wanted.append(CommandContract(kind=Kind.ACTION, command=schemas[step.command], replies=replies, asked_by=asked_by))
            if step.compensation is not None:
                undo = schemas[step.compensation.command]
                wanted.append(CommandContract(kind=Kind.COMPENSATION, command=undo, asked_by=asked_by))

    def asyncapi(self, topics: Topics, participant: str | None = None) -> dict[str, Any]:
        """The AsyncAPI document of the coordinator, or of one participant.

        Raises KeyError for a participant that no step has.
        """
        if participant is None:
            return coordinator_document(self.participants, self._starts, topics=topics)
        if participant not in self.participants:
            raise KeyError(participant)
        return participant_document(participant, self.participants[participant], topics=topics)
