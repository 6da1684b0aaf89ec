"""The transition table: the truth about what a step does, and the documentation of it.

Theory of operation. `decide` turns whatever happened into (step, trigger) pairs. For the step's status and the trigger the first row
whose guard holds acts; where no row does, the event is stale (row 26). Before any row stands the test for conflict (row 20), before
that the tests for a final saga (25) and for evidence of another run (S11). Rows about the whole saga (11 to 13b, 20 to 22, 24 to 26)
stand in `decide.py`, `draft.py` and `recovery.py`; they are listed in `SAGA_ROWS` so that the generated docs hold them too.

This table and the participants' barrier table were explored exhaustively together: a row changes only with that model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from saga_coordinator.engine import backward, forward, operator
from saga_coordinator.engine.definition import Step, StepKind
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Reply
from saga_coordinator.engine.state import Phase, Status, StuckFrom, is_open


class Trigger(StrEnum):
    """What can happen to one step."""

    DEPENDENCIES_MET = "dependencies met"
    ADMITTED = "admitted"
    SUCCEEDED = "SUCCEEDED"
    REJECTED = "REJECTED"
    FENCED = "FENCED"
    FAILED = "FAILED"
    IN_PROGRESS = "IN_PROGRESS"
    EXPIRED = "EXPIRED"
    UNSUPPORTED = "UNSUPPORTED"
    UNDONE = "UNDONE"
    NOTHING_TO_UNDO = "NOTHING_TO_UNDO"
    UNDO_FAILED = "undo FAILED"
    UNDO_REJECTED = "undo REJECTED"
    NEWER_RUN = "SUCCEEDED with a higher row run"
    DUE = "due"
    HEARTBEAT_OVER = "heartbeat over"
    TIME_OVER = "step time over and drained"
    SILENT = "silence"
    DEPENDENTS_SETTLED = "dependents settled"
    RETRY = "operator: retry"
    WAIVE = "operator: waive"
    WAIVE_UNSAFE = "operator: waive --unsafe"


Guard = Callable[[Draft, Step, Reply | None], bool]
Action = Callable[[Draft, Step, Reply | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: in one of `states`, on `trigger`, if `guard`, do `act`; `becomes` lists the states it may lead to."""

    number: str
    states: frozenset[Status]
    trigger: Trigger
    becomes: tuple[Status, ...]
    act: Action
    guard: Guard | None = None
    condition: str = ""
    """The guard in words."""


def _opened(draft: Draft, step: Step, _: Reply | None) -> bool:
    return is_open(draft.step(step.name))


def _opened_and_news(draft: Draft, step: Step, reply: Reply | None) -> bool:
    return _opened(draft, step, reply) and _news(draft, step, reply)


def _news(draft: Draft, step: Step, reply: Reply | None) -> bool:
    """IN_PROGRESS without a sequence, or with a new one."""
    assert reply is not None
    return reply.sequence is None or reply.sequence > draft.step(step.name).progress


def _first_time(draft: Draft, step: Step, _: Reply | None) -> bool:
    return draft.step(step.name).reasks == 0


def _not_known(draft: Draft, step: Step, _: Reply | None) -> bool:
    return not draft.step(step.name).known


def _or_waiving(draft: Draft, step: Step, _: Reply | None) -> bool:
    state = draft.step(step.name)
    return state.status is not Status.RESOLVING or state.waiving


def _from_resolving(draft: Draft, step: Step, _: Reply | None) -> bool:
    state = draft.step(step.name)
    return state.status is Status.RESOLVING or state.stuck_from is StuckFrom.RESOLVING


def _may_waive(draft: Draft, step: Step, _: Reply | None) -> bool:
    return step.kind is not StepKind.PIVOT and draft.phase in (Phase.COMMITTED, Phase.COMPENSATING)


def _rows(
    number: str,
    states: set[Status],
    triggers: set[Trigger],
    becomes: tuple[Status, ...],
    act: Action,
    *,
    guard: Guard | None = None,
    condition: str = "",
) -> list[Row]:
    return [
        Row(number=number, states=frozenset(states), trigger=trigger, becomes=becomes, act=act, guard=guard, condition=condition)
        for trigger in sorted(triggers)
    ]


S, T = Status, Trigger
_OPEN = {S.READY, S.ASKED, S.ACCEPTED, S.BACKOFF}
_STUCK = {S.STUCK_FORWARD, S.STUCK_BACK}

ROWS: tuple[Row, ...] = (
    *_rows("1", {S.IDLE}, {T.DEPENDENCIES_MET}, (S.READY, S.NO_EFFECT, S.STUCK_FORWARD), forward.dependencies_met),
    *_rows("2", {S.READY}, {T.ADMITTED}, (S.ASKED, S.READY, S.NO_EFFECT, S.STUCK_FORWARD), forward.admitted),
    *_rows("3", _OPEN, {T.SUCCEEDED}, (S.DONE,), forward.succeeded, guard=_opened, condition="open"),
    *_rows("3", {S.STUCK_FORWARD}, {T.SUCCEEDED}, (S.DONE,), forward.succeeded),
    *_rows("4", _OPEN, {T.REJECTED}, (S.NO_EFFECT, S.STUCK_FORWARD), forward.rejected, guard=_opened, condition="open"),
    *_rows("5", {S.ASKED, S.ACCEPTED}, {T.FAILED}, (S.BACKOFF, S.UNDO_DUE, S.RESOLVING), forward.failed),
    *_rows(
        "5b",
        _OPEN,
        {T.UNSUPPORTED},
        (S.UNDO_DUE, S.RESOLVING, S.STUCK_FORWARD),
        forward.unsupported,
        guard=_opened,
        condition="open",
    ),
    *_rows("5b", {S.UNDO_ASKED, S.RESOLVING}, {T.UNSUPPORTED}, (S.STUCK_BACK,), backward.unsupported),
    *_rows(
        "6",
        _OPEN,
        {T.IN_PROGRESS},
        (S.ACCEPTED,),
        forward.in_progress,
        guard=_opened_and_news,
        condition="open, new sequence",
    ),
    *_rows("7", _OPEN, {T.FENCED}, (S.UNDONE, S.STUCK_FORWARD), forward.fenced, guard=_opened, condition="open"),
    *_rows(
        "8",
        {S.ASKED, S.ACCEPTED},
        {T.EXPIRED},
        (S.ASKED, S.ACCEPTED),
        forward.ask_again,
        guard=_first_time,
        condition="first time",
    ),
    *_rows("8", {S.ASKED, S.ACCEPTED}, {T.DUE}, (S.ASKED, S.ACCEPTED), forward.ask_again),
    *_rows(
        "8b",
        {S.UNDO_ASKED, S.RESOLVING},
        {T.EXPIRED},
        (S.UNDO_ASKED, S.RESOLVING, S.STUCK_BACK),
        backward.ask_again,
        guard=_first_time,
        condition="first time",
    ),
    *_rows(
        "8b",
        {S.UNDO_ASKED, S.RESOLVING},
        {T.IN_PROGRESS},
        (S.UNDO_ASKED, S.RESOLVING),
        backward.in_progress,
        guard=_news,
        condition="new sequence",
    ),
    *_rows("8c", {S.ACCEPTED}, {T.HEARTBEAT_OVER}, (S.ASKED,), forward.heartbeat_over),
    *_rows("9", _OPEN, {T.TIME_OVER}, (S.UNDO_DUE, S.RESOLVING, S.ASKED), forward.time_over, guard=_opened, condition="open"),
    *_rows("10", {S.BACKOFF}, {T.DUE}, (S.READY,), forward.backoff_due),
    *_rows("14", {S.UNDO_DUE}, {T.DEPENDENTS_SETTLED}, (S.UNDO_ASKED, S.STUCK_BACK), backward.dependents_settled),
    *_rows(
        "15",
        {S.UNDO_ASKED, S.UNDO_BACKOFF, S.STUCK_BACK, S.RESOLVING},
        {T.UNDONE, T.NOTHING_TO_UNDO},
        (S.UNDONE,),
        backward.undone,
        guard=_or_waiving,
        condition="resolving only while a waive waits",
    ),
    *_rows("15b", {S.UNDO_ASKED, S.UNDO_BACKOFF, S.STUCK_BACK}, {T.NEWER_RUN}, (S.UNDO_ASKED,), backward.newer_run),
    *_rows("16", {S.UNDO_ASKED}, {T.UNDO_FAILED}, (S.UNDO_BACKOFF, S.STUCK_BACK), backward.undo_failed),
    *_rows("16", {S.UNDO_ASKED}, {T.UNDO_REJECTED}, (S.STUCK_BACK,), backward.undo_rejected),
    *_rows("16b", {S.UNDO_BACKOFF}, {T.DUE}, (S.UNDO_ASKED, S.STUCK_BACK), backward.ask_again),
    *_rows("17", {S.UNDO_ASKED, S.RESOLVING}, {T.DUE}, (S.UNDO_ASKED, S.RESOLVING, S.STUCK_BACK), backward.ask_again),
    *_rows(
        "17",
        {S.ASKED, S.ACCEPTED, S.UNDO_ASKED, S.RESOLVING},
        {T.SILENT},
        (S.ASKED, S.ACCEPTED, S.UNDO_ASKED, S.RESOLVING),
        backward.silent,
    ),
    *_rows(
        "18",
        {S.RESOLVING, S.STUCK_BACK},
        {T.SUCCEEDED},
        (S.DONE, S.UNDO_DUE, S.KEPT, S.WAIVED),
        backward.it_was_done,
        guard=_from_resolving,
        condition="stuck_back from resolving",
    ),
    *_rows(
        "18",
        {S.UNDO_DUE, S.UNDO_ASKED, S.UNDO_BACKOFF},
        {T.SUCCEEDED},
        (S.UNDO_DUE, S.UNDO_ASKED, S.UNDO_BACKOFF),
        backward.note_reply,
        guard=_not_known,
        condition="the reply was not known",
    ),
    *_rows(
        "19",
        {S.RESOLVING, S.STUCK_BACK},
        {T.FENCED, T.REJECTED},
        (S.UNDONE, S.NO_EFFECT, S.WAIVED),
        backward.it_was_not_done,
        guard=_from_resolving,
        condition="stuck_back from resolving",
    ),
    *_rows(
        "23",
        _STUCK | {S.ASKED, S.UNDO_ASKED, S.UNDO_BACKOFF, S.RESOLVING},
        {T.RETRY},
        (S.ASKED, S.READY, S.UNDO_ASKED, S.RESOLVING, S.UNDO_DUE),
        operator.retry,
    ),
    *_rows(
        "23",
        _STUCK | {S.ASKED, S.UNDO_ASKED, S.UNDO_BACKOFF, S.RESOLVING},
        {T.WAIVE},
        (S.RESOLVING,),
        operator.waive,
        guard=_may_waive,
        condition="never a pivot; COMMITTED or COMPENSATING",
    ),
    *_rows(
        "23",
        _STUCK | {S.ASKED, S.UNDO_ASKED, S.UNDO_BACKOFF, S.RESOLVING, S.CONFLICT},
        {T.WAIVE_UNSAFE},
        (S.WAIVED,),
        operator.waive_unsafe,
        guard=_may_waive,
        condition="never a pivot; COMMITTED or COMPENSATING",
    ),
)

SAGA_ROWS: tuple[tuple[str, str], ...] = (
    (
        "9b",
        "an expression, mapping or encoding gives no value: RUNNING and never asked: no_effect, COMPENSATING; COMMITTED: stuck_forward; "
        "going back: stuck_back",
    ),
    ("11", "RUNNING, cancel or saga deadline and drained: COMPENSATING; when the pivot is open: SETTLING, the pivot is resolved"),
    ("12", "entering COMPENSATING, idle or ready and never asked: no_effect (recovered saga: resolving)"),
    (
        "13",
        "entering COMPENSATING, done or open: undo_due; resolving first when the compensation reads a reply that is not known",
    ),
    ("13b", "the same with compensation none: done becomes kept, open becomes resolving"),
    ("20", "any, before every other row: contradicting definite evidence: conflict, alarm"),
    ("21", "COMPENSATING, all settled: COMPENSATED, or FORCED if any was waived"),
    (
        "21b",
        "COMMITTED, or RUNNING with the pivot absent or skipped, all done, no_effect or waived: COMPLETED, or FORCED if any was waived",
    ),
    ("22", "recovered under a new incarnation: every dispatched step is asked again; nothing moves until all have answered"),
    ("24", "paused: replies are applied, due work is held"),
    ("25", "final: nothing changes"),
    ("26", "every other pair: stale, counted"),
)

_LOOKUP: dict[tuple[Status, Trigger], tuple[Row, ...]] = {}
for _row in ROWS:
    for _status in _row.states:
        _LOOKUP[_status, _row.trigger] = (*_LOOKUP.get((_status, _row.trigger), ()), _row)


def row_for(draft: Draft, step: Step, trigger: Trigger, reply: Reply | None = None) -> Row | None:
    """The row that acts, or None: stale."""
    for row in _LOOKUP.get((draft.step(step.name).status, trigger), ()):
        if row.guard is None or row.guard(draft, step, reply):
            return row
    return None


def fire(draft: Draft, step: Step, trigger: Trigger, reply: Reply | None = None) -> bool:
    """Let the row act. False: there is none."""
    row = row_for(draft, step, trigger, reply)
    if row is None:
        return False
    row.act(draft, step, reply)
    return True
