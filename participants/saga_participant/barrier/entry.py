"""One row of `saga_barrier` as the kit holds it: what the table decides by, and the bytes
remembered beside it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from typing import Any
from uuid import UUID

from saga_participant.barrier.table import Row
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, RowState
from saga_schemas.record_class import record


@record
class ReceivedCommand:
    """A command as it came, and as a row keeps it: its headers and its framed value."""

    headers: CommandHeaders
    payload: bytes
    value: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The payload decoded under the newest schema.

    None: it comes out of a row and is not decoded yet.
    """


@record
class Stored:
    """A reply as the row remembers it: record name and framed value.

    Its headers come from the command.
    """

    record: str
    payload: bytes


@record
class Pending:
    """While ACCEPTED: the commands that the end will answer."""

    action: CommandHeaders
    undo: ReceivedCommand | None = None
    """The compensation that waits for the action's end."""
    note: str = ""
    """The handler's note on the progress."""
    asked: ReceivedCommand | None = None
    """The newest command that is neither of them: a RESOLVE, or the action of a newer run."""
    call_us: int | None = None
    """An external call that is under way, or ended without an answer, by the end of its first
    lease.
    """

    @property
    def newest(self) -> CommandHeaders:
        """The newest command of the step that this row has seen: the coordinator waits for its
        answer.
        """
        others = [command.headers for command in (self.undo, self.asked) if command is not None]
        return max((self.action, *others), key=decision_order)

    def to_json(self) -> str:
        found = {
            "action": _plain(self.action),
            "undo": _plain_command(self.undo),
            "note": self.note,
            "call": self.call_us,
            "asked": _plain_command(self.asked),
        }
        return json.dumps(found, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Pending | None:
        """The other way. None when the kit did not write it: edited by hand, or of a later release.

        An earlier release leaves out what is optional.
        """
        try:
            found = json.loads(text)
            return cls(
                action=_headers(found["action"]),
                undo=_command(found["undo"]),
                note=str(found.get("note", "")),
                asked=_command(found.get("asked")),
                call_us=found.get("call"),
            )
        except (ValueError, TypeError, KeyError, binascii.Error):
            return None


@record
class Entry:
    """One row."""

    saga_id: UUID
    step: str
    tenant: str
    row: Row
    action_command: bytes | None = None
    """While ACCEPTED: for its handler. While DONE: what a sweep tells of a lost effect."""
    action: Stored | None = None
    """The remembered reply to the action."""
    undo: Stored | None = None
    """The remembered reply to the compensation."""
    progress_seq: int = 0
    lease_until_us: int | None = None
    pending: Pending | None = None
    expires_at_us: int = 0
    definition_hash: str | None = None
    """While DONE: of the action's command."""

    @property
    def called_elsewhere(self) -> bool:
        """An external call is under way, or its end is unknown: the work cannot be called off."""
        return self.pending is not None and (self.pending.call_us is not None or self.progress_seq == 0)

    @property
    def work(self) -> ReceivedCommand | None:
        """While ACCEPTED: the action's own command. None: the row does not hold it."""
        if self.pending is None or self.action_command is None:
            return None
        return ReceivedCommand(headers=self.pending.action, payload=self.action_command)

    def forget_work(self) -> Entry:
        """The entry without what is kept while work is accepted."""
        return replace(self, action_command=None, lease_until_us=None, pending=None)

    def effect_of(self, action: ReceivedCommand) -> Entry:
        """The entry with the command that made the effect."""
        return replace(self, action_command=action.payload, definition_hash=action.headers.definition_hash)

    def without_effect(self) -> Entry:
        """The entry without the command that made the effect: it is undone."""
        return replace(self, action_command=None, definition_hash=None)


def provisional_entry(headers: CommandHeaders) -> Entry:
    """The row that the claim makes where there is none.

    It is what the table ends with. An action's is DONE, provisionally, until its handler has run.
    """
    state = RowState.DONE if headers.kind is Kind.ACTION else RowState.FENCED
    return Entry(
        saga_id=headers.saga_id,
        step=headers.step,
        tenant=headers.tenant,
        row=Row(state=state, run=headers.run, incarnation=headers.incarnation),
        expires_at_us=headers.expiry_us,
    )


def _plain(headers: CommandHeaders) -> dict[str, Any]:
    return asdict(headers) | {"saga_id": str(headers.saga_id), "kind": headers.kind.value}


def _headers(found: dict[str, Any]) -> CommandHeaders:
    return CommandHeaders(**(found | {"saga_id": UUID(found["saga_id"]), "kind": Kind(found["kind"])}))


def _plain_command(command: ReceivedCommand | None) -> dict[str, Any] | None:
    if command is None:
        return None
    return {"headers": _plain(command.headers), "payload": base64.b64encode(command.payload).decode()}


def _command(found: dict[str, Any] | None) -> ReceivedCommand | None:
    if found is None:
        return None
    return ReceivedCommand(headers=_headers(found["headers"]), payload=base64.b64decode(found["payload"]))


def decision_order(headers: CommandHeaders) -> tuple[int, int, int]:
    """Orders the commands of a step as the coordinator decided them, in whatever order they
    come."""
    return headers.incarnation, headers.version, headers.attempt
