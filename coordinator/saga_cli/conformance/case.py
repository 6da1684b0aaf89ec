"""What a case is, and what may come of it. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from saga_cli.conformance.messages import Command, Reply
from saga_schemas.record_class import record

if TYPE_CHECKING:
    from saga_cli.conformance.stage import Stage


class Need(StrEnum):
    """What a case cannot do without, and what is said where it is missing."""

    REJECT = "--reject is not given"
    FAIL = "--fail is not given"
    ACCEPT = "--accept is not given"
    COMPENSATION = "--compensation is not given"
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


Play = Callable[["Stage"], Awaitable[None]]


@record
class Exchange:
    """A reply, and the command that it names in `ce_causationid` (None: no command of the saga)."""

    command: Command | None
    reply: Reply
    spoiled: bool
    """The command was made wrong on purpose."""


@record
class Case:
    """One thing that the page demands.

    Exactly one of `play` and `judge` is given.
    """

    name: str
    """`group.what`, stable: for --only, and in reports."""
    title: str
    says: str
    """What docs/wire.md says."""
    section: str
    """The section of docs/wire.md."""
    needs: frozenset[Need] = frozenset()
    play: Play | None = None
    """Sends commands; raises Deviation."""
    judge: Callable[[Exchange], str | bool] | None = None
    """Looks at each exchange of the whole check, afterwards.

    It returns what is wrong with it, or whether it was about this case at all.
    """
    alone: bool = False
    """Played by itself, after the others."""

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]


class Status(StrEnum):
    PASSED = "passed"
    FAILED = "FAILED"
    LEFT_OUT = "left out"


@record
class Result:
    """What came of a case."""

    case: Case
    status: Status
    took_s: float = 0.0
    seen: str = ""
    """With FAILED: what the participant did. With LEFT_OUT: why."""
    says: str = ""
    """With FAILED: what the page says."""
