"""What a check says: a verdict with its evidence; where something was found, the cause and the way
out.
"""

from __future__ import annotations

from enum import StrEnum

from saga_coordinator.diagnosis.runbook import Anchor
from saga_schemas.record_class import record


class Verdict(StrEnum):
    """What a check came to."""

    FOUND = "found"
    CANNOT_TELL = "cannot_tell"
    OK = "ok"


@record
class Finding:
    """One answer of a check."""

    verdict: Verdict
    evidence: str
    """What was seen, in one sentence."""
    step: str | None = None
    cause: str = ""
    way_out: str = ""
    anchor: Anchor | None = None


def ok(evidence: str) -> list[Finding]:
    return [Finding(verdict=Verdict.OK, evidence=evidence)]


def cannot_tell(why: str) -> list[Finding]:
    return [Finding(verdict=Verdict.CANNOT_TELL, evidence=why)]


def found(evidence: str, *, cause: str, way_out: str, anchor: Anchor, step: str | None = None) -> Finding:
    return Finding(verdict=Verdict.FOUND, evidence=evidence, step=step, cause=cause, way_out=way_out, anchor=anchor)
