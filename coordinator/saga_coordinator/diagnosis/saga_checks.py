"""Checks of the saga itself: how it ended, what asks for a person, whether it can be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from saga_coordinator.diagnosis.finding import Finding, cannot_tell, found, ok
from saga_coordinator.diagnosis.runbook import Anchor
from saga_coordinator.diagnosis.situation import Situation
from saga_coordinator.engine.recovery import unanswered
from saga_coordinator.engine.state import Phase, Status
from saga_coordinator.engine.waiting import PAUSED, about
from saga_coordinator.store.port import AttentionRow

_RETRY: Final = "then `saga step retry`"
_REASONS: Final[Mapping[str, tuple[str, str, Anchor]]] = {
    "no_answer": (
        "the participant was asked again and again, its replies are read, and it did not answer",
        "see the other lines here for why; it is asked again by itself, and an answer ends the attention",
        Anchor.SILENT_PARTICIPANT,
    ),
    "expired": (
        "every command reaches the participant after its expiry",
        "set clocks right, or let the participant catch up; any other answer ends the attention",
        Anchor.CLOCKS,
    ),
    "no_progress": (
        "the participant works on the step, without news for longer than its heartbeat",
        "find out what it waits for; news ends the attention",
        Anchor.NO_NEWS,
    ),
    "time_over": (
        "the time of a step is over, and the saga can only go forward",
        "mend the participant; it is asked again by itself until it answers",
        Anchor.STEP_TIME_OVER,
    ),
    "retries_spent": (
        "a step after the pivot fails again and again; it is retried without end",
        "mend the participant; nothing else is to be done",
        Anchor.FAILING_PARTICIPANT,
    ),
    "rejected": (
        "a step after the pivot answered a definite no, and the saga cannot go back",
        f"make the step possible, {_RETRY} (a new run), or do it by hand and `saga step waive`",
        Anchor.REJECTED,
    ),
    "fenced": (
        "a step was fenced though nobody compensated it",
        "find out who answered RESOLVE or wrote the row; after the pivot `saga step retry`",
        Anchor.FENCED,
    ),
    "unsupported": (
        "the participant has no handler for the command's record",
        f"deploy a participant that handles it, {_RETRY}",
        Anchor.UNSUPPORTED,
    ),
    "undo_failed": (
        "the compensation failed as often as its policy allows",
        f"mend the participant, {_RETRY}",
        Anchor.UNDO,
    ),
    "undo_rejected": (
        "the participant refuses to undo",
        f"mend the participant, {_RETRY}, or undo by hand and `saga step waive`",
        Anchor.UNDO,
    ),
    "conflict": (
        "two definite answers for one run contradict each other: one says that it was done, the other that it was not",
        "compare the participant's saga_barrier row (`saga doctor participant`), then `saga step waive --unsafe` with the evidence",
        Anchor.CONFLICT,
    ),
    "reply_from_the_future": (
        "a participant answers commands that this database never decided: it was restored from a backup and not recovered",
        "stop the coordinators and run `saga recover`",
        Anchor.FUTURE_REPLY,
    ),
    "engine_error": (
        "an event could not be applied: a bug, or rows that the database refuses",
        "the log line `saga_parked` of this saga has the trace: report it; other events are still applied",
        Anchor.ENGINE_ERROR,
    ),
}
_NO_COMMAND: Final = (
    "a mapping or a `when` gave no value, so the command cannot be made",
    "do the step's work by hand, then `saga step waive`; mend the definition's next version",
    Anchor.NO_COMMAND,
)
_OF_MAPPINGS: Final = frozenset(
    {
        "expression_failed",
        "expression_too_large",
        "field_missing",
        "wrong_type",
        "encoding_failed",
        "decoding_failed",
        "command_missing",
    }
)
_OTHER: Final = ("a person must look", "`saga show` has the way out", Anchor.ATTENTION)


def explained(reason: str) -> tuple[str, str, Anchor]:
    """Of a reason for attention: the cause, the way out, and its section."""
    return _REASONS.get(reason) or (_NO_COMMAND if reason in _OF_MAPPINGS else _OTHER)


def attention(s: Situation) -> list[Finding]:
    return [_attention(s, row) for row in s.attention if s.open] or ok("it asks for no person")


def _attention(s: Situation, row: AttentionRow) -> Finding:
    cause, way_out, anchor = explained(row.reason)
    note = f": {row.note}" if row.note else ""
    return found(
        f"attention {row.reason} for {about(max(0, s.now_us - row.since_us))}{note}",
        step=row.step or None,
        cause=cause,
        way_out=way_out,
        anchor=anchor,
    )


def start_time(s: Situation) -> list[Finding]:
    """Whether it has begun: one that waits for its start time does nothing, and that is right."""
    if s.saga is None or s.row.phase != Phase.SCHEDULED or s.saga.start_at_us is None:
        return ok("it waits for no start time")
    left_us = s.saga.start_at_us - s.now_us
    return [
        found(
            f"waits for its start time: in {about(left_us)}" if left_us > 0 else f"its start time came {about(-left_us)} ago",
            cause="its start was delayed: nothing of it is asked before"
            if left_us > 0
            else "a pause of it or its definition holds it, or no coordinator with the role timers runs",
            way_out="`saga start-time` moves it; `saga cancel` ends it with nothing to undo"
            if left_us > 0
            else "see the lines on pauses and timers here",
            anchor=Anchor.START_TIME,
        )
    ]


def end(s: Situation) -> list[Finding]:
    if s.open:
        return ok(f"it is {s.row.phase}")
    if s.row.phase == Phase.COMPLETED:
        return ok("it is COMPLETED: every step happened")
    why = s.saga.reason if s.saga is not None and s.saga.reason else "its journal has why"
    if s.row.phase == Phase.FORCED:
        waived = sorted(name for name, state in s.saga.steps.items() if state.status is Status.WAIVED) if s.saga else []
        return [
            found(
                f"it is FORCED: waived were {', '.join(waived)}" if waived else f"it is FORCED: {why}",
                cause="a person had it go on without steps that were not settled, or ended it",
                way_out="see the evidence that was given (`saga show`), and what these steps have left",
                anchor=Anchor.FORCED,
            )
        ]
    return [
        found(
            f"it is COMPENSATED: {why}",
            cause="it went back, and everything that happened was undone",
            way_out="mend what turned it back, and start it again under a new request id",
            anchor=Anchor.ENDED_BACK,
        )
    ]


def definition(s: Situation) -> list[Finding]:
    if s.definition_error is None:
        return ok("its definition is at hand")
    return [
        found(
            s.definition_error,
            cause="the definition was removed by hand, or a later release registered it",
            way_out="`saga def register` it again, or upgrade this instance",
            anchor=Anchor.NO_DEFINITION,
        )
    ]


def state(s: Situation) -> list[Finding]:
    if s.state_error is None:
        return ok("its state and journal can be read")
    return [
        found(
            s.state_error,
            cause="a later release wrote it, rows were edited by hand, or a part of the journal is lost",
            way_out="upgrade this instance; `saga doctor --saga=ID` says what is damaged",
            anchor=Anchor.UNREADABLE,
        )
    ]


def recovering(s: Situation) -> list[Finding]:
    if not s.open or s.saga is None:
        return ok("it does not recover") if not s.open else cannot_tell("its state cannot be read")
    if s.row.incarnation < s.incarnation:
        return [_recovering("the database was restored, and it has not asked its steps again yet", None)]
    if not s.saga.recovering:
        return ok("it does not recover")
    names = ", ".join(sorted(unanswered(s.definition, s.saga))) if s.definition is not None else "its participants"
    return [_recovering(f"the database was restored, and it waits for definite answers of {names}", names)]


def _recovering(evidence: str, names: str | None) -> Finding:
    return found(
        evidence,
        cause="after a restore a saga does nothing until every participant that it asked has answered",
        way_out=f"see that {names} run; they are asked again by themselves (`saga recover status`)"
        if names
        else "it asks within moments; `saga recover status` says how far all are",
        anchor=Anchor.RECOVERING,
    )


def paused(s: Situation) -> list[Finding]:
    pauses = {wait.mover: wait for wait in reversed(s.waits) if wait.name == PAUSED}
    return [
        found(
            f"it is paused for {about(max(0, s.now_us - wait.since_us))}" if wait.since_us is not None else "it is paused",
            step=wait.step,
            cause="somebody paused it, its definition or a participant: answers are applied, and nothing is sent",
            way_out=mover,
            anchor=Anchor.PAUSED,
        )
        for mover, wait in reversed(pauses.items())
    ] or ok("it is not paused")
