"""The diagnosis of a saga as people and programs see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saga_coordinator.diagnosis.checks import examined
from saga_coordinator.diagnosis.finding import Finding, Verdict
from saga_coordinator.diagnosis.gathering import Asked, situation_of
from saga_coordinator.diagnosis.runbook import Anchor
from saga_coordinator.diagnosis.situation import Situation
from saga_coordinator.engine.waiting import about
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.store.port import SagaRow
from saga_schemas.times import format_us


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisLine:
    """One answer of one check."""

    check: str
    verdict: Verdict
    step: str | None
    evidence: str
    cause: str | None
    """With the next two: only where something was found."""
    way_out: str | None
    runbook: str | None
    """The section that says more, as page#anchor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedBy:
    """The schedule that started a saga."""

    schedule: str
    tick: str
    """By its name: the instant."""
    ticks_waiting: int
    """Ticks of the schedule that wait for its sagas to end."""
    runbook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why a saga does not move, or looks wrong."""

    id: str
    key: str | None
    definition: str | None
    phase: str
    at: str
    """The database's time when it was looked at."""
    found: int
    """Lines that say that something is wrong."""
    started_by: StartedBy | None
    """None: no schedule started it."""
    summary: str
    """What the first of them says; where there is none, what the saga waits for."""
    lines: tuple[DiagnosisLine, ...]
    """What was found first, then what cannot be told, then what is well."""


async def diagnosis_of(asked: Asked, row: SagaRow) -> Diagnosis:
    """Diagnose a saga of this store.

    Raises:
        StoreError: The database cannot be read.
    """
    situation = await situation_of(asked, row)
    rows = await asked.store.definition_rows([row.definition_id])
    return diagnosis(situation, rows[0].name if rows else None)


def diagnosis(situation: Situation, definition: str | None) -> Diagnosis:
    """What all checks say of a situation."""
    said = examined(situation)
    wrong = [finding for _, finding in said if finding.verdict is Verdict.FOUND]
    return Diagnosis(
        id=str(situation.row.id),
        key=situation.row.business_key,
        definition=definition,
        phase=situation.row.phase,
        at=format_us(situation.now_us),
        found=len(wrong),
        started_by=_started_by(situation),
        summary=_summary(situation, wrong),
        lines=tuple(_line(check, finding) for check, finding in said),
    )


def _started_by(situation: Situation) -> StartedBy | None:
    if situation.started_by is None:
        return None
    schedule, tick = situation.started_by
    return StartedBy(
        schedule=schedule.name,
        tick=tick_text(tick.at_us),
        ticks_waiting=situation.ticks_waiting,
        runbook=Anchor.OF_SCHEDULE.address,
    )


def _summary(situation: Situation, wrong: Sequence[Finding]) -> str:
    if wrong:
        step = f"{wrong[0].step}: " if wrong[0].step else ""
        return f"{step}{wrong[0].evidence}"
    if not situation.open:
        return f"it is {situation.row.phase}"
    for wait in situation.waits:
        since = "" if wait.since_us is None else f" for {about(max(0, situation.now_us - wait.since_us))}"
        step = f"{wait.step}: " if wait.step else ""
        return f"nothing is wrong; {step}{wait.name}{since}: {wait.mover}"
    return "nothing is wrong; it goes on by itself"


def _line(check: str, finding: Finding) -> DiagnosisLine:
    return DiagnosisLine(
        check=check,
        verdict=finding.verdict,
        step=finding.step,
        evidence=finding.evidence,
        cause=finding.cause or None,
        way_out=finding.way_out or None,
        runbook=None if finding.anchor is None else finding.anchor.address,
    )
