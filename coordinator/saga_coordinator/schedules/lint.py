"""`lint` of schedules: everything that is wrong with one, at once, and its document when nothing
is.

A file, a builder's data and a stored document take the same way, as definitions do: a tree, a
draft, the checks, the document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.calendar.problem import CalendarInvalid
from saga_coordinator.calendar.problems import problems_of, problems_of_days
from saga_coordinator.definitions.compile import CompiledDefinition, CompileFailed
from saga_coordinator.definitions.document import DocumentInvalid
from saga_coordinator.definitions.finding import Report, any_error, shown
from saga_coordinator.definitions.tree import Node, tree_of
from saga_coordinator.definitions.yaml_reader import read_yaml
from saga_coordinator.schedules.calendar_reading import read_days
from saga_coordinator.schedules.document import MAX_SCHEDULE_BYTES, ScheduleDocument
from saga_coordinator.schedules.findings import DaysLint, ScheduleLint, add_problems
from saga_coordinator.schedules.program import ScheduleProgram, program_of
from saga_coordinator.schedules.reading import ScheduleDraft, read_schedule
from saga_coordinator.schedules.settings_check import check_gaps, check_settings
from saga_coordinator.schedules.source import days_source_of, source_of
from saga_coordinator.schedules.start_check import check_start
from saga_coordinator.schedules.trial import check_trial

Look = Callable[[str, int | None], CompiledDefinition | None]
"""Finds a definition by name and version; without a version the active one."""
Days = Mapping[str, DayCalendarDocument]
"""The calendars of days that there are, by name."""


def lint_schedule(source: str | bytes, file: str, look: Look | None, days: Days, now_us: int) -> ScheduleLint:
    """Check the file of a schedule.

    Args:
        source: The file's text.
        file: Its name, for findings.
        look: Finds definitions; None: there is nowhere to look, which is a warning.
        days: The stored calendars of days.
        now_us: The time, in microseconds: from then on it must tick.
    """
    report = Report(file)
    root = read_yaml(source, report)
    return _result(None if root is None else _checked(root, report, look, days, now_us), report)


def lint_schedule_data(data: Mapping[str, Any], name: str, look: Look | None, days: Days, now_us: int) -> ScheduleLint:
    """Check a schedule given as plain data of the file's shape, as the builder gives it."""
    report = Report(name)
    return _result(_checked(tree_of(data), report, look, days, now_us), report)


def lint_schedule_document(document: ScheduleDocument, look: Look | None, days: Days, now_us: int) -> ScheduleLint:
    """Check a document that somebody else made: it must follow from what it says itself."""
    report = Report(document.schedule)
    made = _checked(tree_of(source_of(document)), report, look, days, now_us)
    if made is not None and made.canonical != document.canonical and not any_error(report.findings):
        report.add("S013", None, "the document does not follow from its own parts; send the file that it was made from")
    return _result(made, report)


def lint_stored(canonical: str | bytes | Mapping[str, Any], look: Look | None, days: Days, now_us: int) -> ScheduleLint:
    """As `lint_schedule_document`, of a document that is not read yet."""
    try:
        document = ScheduleDocument.parse(json.dumps(canonical) if isinstance(canonical, Mapping) else canonical)
    except (DocumentInvalid, ValueError) as problem:
        report = Report("schedule")
        report.add("S013", None, str(problem))
        return _result(None, report)
    return lint_schedule_document(document, look, days, now_us)


def lint_days(source: str | bytes, file: str) -> DaysLint:
    """Check the file of a calendar of days."""
    report = Report(file)
    root = read_yaml(source, report)
    return _days_result(root, report)


def lint_days_document(document: DayCalendarDocument) -> DaysLint:
    """Check a calendar of days that somebody else made."""
    return _days_result(tree_of(days_source_of(document)), Report(document.calendar))


def _days_result(root: Node | None, report: Report) -> DaysLint:
    document = None if root is None else read_days(root, report)
    if root is not None and document is not None:
        add_problems(problems_of_days(document), root, report)
    findings = report.sorted()
    return DaysLint(findings=findings, document=None if any_error(findings) else document)


def _checked(root: Node, report: Report, look: Look | None, days: Days, now_us: int) -> ScheduleDocument | None:
    draft = read_schedule(root, report)
    compiled = _definition(draft, look, report)
    check_start(draft, compiled, report)
    check_settings(draft, report)
    if draft.calendar is not None and draft.calendar_node is not None:
        add_problems(problems_of(draft.calendar, days, now_us), draft.calendar_node, report)
    if any_error(report.findings):
        return None
    document = draft.document()
    if len(document.canonical.encode()) > MAX_SCHEDULE_BYTES:
        report.add("S003", root, f"the schedule has more than {MAX_SCHEDULE_BYTES // 1024} KiB; shorten its input")
        return document
    program = _program(document, draft, days, report)
    if program is not None:
        check_gaps(draft, program.calendar, now_us, report)
    if program is not None and compiled is not None:
        check_trial(program, compiled, now_us, (draft.input or root, draft.key or root), report)
    return document


def _definition(draft: ScheduleDraft, look: Look | None, report: Report) -> CompiledDefinition | None:
    if draft.definition is None:
        return None
    name, version = draft.definition.value, draft.version
    if look is None:
        message = f"{name} is not at hand, so the input was not checked against its record"
        report.add("S311", draft.definition.node, message)
        return None
    compiled = look(name, version)
    if compiled is None and version is None:
        message = f"no definition {shown(name)} is registered, or no version of it is active: see `saga def list`"
        report.add("S310", draft.definition.node, message)
    elif compiled is None:
        report.add("S310", draft.definition.node, f"no definition {shown(name)} with a version {version} is registered")
    return compiled


def _program(document: ScheduleDocument, draft: ScheduleDraft, days: Days, report: Report) -> ScheduleProgram | None:
    """None after a finding that no check made before."""
    try:
        return program_of(document, days)
    except CalendarInvalid as problem:
        add_problems(problem.problems, draft.calendar_node or draft.node, report)
    except CompileFailed as problem:
        report.add("S312", draft.input, str(problem))
    return None


def _result(document: ScheduleDocument | None, report: Report) -> ScheduleLint:
    findings = report.sorted()
    return ScheduleLint(findings=findings, document=None if any_error(findings) else document)
