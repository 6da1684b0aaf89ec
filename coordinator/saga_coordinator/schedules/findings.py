"""What `lint` says of a schedule, and of a calendar of days; and what a calendar's problems are as
findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.calendar.problem import Problem
from saga_coordinator.definitions.finding import Finding, Report, errors_of
from saga_coordinator.definitions.tree import Node
from saga_coordinator.schedules.document import ScheduleDocument
from saga_schemas.record_class import record

ASK_YES: Final = frozenset({"S323"})
"""Codes of warnings that a person has to say yes to."""
_KEYS: Final = {"intervals": "interval", "every_ms": "every", "jitter_ms": "jitter"}
"""Keys of the document that the file spells otherwise."""


class ScheduleInvalid(ValueError):
    """A schedule, or a calendar of days, with errors; `findings` has all of them."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


@record
class ScheduleLint:
    """What was found in a schedule."""

    findings: tuple[Finding, ...]
    document: ScheduleDocument | None
    """None when a finding is an error."""

    @property
    def ok(self) -> bool:
        """No error; there may be warnings."""
        return self.document is not None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that forbid the schedule."""
        return errors_of(self.findings)

    @property
    def warnings_ask_yes(self) -> tuple[Finding, ...]:
        """The warnings that a person has to say yes to before the schedule is created."""
        return tuple(finding for finding in self.findings if finding.code in ASK_YES)

    def required(self) -> ScheduleDocument:
        """The document. Raises ScheduleInvalid with the findings."""
        if self.document is None:
            raise ScheduleInvalid(self.findings)
        return self.document


@record
class DaysLint:
    """What was found in a calendar of days."""

    findings: tuple[Finding, ...]
    document: DayCalendarDocument | None
    """None when a finding is an error."""

    @property
    def ok(self) -> bool:
        """No error."""
        return self.document is not None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that forbid the calendar."""
        return errors_of(self.findings)

    def required(self) -> DayCalendarDocument:
        """The document. Raises ScheduleInvalid with the findings."""
        if self.document is None:
            raise ScheduleInvalid(self.findings)
        return self.document


def add_problems(problems: Sequence[Problem], calendar: Node, report: Report) -> None:
    """Each problem of a calendar as a finding, where the file says it."""
    for problem in problems:
        report.add(problem.code, node_at(calendar, problem.path), problem.message)


def node_at(calendar: Node, path: Sequence[str | int]) -> Node:
    """The part of a calendar that a path of its document leads to, as far as the file has it: where
    a list of one is written without brackets it is the value."""
    node = calendar
    for part in path:
        if isinstance(part, int):
            if isinstance(node.value, tuple) and part < len(node.value):
                node = node.value[part]
            continue
        entry = node.value.get(_KEYS.get(part, part)) if isinstance(node.value, Mapping) else None
        if entry is None:
            return node
        node = entry.node
    return node
