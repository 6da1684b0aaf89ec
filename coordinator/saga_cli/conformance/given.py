"""What the check was given: the bodies of commands, and how long it waits. Pure.

A body is plain JSON, as for `saga start`. `{{unique}}` in a text becomes a text that no other saga
of the check has. A text that is `{{reply.FIELD}}` and nothing else becomes that field of the
action's reply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from saga_schemas.record_class import record

UNIQUE: Final = "{{unique}}"
_OF_REPLY: Final = re.compile(r"\{\{reply\.(\w+)\}\}")


class Part(StrEnum):
    """A body that may be given, named as its option is."""

    ACTION = "action"
    """It is done."""
    REJECT = "reject"
    """The business says no."""
    FAIL = "fail"
    """A technical failure, the first time or every time."""
    ACCEPT = "accept"
    """It is accepted, and is done some time later."""
    COMPENSATION = "compensation"
    """It undoes any of these."""
    REJECT_COMPENSATION = "reject-compensation"
    """The business says no to undoing."""
    FAIL_COMPENSATION = "fail-compensation"
    """Undoing fails technically."""


@record
class Body:
    """One command's record and its fields."""

    record: str
    """Full name of the Avro record."""
    fields: Mapping[str, Any]

    def filled(self, unique: str, reply: Mapping[str, Any]) -> dict[str, Any]:
        """The fields with the place-holders replaced.

        Args:
            unique: The saga's own text.
            reply: The action's reply so far, as plain JSON.
        """
        return {name: _filled(value, unique, reply) for name, value in self.fields.items()}


def _filled(value: Any, unique: str, reply: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, unique, reply) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, unique, reply) for each in value]
    if not isinstance(value, str):
        return value
    found = _OF_REPLY.fullmatch(value)
    return reply.get(found[1], unique) if found else value.replace(UNIQUE, unique)


@record
class Patience:
    """How long the check waits for what, in seconds."""

    start_s: float = 60.0
    """For the first answer: the participant may be starting."""
    reply_s: float = 20.0
    """For the answer to one command."""
    later_s: float = 60.0
    """For the end of work that was accepted."""
    quiet_s: float = 0.5
    """Behind the point from which on no answer is expected any more."""
    stray_s: float = 1.0
    """Before an answer that names another command is taken for the answer."""


@record
class Given:
    """All that the check was given."""

    participant: str
    bodies: Mapping[Part, Body]
    patience: Patience = Patience()
