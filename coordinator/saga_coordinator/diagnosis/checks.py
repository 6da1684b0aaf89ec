"""The checks by name, in the order in which they are told, and what all of them say of a
situation.

Pure. First come those of the saga itself, then those of the way of its commands and answers, then
those of what carries everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from saga_coordinator.diagnosis import saga_checks, system_checks, way_checks
from saga_coordinator.diagnosis.finding import Finding, Verdict, cannot_tell, found
from saga_coordinator.diagnosis.runbook import Anchor
from saga_coordinator.diagnosis.situation import Situation

MOST: Final = 5
"""Findings of one check that are told one by one."""
_ORDER: Final = (Verdict.FOUND, Verdict.CANNOT_TELL, Verdict.OK)

Check = Callable[[Situation], list[Finding]]
CHECKS: Final[dict[str, Check]] = {
    "end": saga_checks.end,
    "definition": saga_checks.definition,
    "state": saga_checks.state,
    "attention": saga_checks.attention,
    "start-time": saga_checks.start_time,
    "recovery": saga_checks.recovering,
    "pause": saga_checks.paused,
    "kafka": way_checks.kafka,
    "command-topics": way_checks.command_topics,
    "commands-sent": way_checks.commands_sent,
    "replies-refused": way_checks.replies_refused,
    "clocks": way_checks.clocks,
    "failures": way_checks.failures,
    "replies-read": way_checks.replies_read,
    "participants": way_checks.participants,
    "timers": system_checks.timers,
    "inbox": system_checks.inbox,
    "lists": system_checks.listing,
    "roles": system_checks.roles,
    "instances": system_checks.instances,
    "wellness": system_checks.wellness,
    "database": system_checks.database,
}
_OF_STATE: Final = frozenset({"start-time", "recovery", "pause", "command-topics", "clocks", "failures", "participants"})
"""They say nothing of a saga that cannot be read."""


def examined(situation: Situation) -> list[tuple[str, Finding]]:
    """What every check says, by its name: first what was found."""
    said = [(name, finding) for name in CHECKS for finding in _said(name, situation)]
    return sorted(said, key=lambda one: _ORDER.index(one[1].verdict))


def _said(name: str, situation: Situation) -> Iterator[Finding]:
    unread = situation.state_error or situation.definition_error
    if unread is not None and name in _OF_STATE and situation.open:
        yield from cannot_tell(f"the saga cannot be read: {unread}")
        return
    findings = CHECKS[name](situation)
    yield from findings[:MOST]
    if left := findings[MOST:]:
        yield found(f"and {len(left)} more", cause=left[0].cause, way_out=left[0].way_out, anchor=_anchor(left[0]))


def _anchor(finding: Finding) -> Anchor:
    assert finding.anchor is not None, "only what was found has several lines"
    return finding.anchor
