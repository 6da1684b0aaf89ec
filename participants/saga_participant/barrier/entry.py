"""One row of `saga_barrier` as the kit holds it: what the table decides by, and the bytes remembered beside it."""

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
from saga_schemas.outcomes import Kind
from saga_schemas.record_class import record


@record
class Command:
    """A command as it is kept for later: its headers and its framed value."""

    headers: CommandHeaders
    payload: bytes
    value: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The payload decoded under the newest schema, where that was just done."""


@record
class Stored:
    """A reply as it is remembered: record name and framed value. Its headers are built from the command being answered."""

    record: str
    payload: bytes


@record
class Pending:
    """While ACCEPTED: whom the end will answer."""

    action: CommandHeaders
    undo: Command | None = None
    """The compensation that wishes the action undone at its end."""
    note: str = ""
    """What the handler said of the progress."""
    asked: Command | None = None
    """The newest command that is neither: a RESOLVE, or the action of a newer run."""
    call_us: int | None = None
    """While a call elsewhere is under way, or has ended without an answer: which one, by the end of its first lease."""

    @property
    def newest(self) -> CommandHeaders:
        """The command that the coordinator waits for, as far as this row has heard."""
        others = [command.headers for command in (self.undo, self.asked) if command is not None]
        return max((self.action, *others), key=place)

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
        """None when it is not one of ours: the row was edited by hand, or is of a later release. An earlier one lacks what is optional."""
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
    action: Stored | None = None
    """The remembered reply to the action."""
    undo: Stored | None = None
    """The remembered reply to the compensation."""
    progress_seq: int = 0
    lease_until_us: int | None = None
    pending: Pending | None = None
    expires_at_us: int = 0

    @property
    def called_elsewhere(self) -> bool:
        """Its handler is at work elsewhere, or was, and nobody knows what came of it: so it cannot be called off."""
        return self.pending is not None and (self.pending.call_us is not None or self.progress_seq == 0)

    @property
    def work(self) -> Command | None:
        """While ACCEPTED: the action's own command. None: the row does not say it."""
        if self.pending is None or self.action_command is None:
            return None
        return Command(headers=self.pending.action, payload=self.action_command)

    def forget_work(self) -> Entry:
        """No longer accepted: nobody works on it and nobody waits for its end."""
        return replace(self, action_command=None, lease_until_us=None, pending=None)


def _plain(headers: CommandHeaders) -> dict[str, Any]:
    return asdict(headers) | {"saga_id": str(headers.saga_id), "kind": headers.kind.value}


def _headers(found: dict[str, Any]) -> CommandHeaders:
    return CommandHeaders(**(found | {"saga_id": UUID(found["saga_id"]), "kind": Kind(found["kind"])}))


def _plain_command(command: Command | None) -> dict[str, Any] | None:
    if command is None:
        return None
    return {"headers": _plain(command.headers), "payload": base64.b64encode(command.payload).decode()}


def _command(found: dict[str, Any] | None) -> Command | None:
    if found is None:
        return None
    return Command(headers=_headers(found["headers"]), payload=base64.b64decode(found["payload"]))


def place(headers: CommandHeaders) -> tuple[int, int, int]:
    """Commands of a step in the order they were decided, however they come."""
    return headers.incarnation, headers.version, headers.attempt
