"""Situations to diagnose: a healthy one, and what may be wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from saga_coordinator.diagnosis.situation import Situation
from saga_coordinator.engine.waiting import waiting_for
from saga_coordinator.inbound.refused_replies import RefusedReply
from saga_coordinator.store.port import AttentionRow, InstanceRow, InstanceState, Standing
from saga_coordinator.views.deliveries import Unsent
from support.saga_rows import SAGA, saga_row
from unit.coordinator.engine.sagas import PIVOT, RETRIABLE, TIMES, definition, play, step

SECOND = 1_000_000
MINUTE = 60 * SECOND
ROLES = ("api", "projector", "replies", "starts", "sweeper", "timers", "watchdog")
LINE = definition(step("a"), step("p", PIVOT, after="a"), step("r", RETRIABLE, after="p", times=replace(TIMES, step_ms=None)))


def instance(name: str = "one", *, seen_s: float = 1, now_us: int, **changes: Any) -> InstanceRow:
    fields: dict[str, Any] = {"since_us": 1, "feature_level": 1, "state": InstanceState(roles=ROLES)}
    return InstanceRow(name=name, seen_at_us=now_us - int(seen_s * SECOND), **(fields | changes))


def situation(script: str = "", *, after_s: float = 1, **changes: Any) -> Situation:
    """A saga to which this happened, so long ago; everything around it is well.

    `changes` replaces what the situation holds.
    """
    saga = play(LINE, script).state
    latest = max([saga.started_at_us, saga.closed_at_us or 0, *(one.silent_since_us or 0 for one in saga.steps.values())])
    now_us = latest + int(after_s * SECOND)
    row = saga_row(
        phase=saga.phase.value,
        version=saga.version,
        incarnation=1,
        closed_at_us=saga.closed_at_us,
        started_at_us=saga.started_at_us,
    )
    closed = saga.closed_at_us is not None
    healthy = Situation(
        now_us=now_us,
        row=row,
        saga=saga,
        state_error=None,
        definition=LINE,
        definition_error=None,
        standing=standing(None if closed else now_us + SECOND, row.phase),
        waits=waiting_for(LINE, saga, now_us),
        instances=[instance(now_us=now_us)],
        answered_in_s=0.001,
    )
    return replace(healthy, **changes)


def standing(due_at_us: int | None, phase: str | None = "RUNNING", **changes: Any) -> Standing:
    fields: dict[str, Any] = {"listed_attention": 0, "attention": 0, "inbox": 0, "inbox_oldest_us": None}
    return Standing(due_at_us=due_at_us, listed_phase=phase, **(fields | changes))


def needs_person(reason: str, step: str = "a", note: str = "") -> AttentionRow:
    return AttentionRow(saga_id=SAGA, step=step, reason=reason, since_us=1, note=note)


def refused(reason: str, step: str = "a") -> RefusedReply:
    return RefusedReply(id=UUID(int=7), at_us=1, reason=reason, detail="", step=step, answers=("action", "1", "1"))


def unsent(refused: str | None = None) -> Unsent:
    return Unsent(since=1, refused=refused)
