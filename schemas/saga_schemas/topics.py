"""Topic names: one command and one reply topic a participant, so that access rules can stop one
service from answering for another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from saga_schemas.ids import valid_name
from saga_schemas.limits import TOPIC_CHARS

_PREFIX: Final = re.compile(r"[a-zA-Z0-9._-]*")
_LONGEST: Final = len("saga.reply.") + 63


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics of one installation.

    `prefix` (`SAGA_TOPIC_PREFIX`) stands before each name, on both sides.
    """

    prefix: str = ""

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix) or len(self.prefix) + _LONGEST > TOPIC_CHARS:
            raise ValueError(f"a topic prefix has letters, digits, '.', '_', '-', at most {TOPIC_CHARS - _LONGEST} of them")

    def command(self, participant: str) -> str:
        """Written by the coordinator, read by that participant."""
        return f"{self.prefix}saga.cmd.{_named(participant)}"

    def command_group(self, participant: str) -> str:
        """The consumer group that a participant's instances read its commands in."""
        return f"{self.prefix}saga.{_named(participant)}"

    def reply(self, participant: str) -> str:
        """Written by that participant, read by the coordinator."""
        return f"{self.prefix}saga.reply.{_named(participant)}"

    @property
    def start(self) -> str:
        """Written by anyone allowed, read by the coordinator."""
        return f"{self.prefix}saga.start"

    @property
    def events(self) -> str:
        """Lifecycle events, written by the coordinator, read by anyone."""
        return f"{self.prefix}saga.events"

    @property
    def schemas(self) -> str:
        """Every registered schema by its id.

        The coordinator writes it; whoever meets a schema that it does not know reads it.
        """
        return f"{self.prefix}saga.schemas"

    def dlq(self, consumer: str) -> str:
        """What that consumer could not read."""
        return f"{self.prefix}saga.dlq.{_named(consumer)}"

    def participant_of_reply(self, topic: str) -> str | None:
        """Whose reply topic that is, or None when it is none of ours."""
        return self._participant(topic, "saga.reply.")

    def participant_of_command(self, topic: str) -> str | None:
        """Whose command topic that is, or None when it is none of ours."""
        return self._participant(topic, "saga.cmd.")

    def _participant(self, topic: str, kind: str) -> str | None:
        start = self.prefix + kind
        name = topic[len(start) :]
        return name if topic.startswith(start) and valid_name(name) else None


def _named(participant: str) -> str:
    if not valid_name(participant):
        raise ValueError("a participant's name matches [a-z][a-z0-9-]{0,62}")
    return participant
