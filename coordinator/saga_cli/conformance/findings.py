"""What may be missing, what may be wrong, and what is judged. Pure."""

from __future__ import annotations

from enum import StrEnum

from saga_cli.conformance.messages import Command, Reply
from saga_schemas.record_class import record


class Need(StrEnum):
    """What a case cannot do without, and what is said where it is missing."""

    REJECT = "--reject is not given"
    FAIL = "--fail is not given"
    ACCEPT = "--accept is not given"
    COMPENSATION = "--compensation is not given"
    REJECT_COMPENSATION = "--reject-compensation is not given"
    FAIL_COMPENSATION = "--fail-compensation is not given"
    KILL = "--kill-command and --start-command are not given"
    EFFECTS = "--effects-query is not given"
    PARTITIONS = "this broker has no choice of partition and codec"


class Deviation(Exception):
    """The participant did something else than the page says.

    Attributes:
        seen: What it did.
        says: What the page says, where that is another sentence than the case's own.
    """

    def __init__(self, seen: str, says: str = "") -> None:
        super().__init__(seen)
        self.seen = seen
        self.says = says


class NotHere(Exception):
    """The case turned out not to apply; the text says why."""


@record
class Exchange:
    """A reply, and the command that it answers."""

    command: Command | None
    """Told by what the reply echoes, else by `ce_causationid`; None: no command of its saga."""
    reply: Reply
    spoiled: bool
    """The command was made wrong on purpose."""
