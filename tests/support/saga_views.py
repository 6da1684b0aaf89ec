"""Views of sagas, made by hand: what is not said is as it is most often."""

from __future__ import annotations

from typing import Any

from saga_coordinator.views.saga import AttentionView, SagaView, StepView, WaitingView
from saga_coordinator.views.step_history import AttemptView
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.times import format_us

NOW_US = 1_790_000_000_000_000


def at(ms: int) -> str:
    return format_us(NOW_US + ms * 1_000)


def attempt(outcome: Outcome | None, number: int = 1, kind: Kind = Kind.ACTION, *, asked_ms: int = 0, **more: Any) -> AttemptView:
    """An attempt that took 40 ms."""
    made: dict[str, Any] = {
        "direction": kind,
        "run": 1,
        "attempt": number,
        "asked_at": at(asked_ms),
        "answered_at": None if outcome is None else at(asked_ms + 40),
        "duration_ms": None if outcome is None else 40,
        "outcome": outcome,
        "code": None,
        "message": None,
        "queue_us": None,
        "handler_us": None,
        "wire_us": None,
    }
    return AttemptView(**{**made, **more})


def step(name: str, status: str, *attempts: AttemptView, after: tuple[str, ...] = (), **more: Any) -> StepView:
    made: dict[str, Any] = {
        "name": name,
        "participant": "payment",
        "kind": "compensatable",
        "status": status,
        "after": after,
        "run": 1,
        "code": None,
        "message": None,
        "reply": None,
        "reply_note": None,
        "attempts": attempts,
        "attempts_omitted": 0,
    }
    return StepView(**{**made, **more})


def view(*steps: StepView, phase: str = "RUNNING", **more: Any) -> SagaView:
    made: dict[str, Any] = {
        "id": "01a22986-0000-7000-8000-000000000001",
        "key": "o-17",
        "tenant": "default",
        "definition": "order",
        "definition_version": 3,
        "definition_hash": "h",
        "phase": phase,
        "reason": None,
        "version": 9,
        "started_at": at(0),
        "closed_at": None,
        "deadline_at": None,
        "duration_ms": 1_000,
        "trace_id": "t",
        "trace_url": None,
        "input": None,
        "input_note": None,
        "steps": steps,
        "waiting": (),
        "attention": (),
        "exceptions": (),
        "notes": (),
    }
    return SagaView(**{**made, **more})


def needs(step: str | None, reason: str, note: str = "", way_out: str = "`saga step retry` once it is mended") -> AttentionView:
    return AttentionView(step=step, reason=reason, since=at(0), note=note, way_out=way_out)


def waits(step: str | None, name: str, mover: str = "the reply of payment", since_ms: int | None = 0) -> WaitingView:
    return WaitingView(step=step, name=name, since=None if since_ms is None else at(since_ms), until=None, mover=mover)
