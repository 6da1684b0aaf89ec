"""What a case is, and what may come of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum

from saga_cli.conformance.findings import Exchange, Need
from saga_cli.conformance.stage import Stage
from saga_schemas.record_class import record

Play = Callable[[Stage], Awaitable[None]]
Judge = Callable[[Exchange], str | bool]


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
    judge: Judge | None = None
    """Looks at each exchange of the whole check, afterwards.

    It returns what is wrong with it, or whether it was about this case at all.
    """
    alone: bool = False
    """Played by itself, after the others."""
    idle: bool = False
    """The participant does nothing but wait for some seconds: played beside all others."""

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


def case(
    name: str, title: str, says: str, section: str, *needs: Need, alone: bool = False, idle: bool = False
) -> Callable[[Play], Case]:
    """Make a case of a function that plays it."""

    def made(play: Play) -> Case:
        return Case(name=name, title=title, says=says, section=section, needs=frozenset(needs), play=play, alone=alone, idle=idle)

    return made


def judged(name: str, title: str, says: str, section: str, judge: Judge) -> Case:
    """Make a case of what is true of each reply."""
    return Case(name=f"reply.{name}", title=f"each reply has {title}", says=says, section=section, judge=judge)
