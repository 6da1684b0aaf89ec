"""What becomes of a tick: the policies of overlap and of missed ticks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal, get_args
from uuid import UUID

from saga_coordinator.calendar.tick import Tick
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.document import MAX_AT_ONCE, MissedDocument, OverlapDocument, OverlapPolicy
from saga_coordinator.store.schedule_records import TickRow
from saga_schemas.record_class import record

QUEUED_MOST: Final = {"queue_one": 1, "cancel_other": 1, "terminate_other": 1}
"""Ticks that may wait, of policies without a limit of their own."""


class Verdict(StrEnum):
    """What becomes of a tick now."""

    FIRE = "fire"
    QUEUE = "queue"
    SKIP = "skip"


@record
class Decision:
    """About one tick."""

    verdict: Verdict
    reason: str | None = None
    note: str | None = None
    saga_id: UUID | None = None
    """The saga that is in its way."""
    supersedes: bool = False
    """Ticks that wait are skipped: this one takes their place."""


_FIRE: Final = Decision(verdict=Verdict.FIRE)


def decide(overlap: OverlapDocument, running: Sequence[UUID], queued: Sequence[TickRow]) -> Decision:
    """Decide about a tick that is due.

    Args:
        overlap: The policy that it goes by.
        running: Sagas of the schedule that are open, that of the oldest tick first.
        queued: Ticks that wait, oldest first.
    """
    if overlap.policy == "allow":
        return (
            _FIRE if len(running) < overlap.limit else _skip("limit", f"{len(running)} sagas of the schedule are open", running)
        )
    if not running and not queued:
        return _FIRE
    match overlap.policy:
        case "skip":
            return _skip("overlap", "a saga of the schedule was open", running)
        case "queue_one" | "queue_all":
            most = QUEUED_MOST.get(overlap.policy, overlap.limit)
            if len(queued) >= most:
                return _skip("queue_full", f"{len(queued)} ticks waited already", running)
            return Decision(verdict=Verdict.QUEUE, reason="overlap", saga_id=_last(running))
        case "cancel_other" | "terminate_other":
            return Decision(verdict=Verdict.QUEUE, reason="overlap", saga_id=_last(running), supersedes=True)


def may_go(overlap: OverlapDocument, running: Sequence[UUID]) -> bool:
    """Whether a tick that waits may fire now."""
    return len(running) < overlap.limit if overlap.policy == "allow" else not running


def ending(overlap: OverlapDocument) -> Literal["cancel", "terminate"] | None:
    """How a tick that waits by this policy ends the sagas in its way; None: it lets them."""
    return {"cancel_other": "cancel", "terminate_other": "terminate"}.get(overlap.policy)  # type: ignore[return-value]


def _skip(reason: str, note: str, running: Sequence[UUID]) -> Decision:
    return Decision(verdict=Verdict.SKIP, reason=reason, note=note, saga_id=_last(running))


def _last(running: Sequence[UUID]) -> UUID | None:
    return running[-1] if running else None


def overlap_of(text: str) -> OverlapDocument:
    """`policy` or `policy:limit`, as a tick and a backfill keep it. Raises Refused."""
    policy, colon, limit = text.partition(":")
    if policy not in get_args(OverlapPolicy):
        raise Refused("overlap_unknown", f"overlap is one of {', '.join(get_args(OverlapPolicy))}; with a limit as `allow:3`")
    most = int(limit) if colon and limit.isascii() and limit.isdecimal() and len(limit) < 4 else None
    if (colon and most is None) or (most is not None and not 1 <= most <= MAX_AT_ONCE):
        raise Refused("overlap_unknown", f"the limit is a whole number from 1 to {MAX_AT_ONCE}")
    if most is not None and policy not in ("queue_all", "allow"):
        raise Refused("overlap_unknown", f"{policy} takes no limit")
    return OverlapDocument(policy=policy, limit=most or 1)  # type: ignore[arg-type]


def overlap_text(overlap: OverlapDocument) -> str:
    """What `overlap_of` reads."""
    return f"{overlap.policy}:{overlap.limit}" if overlap.policy in ("queue_all", "allow") else overlap.policy


@record
class Due:
    """A tick of the calendar whose time has come."""

    tick: Tick
    missed: bool
    """It is on record as missed, and does not run."""


def due(ticks: Sequence[Tick], missed: MissedDocument, now_us: int, *, following: Tick | None) -> list[Due]:
    """Which of the ticks that are due run.

    Args:
        ticks: In order, from the first that is not decided.
        missed: The policy.
        now_us: The database's clock.
        following: The next one after these, if it is due, too.
    """
    late = [_is_late(tick, missed, now_us) for tick in ticks]
    last_late = len(late) - 1 - late[::-1].index(True) if True in late else -1
    superseded = following is not None and _is_late(following, missed, now_us)
    found: list[Due] = []
    for place, tick in enumerate(ticks):
        runs = not late[place] or (
            (now_us - tick.at_us) // 1000 <= missed.window_ms
            and (missed.policy == "run_all" or (missed.policy == "run_one" and place == last_late and not superseded))
        )
        found.append(Due(tick=tick, missed=not runs))
    return found


def _is_late(tick: Tick, missed: MissedDocument, now_us: int) -> bool:
    """By more than the grace."""
    return (now_us - tick.fire_at_us) // 1000 > missed.grace_ms
