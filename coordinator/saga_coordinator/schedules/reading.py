"""From a tree to a schedule as far as it could be read: keys, kinds, ranges, and the defaults.

A part with a finding reads as its default, so that one mistake hides no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast, get_args

from saga_coordinator.calendar.document import CalendarDocument
from saga_coordinator.definitions.document import MAX_VERSION
from saga_coordinator.definitions.draft import Given
from saga_coordinator.definitions.fields import Fields
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.tree import Node
from saga_coordinator.schedules.calendar_reading import read_calendar, read_note
from saga_coordinator.schedules.document import (
    MAX_AT_ONCE,
    MissedDocument,
    MissedPolicy,
    OverlapDocument,
    OverlapPolicy,
    ScheduleDocument,
)

SCHEDULE_KEYS: Final = (
    *("schedule", "definition", "calendar", "runs", "input", "key", "overlap", "missed"),
    *("pause_after_failures", "expect_success_within", "note"),
)
MISSED_KEYS: Final = ("policy", "grace", "window")
LIMITED: Final = ("queue_all", "allow")
"""Overlap policies that need a limit."""
MAX_RUNS: Final = 1_000_000_000
MAX_FAILURES: Final = 1_000
OVERLAP: Final = OverlapDocument(policy="skip", limit=1)
MISSED: Final = MissedDocument(policy="run_one", grace_ms=60_000, window_ms=24 * 3_600_000)
"""The defaults of format 1. A release that wants others starts format 2 and keeps these."""
OVERLAP_POLICIES: Final[tuple[str, ...]] = get_args(OverlapPolicy)
MISSED_POLICIES: Final[tuple[str, ...]] = get_args(MissedPolicy)
_OVERLAP_WORDS: Final = ", ".join(each for each in OVERLAP_POLICIES if each not in LIMITED) + ", {queue_all: 10} or {allow: 3}"
_VERSION: Final = re.compile(r"(?a:[1-9]\d{0,9})")


@dataclass(slots=True, kw_only=True)
class ScheduleDraft:
    """What a schedule says, and where."""

    node: Node
    name: Given[str] | None = None
    definition: Given[str] | None = None
    version: int | None = None
    calendar: CalendarDocument | None = None
    """None after a finding."""
    calendar_node: Node | None = None
    runs: Given[int] | None = None
    input: Node | None = None
    key: Node | None = None
    overlap: OverlapDocument = OVERLAP
    overlap_node: Node | None = None
    missed: MissedDocument = MISSED
    missed_nodes: Mapping[str, Node]
    """What `missed:` says, by key."""
    pause_after_failures: Given[int] | None = None
    expect_success: Given[int] | None = None
    jitter: Node | None = None
    note: str = ""

    def document(self) -> ScheduleDocument:
        """The document of a draft without errors."""
        assert self.name is not None and self.definition is not None and self.calendar is not None
        return ScheduleDocument(
            format=1,
            schedule=self.name.value,
            definition=self.definition.value,
            definition_version=self.version,
            calendar=self.calendar,
            runs=_value(self.runs),
            input={} if self.input is None else self.input.plain,
            key=None if self.key is None else str(self.key.value),
            overlap=self.overlap,
            missed=self.missed,
            pause_after_failures=_value(self.pause_after_failures),
            expect_success_ms=_value(self.expect_success),
            note=self.note,
        )


def _value(given: Given[int] | None) -> int | None:
    return None if given is None else given.value


def read_schedule(root: Node, report: Report) -> ScheduleDraft:
    """Read what can be read."""
    fields = Fields(report, root, SCHEDULE_KEYS, "a schedule")
    draft = ScheduleDraft(node=root, missed_nodes={})
    if not isinstance(root.value, Mapping):
        return draft
    draft.name = fields.name("schedule", "`schedule: settlement`")
    _read_definition(draft, fields)
    draft.calendar_node = fields.need("calendar", '`calendar: {cron: "30 2 * * *", zone: Europe/Berlin}`')
    if draft.calendar_node is not None:
        draft.calendar = read_calendar(draft.calendar_node, report)
        if isinstance(draft.calendar_node.value, Mapping) and "jitter" in draft.calendar_node.value:
            draft.jitter = draft.calendar_node.value["jitter"].node
    draft.runs = fields.whole("runs", 1, MAX_RUNS)
    draft.input = _input(fields)
    draft.key = fields.get("key")
    _read_overlap(draft, fields, report)
    _read_missed(draft, fields, report)
    draft.pause_after_failures = fields.whole("pause_after_failures", 1, MAX_FAILURES)
    draft.expect_success = fields.duration("expect_success_within")
    draft.note = read_note(fields)
    return draft


def _read_definition(draft: ScheduleDraft, fields: Fields) -> None:
    """`settle-day`, or `settle-day@3`."""
    node = fields.need("definition", "`definition: settle-day`, or settle-day@3")
    if node is None:
        return
    if not isinstance(node.value, str):
        fields.wrong(node, f"definition must be a name, or name@version, this is {node.kind}")
        return
    name, at, version = node.value.partition("@")
    if at and (not _VERSION.fullmatch(version) or int(version) > MAX_VERSION):
        fields.add("S010", node, "the version of a definition is a whole number from 1, as in settle-day@3")
        return
    draft.definition = fields.as_name("definition", Node(name, node.line, node.column))
    draft.version = int(version) if at else None


def _input(fields: Fields) -> Node | None:
    node = fields.get("input")
    if node is not None and not isinstance(node.value, Mapping):
        fields.wrong(node, f"input must be a map from field to value, this is {node.kind}; write `day: ${{schedule.tick}}`")
        return None
    return node


def _read_overlap(draft: ScheduleDraft, fields: Fields, report: Report) -> None:
    """A policy, or `{queue_all: 10}`, `{allow: 3}`."""
    node = draft.overlap_node = fields.get("overlap")
    if node is None:
        return
    if isinstance(node.value, str) and node.value in OVERLAP_POLICIES and node.value not in LIMITED:
        draft.overlap = OverlapDocument(policy=cast(OverlapPolicy, node.value), limit=1)
    elif isinstance(node.value, Mapping) and len(node.value) == 1 and (policy := next(iter(node.value))) in LIMITED:
        limit = Fields(report, node, LIMITED, "overlap").whole(policy, 1, MAX_AT_ONCE)
        draft.overlap = OVERLAP if limit is None else OverlapDocument(policy=cast(OverlapPolicy, policy), limit=limit.value)
    elif node.value in LIMITED:
        fields.wrong(node, f"{node.value} needs a limit; write {{{node.value}: 10}}")
    else:
        fields.wrong(node, f"overlap must be {_OVERLAP_WORDS}")


def _read_missed(draft: ScheduleDraft, fields: Fields, report: Report) -> None:
    """A policy, or `{policy, grace, window}`."""
    node = fields.get("missed")
    if node is None:
        return
    if isinstance(node.value, str):
        draft.missed_nodes = {"policy": node}
        draft.missed = MISSED.model_copy(update={"policy": _missed_policy(fields, node)})
        return
    inner = Fields(report, node, MISSED_KEYS, "missed")
    draft.missed_nodes = {key: said for key in MISSED_KEYS if (said := inner.get(key)) is not None}
    policy, grace, window = inner.get("policy"), inner.duration("grace"), inner.duration("window")
    draft.missed = MissedDocument(
        policy=MISSED.policy if policy is None else _missed_policy(inner, policy),
        grace_ms=MISSED.grace_ms if grace is None else grace.value,
        window_ms=MISSED.window_ms if window is None else window.value,
    )


def _missed_policy(fields: Fields, node: Node) -> MissedPolicy:
    if node.value in MISSED_POLICIES:
        return cast(MissedPolicy, node.value)
    fields.wrong(node, f"missed must be {', '.join(MISSED_POLICIES)}, or a map with `policy:`, `grace:` and `window:`")
    return MISSED.policy
