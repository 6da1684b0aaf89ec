"""Checks of what carries the saga: timers, instances, the database, and what other tables say."""

from __future__ import annotations

from typing import Final

from saga_coordinator.diagnosis.finding import Finding, cannot_tell, found, ok
from saga_coordinator.diagnosis.runbook import Anchor
from saga_coordinator.diagnosis.situation import GONE_AFTER_US, Situation
from saga_coordinator.engine.waiting import about
from saga_coordinator.store.examining_port import MADE_NAME

LATE_AFTER_US: Final = 10_000_000
SLOW_S: Final = 1.0
_NEEDED: Final = ("starts", "timers", "replies", "sweeper")


def timers(s: Situation) -> list[Finding]:
    due_us = s.standing.due_at_us
    if not s.open:
        return ok("it is finished and has no timer")
    if due_us is None:
        return [
            found(
                "it is open and has no wake-up",
                cause="its row of the table wakeup is gone: rows were deleted by hand",
                way_out="`saga step retry` of a step that is asked writes a new one; `saga doctor --saga=ID` says how to mend it",
                anchor=Anchor.LOST_WAKE_UP,
            )
        ]
    late_us = s.now_us - due_us
    if late_us <= LATE_AFTER_US:
        return ok(f"its timer is due in {about(-late_us)}" if late_us < 0 else "its timer is due now")
    return [_late(s, late_us)]


def _late(s: Situation, late_us: int) -> Finding:
    said = f"its timer was due {about(late_us)} ago"
    if s.has_role("timers") is False:
        return found(
            f"{said}, and no live instance has the role timers",
            cause="nobody fires timers",
            way_out="start an instance with the role timers",
            anchor=Anchor.ROLES,
        )
    stuck = s.problem("timers")
    return found(
        f"{said}{f' ({stuck})' if stuck else ''}",
        cause="the timer loop fails or is overloaded, the database is slow, or this saga fails alone (`saga_parked` in the log)",
        way_out="see `/readyz` of the instances with the role timers, the log of this saga, and the database",
        anchor=Anchor.LATE_TIMERS,
    )


def inbox(s: Situation) -> list[Finding]:
    oldest_us = s.standing.inbox_oldest_us
    if oldest_us is None:
        return ok("no event waits for it")
    age_us = max(0, s.now_us - oldest_us)
    if age_us <= LATE_AFTER_US:
        return ok(f"{s.standing.inbox} events wait for it, for a moment")
    return [
        found(
            f"{s.standing.inbox} events wait for it, the oldest for {about(age_us)}",
            cause="the loop that applies them does not run, or fails with this saga",
            way_out="see that an instance has the role timers, and what its log says of this saga",
            anchor=Anchor.INBOX,
        )
    ]


def roles(s: Situation) -> list[Finding]:
    lacking = [role for role in _NEEDED if s.has_role(role) is False]
    if lacking:
        return [
            found(
                f"no live instance has the role {role}",
                cause="every instance was started with --roles that leave it out, or those that had it are gone",
                way_out=f"start an instance with the role {role}",
                anchor=Anchor.ROLES,
            )
            for role in lacking
        ]
    unknown = [role for role in _NEEDED if s.has_role(role) is None]
    if unknown:
        return cannot_tell(f"an instance of an earlier release does not say whether it has the role {unknown[0]}")
    return ok(f"every role is served by {len(s.alive)} live instance{'' if len(s.alive) == 1 else 's'}")


def instances(s: Situation) -> list[Finding]:
    gone = [one for one in s.instances if one.seen_at_us <= s.now_us - GONE_AFTER_US and not one.name.startswith(MADE_NAME)]
    return [
        found(
            f"instance {one.name} was last seen {about(s.now_us - one.seen_at_us)} ago",
            cause="its process was killed or hangs, or it does not reach the database",
            way_out="start it again; the others have taken over meanwhile",
            anchor=Anchor.GONE_INSTANCE,
        )
        for one in gone
    ] or ok("every instance with a name was seen a moment ago")


def wellness(s: Situation) -> list[Finding]:
    """Of the instance that answers, and of the others as they say of themselves."""
    others = [f"{one.name} says {text}" for one in s.alive if one.state for text in one.state.problems]
    said = list(dict.fromkeys([*s.problems, *(text for text in others if not any(own in text for own in s.problems))]))
    return [
        found(
            text,
            cause="a part of an instance does not do its work now",
            way_out="what the reason names; the table of `/readyz` reasons says more",
            anchor=Anchor.UNWELL_INSTANCE,
        )
        for text in said
    ] or ok("the instances are well")


def database(s: Situation) -> list[Finding]:
    took = f"{s.answered_in_s * 1000:.0f} ms"
    if s.answered_in_s < SLOW_S:
        return ok(f"the database answered within {took}")
    return [
        found(
            f"the database took {took} for one small question",
            cause="it is overloaded, waits for locks or for its disk, or is far away",
            way_out="look at the database: long transactions, locks, disk, connections",
            anchor=Anchor.SLOW_DATABASE,
        )
    ]


def listing(s: Situation) -> list[Finding]:
    standing = s.standing
    if standing.listed_phase is None:
        said = "it is on no list"
    elif standing.listed_phase != s.row.phase:
        said = f"lists show it as {standing.listed_phase}, and it is {s.row.phase}"
    elif standing.listed_attention != standing.attention:
        said = f"lists count {standing.listed_attention} reasons for attention, and it has {standing.attention}"
    else:
        return ok("lists show it as it is")
    return [
        found(
            said,
            cause="it changed while it was read, or rows were edited by hand",
            way_out="ask again; if it stays so, `saga doctor --saga=ID` says how to mend it",
            anchor=Anchor.LISTING,
        )
    ]
