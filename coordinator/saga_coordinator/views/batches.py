"""The views of batches, of what one would do, of confirmations, and of letters sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from saga_coordinator.batches.jobs import FOUND_MOST, BatchPreview, Tried
from saga_coordinator.batches.outcomes import Outcomes, Reason
from saga_coordinator.store.port import BatchRow, ConfirmationRow, RedriveRow
from saga_schemas.times import format_us

EXPIRED = "expired"
"""The status of a confirmation that nobody settled in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonView:
    """Sagas of a batch that were refused with one code, or failed with one error."""

    code: str
    count: int
    first: tuple[str, ...]
    """Ids of the first five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """One act on all sagas that a query matched."""

    id: str
    act: str
    query: str
    reason: str
    actor: str
    rate: int
    """Sagas a second, at most."""
    status: str
    """`running`, `done` or `stopped`."""
    found: int
    """Sagas that matched when it was made."""
    done: int
    refused: int
    failed: int
    refusals: tuple[ReasonView, ...]
    failures: tuple[ReasonView, ...]
    created_at: str
    moved_at: str
    """When it last did anything."""
    ended_at: str | None
    stopped_by: str | None
    stopped_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedView:
    """What the act would do to one saga."""

    id: str
    key: str | None
    definition: str
    definition_version: int
    phase: str
    phase_after: str
    refused: str | None
    """The code with which the act would be refused; none: it would be done."""
    detail: str | None
    steps: Mapping[str, tuple[str, str]]
    """By step that would change: its state before and after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPreviewView:
    """What a batch would do. Nothing was changed."""

    act: str
    means: str
    query: str
    found: int
    """Sagas that match."""
    more: bool
    """There are more than `found`: too many for a batch."""
    sample: tuple[TriedView, ...]
    """The youngest of them, with what the act would do to each now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationView:
    """An act that waits, or waited, for a second person."""

    id: str
    act: str
    target: str
    reason: str
    actor: str
    """Who asked for it."""
    asked_at: str
    expires_at: str
    status: str
    """`pending`, `confirmed`, `refused` or `expired`."""
    settled_at: str | None
    settled_by: str | None
    settled_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveView:
    """What is known of a dead letter that was sent again."""

    times: int
    asked_at: str
    actor: str
    reason: str
    sent_at: str | None
    """When the broker confirmed it."""
    note: str | None
    """Why the last try surely sent nothing. Neither: it may have been sent."""


def batch_view(row: BatchRow) -> BatchView:
    outcomes = Outcomes.read(row.outcomes)
    return BatchView(
        id=str(row.id),
        act=row.act,
        query=row.query,
        reason=row.why,
        actor=row.who,
        rate=row.rate,
        status=row.status,
        found=row.found,
        done=row.done,
        refused=row.refused,
        failed=row.failed,
        refusals=_reasons(outcomes.refused),
        failures=_reasons(outcomes.failed),
        created_at=format_us(row.created_at_us),
        moved_at=format_us(row.moved_at_us),
        ended_at=_time(row.ended_at_us),
        stopped_by=row.stopped_by,
        stopped_why=row.stopped_why,
    )


def preview_view(query: str, preview: BatchPreview) -> BatchPreviewView:
    return BatchPreviewView(
        act=preview.act.name,
        means=preview.act.means,
        query=query,
        found=min(preview.found, FOUND_MOST),
        more=preview.found > FOUND_MOST,
        sample=tuple(map(_tried, preview.sample)),
    )


def confirmation_view(row: ConfirmationRow, now_us: int) -> ConfirmationView:
    is_over = row.settled_at_us is None and row.expires_at_us <= now_us
    return ConfirmationView(
        id=str(row.id),
        act=row.act,
        target=row.target,
        reason=row.why,
        actor=row.who,
        asked_at=format_us(row.asked_at_us),
        expires_at=format_us(row.expires_at_us),
        status=EXPIRED if is_over else row.status,
        settled_at=_time(row.settled_at_us),
        settled_by=row.settled_by,
        settled_why=row.settled_why,
    )


def redrive_view(row: RedriveRow) -> RedriveView:
    return RedriveView(
        times=row.tries,
        asked_at=format_us(row.asked_at_us),
        actor=row.who,
        reason=row.why,
        sent_at=_time(row.sent_at_us),
        note=row.note,
    )


def _tried(tried: Tried) -> TriedView:
    changes = tried.changes
    return TriedView(
        id=str(tried.saga.id),
        key=tried.saga.business_key,
        definition=tried.definition,
        definition_version=tried.version,
        phase=tried.saga.phase,
        phase_after=tried.saga.phase if changes is None else changes.phase[1],
        refused=tried.refused,
        detail=tried.detail,
        steps={} if changes is None else changes.steps,
    )


def _reasons(reasons: Mapping[str, Reason]) -> tuple[ReasonView, ...]:
    often = sorted(reasons.items(), key=lambda item: (-item[1].count, item[0]))
    return tuple(ReasonView(code=code, count=reason.count, first=tuple(map(str, reason.first))) for code, reason in often)


def _time(us: int | None) -> str | None:
    return None if us is None else format_us(us)
