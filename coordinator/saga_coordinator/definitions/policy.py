"""Policies that fit the side of the pivot a step stands on: compensation, retries, deadlines
(findings S1xx).
"""

from __future__ import annotations

from collections.abc import Mapping

from saga_coordinator.definitions.document import RETRY, RETRY_AFTER_PIVOT, RETRY_COMPENSATION, TIMEOUT, Kept, RetryPolicy
from saga_coordinator.definitions.draft import Draft, DraftRetry, DraftStep, Given
from saga_coordinator.definitions.fields import NEVER, duration_text
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.graph import Graph, Kind
from saga_coordinator.definitions.tree import Node


def check_policies(draft: Draft, graph: Graph, report: Report) -> None:
    """Check every step by its kind."""
    for step in draft.steps:
        kind = graph.kinds[step.index]
        _check_compensation(step, kind, report)
        _check_retries(step, kind, report)
        limit = step.limits.get("step")
        if draft.deadline is not None and limit is not None and kind != "retriable" and limit.value > draft.deadline.value:
            message = f"a limit of {duration_text(limit.value)} can never be reached: the saga's deadline comes first"
            report.add("S109", limit.node, message, step=step.label)
    if draft.retention is not None:
        _check_retention(draft, draft.retention, report)


def _check_retention(draft: Draft, retention: Mapping[str, Given[Kept]], report: Report) -> None:
    """A finished saga must outlive its commands, and its journal must not outlive it, nor it its
    keys.
    """
    sagas, journals, keys = (retention.get(name) for name in ("sagas", "journals", "keys"))
    expiry_ms = max(
        (step.limits["expiry"].value if "expiry" in step.limits else TIMEOUT.expiry_ms for step in draft.steps), default=0
    )
    if sagas is not None and _shorter(sagas.value, expiry_ms):
        message = (
            f"sagas are removed {_said(sagas.value)} after their end, but their commands may be accepted for {_said(expiry_ms)}"
        )
        report.add("S115", sagas.node, message)
    if sagas is not None and journals is not None and _shorter(sagas.value, journals.value):
        report.add("S115", journals.node, f"a journal goes with its saga, which is kept for {_said(sagas.value)}")
    if sagas is not None and keys is not None and _shorter(keys.value, sagas.value):
        report.add("S115", keys.node, f"keys are kept at least as long as their saga, {_said(sagas.value)}")


def _shorter(kept: Kept, than: Kept) -> bool:
    return kept != NEVER and (than == NEVER or int(kept) < int(than))


def _said(kept: Kept) -> str:
    return str(kept) if isinstance(kept, str) else duration_text(kept)


def _check_compensation(step: DraftStep, kind: Kind | None, report: Report) -> None:
    if kind == "compensatable" and step.compensation_key is None:
        message = "may have to be undone and names no compensation; name the command, or say `compensation: none`"
        report.add("S105", step.place, message, step=step.label)
    if kind in ("pivot", "retriable") and step.compensation_key is not None:
        where = "is the pivot" if kind == "pivot" else "stands after the pivot"
        message = f"{where} and is never undone; remove its compensation, or move it before the pivot"
        report.add("S108", step.compensation_key, message, step=step.label)


def _check_retries(step: DraftStep, kind: Kind | None, report: Report) -> None:
    attempts = step.action.retry.attempts
    if attempts is not None and attempts.value is None and kind in ("compensatable", "pivot"):
        where = "before the pivot" if kind == "compensatable" else "at the pivot"
        report.add(
            "S104",
            _place(step.action.retry, attempts.node),
            f"retried without end {where}; give retry.attempts a number",
            step=step.label,
        )
    _check_order(step, step.action.retry, RETRY, report)
    if step.compensation is not None:
        undo = step.compensation.retry.attempts
        if undo is not None and undo.value is None:
            message = "the compensation is retried without end; give retry.attempts a number, attention follows"
            report.add("S104", _place(step.compensation.retry, undo.node), message, step=step.label)
        _check_order(step, step.compensation.retry, RETRY_COMPENSATION, report)


def _place(retry: DraftRetry, attempts: Node) -> Node:
    """The whole `retry:` where it stands on one line."""
    return retry.node if retry.node is not None and retry.node.line == attempts.line else attempts


def _check_order(step: DraftStep, retry: DraftRetry, defaults: RetryPolicy, report: Report) -> None:
    first = retry.first.value if retry.first else defaults.first_ms
    cap = retry.cap.value if retry.cap else defaults.cap_ms
    given = retry.first or retry.cap
    if given is not None and first > cap:
        message = f"the first wait of {duration_text(first)} is longer than the cap of {duration_text(cap)}"
        report.add("S114", given.node, message, step=step.label)


def retry_policy(draft: DraftRetry, kind: Kind | None) -> RetryPolicy:
    """A retry with its defaults; `kind` None is a compensation's."""
    defaults = {None: RETRY_COMPENSATION, "retriable": RETRY_AFTER_PIVOT}.get(kind, RETRY)
    return RetryPolicy(
        attempts=draft.attempts.value if draft.attempts else defaults.attempts,
        first_ms=draft.first.value if draft.first else defaults.first_ms,
        factor=draft.factor.value if draft.factor else defaults.factor,
        cap_ms=draft.cap.value if draft.cap else defaults.cap_ms,
        jitter=draft.jitter.value if draft.jitter else defaults.jitter,
        never=draft.never.value if draft.never else defaults.never,
    )
