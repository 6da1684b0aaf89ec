"""The transition table: the truth about what a step does, and the documentation of it.

Theory of operation. `decide` turns whatever happened into (step, trigger) pairs. For the step's
status and the trigger the first row whose guard holds acts; where no row does, the event is stale
(row 26). Before any row stands the test for conflict (row 20), before that the tests for a final
saga (25) and for evidence of another run (S11). Rows about the whole saga (11 to 13b, 20 to 22, 24
to 30) stand in `decide.py`, `draft.py`, `recovery.py`, `pausing.py`, `delaying.py` and
`termination.py`; they are listed in `SAGA_ROWS` so that the generated docs hold them too.

This table and the participants' barrier table were explored exhaustively together: a row changes
only with that model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from saga_coordinator.engine import backward, forward, operator_actions
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
    TIME_OVER = "step time over and caught up"
    SILENT = "silence"
    DEPENDENTS_SETTLED = "dependents settled"
    RETRY = "operator: retry"
    WAIVE = "operator: waive"
    WAIVE_UNSAFE = "operator: waive --unsafe"


Guard = Callable[[Draft, Step, Reply | None], bool]
Action = Callable[[Draft, Step, Reply | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: in one of `states`, on `trigger`, if `guard`, do `act`.

    `becomes` are the states it may lead to; none: it stays.

    Going back places every other step too: rows 12, 13 and 13b below.
    """

    number: str
    states: frozenset[Status]
    trigger: Trigger
    becomes: frozenset[Status]
    act: Action
    guard: Guard | None = None
    condition: str = ""
    """The guard in words."""


def _opened(draft: Draft, step: Step, _: Reply | None) -> bool:
    return is_open(draft.step(step.name))


def _not_known(draft: Draft, step: Step, _: Reply | None) -> bool:
    return not draft.step(step.name).known


def _waiving(draft: Draft, step: Step, _: Reply | None) -> bool:
    return draft.step(step.name).waiving


def _from_resolving(draft: Draft, step: Step, _: Reply | None) -> bool:
    state = draft.step(step.name)
    return state.status is Status.RESOLVING or state.stuck_from is StuckFrom.RESOLVING


def _without_undo(draft: Draft, step: Step, reply: Reply | None) -> bool:
    return _from_resolving(draft, step, reply) and step.compensation is None and step.kind is StepKind.COMPENSATABLE


def _may_waive(draft: Draft, step: Step, _: Reply | None) -> bool:
    return step.kind is not StepKind.PIVOT and draft.phase in (Phase.COMMITTED, Phase.COMPENSATING)


def _rows(
    number: str,
    states: set[Status],
    triggers: set[Trigger],
    becomes: set[Status],
    act: Action,
    guard: Guard | None = None,
    condition: str = "",
) -> list[Row]:
    return [
        Row(
            number=number,
            states=frozenset(states),
            trigger=trigger,
            becomes=frozenset(becomes),
            act=act,
            guard=guard,
            condition=condition,
        )
        for trigger in sorted(triggers)
    ]


S, T = Status, Trigger
SAME: set[Status] = set()
"""The step stays in its state."""
_OPEN = {S.READY, S.ASKED, S.ACCEPTED, S.BACKOFF}
_ASKED = {S.ASKED, S.ACCEPTED}
_BACK_ASKED = {S.UNDO_ASKED, S.RESOLVING}
_STUCK = {S.STUCK_FORWARD, S.STUCK_BACK}
_UNDOING = {S.UNDO_ASKED, S.UNDO_BACKOFF}
_MAY_WAIVE = "never a pivot; COMMITTED or COMPENSATING"
_RESOLVING = "stuck_back from resolving"

ROWS: tuple[Row, ...] = (
    *_rows("1", {S.IDLE}, {T.DEPENDENCIES_MET}, {S.READY, S.NO_EFFECT}, forward.dependencies_met),
    *_rows("2", {S.READY}, {T.ADMITTED}, {S.ASKED}, forward.admitted),
    *_rows("3", _OPEN, {T.SUCCEEDED}, {S.DONE}, forward.succeeded, _opened, "open"),
    *_rows("3", {S.STUCK_FORWARD}, {T.SUCCEEDED}, {S.DONE}, forward.succeeded),
    *_rows("4", _OPEN, {T.REJECTED}, {S.NO_EFFECT, S.STUCK_FORWARD}, forward.rejected, _opened, "open"),
    *_rows("5", _ASKED, {T.FAILED}, {S.BACKOFF, S.RESOLVING}, forward.failed),
    *_rows("5b", _OPEN, {T.UNSUPPORTED}, {S.RESOLVING, S.STUCK_FORWARD, S.STUCK_BACK}, forward.unsupported, _opened, "open"),
    *_rows("5b", _BACK_ASKED, {T.UNSUPPORTED}, {S.STUCK_BACK}, backward.unsupported),
    *_rows("6", _OPEN, {T.IN_PROGRESS}, {S.ACCEPTED}, forward.in_progress, _opened, "open"),
    *_rows("7", _OPEN, {T.FENCED}, {S.UNDONE, S.STUCK_FORWARD}, forward.fenced, _opened, "open"),
    *_rows("8", _ASKED, {T.EXPIRED}, SAME, forward.expired),
    *_rows("8", _ASKED, {T.DUE}, SAME, forward.ask_again),
    *_rows("8b", _BACK_ASKED, {T.EXPIRED}, SAME, backward.expired),
    *_rows("8b", _BACK_ASKED, {T.IN_PROGRESS}, SAME, backward.in_progress),
    *_rows("8c", {S.ACCEPTED}, {T.HEARTBEAT_OVER}, {S.ASKED}, forward.heartbeat_over),
    *_rows("8c", _BACK_ASKED, {T.HEARTBEAT_OVER}, SAME, backward.heartbeat_over),
    *_rows("9", _OPEN, {T.TIME_OVER}, {S.RESOLVING}, forward.time_over, _opened, "open"),
    *_rows("10", {S.BACKOFF}, {T.DUE}, {S.READY}, forward.backoff_due),
    *_rows("14", {S.UNDO_DUE}, {T.DEPENDENTS_SETTLED}, {S.UNDO_ASKED}, backward.dependents_settled),
    *_rows("15", {*_UNDOING, S.STUCK_BACK}, {T.UNDONE, T.NOTHING_TO_UNDO}, {S.UNDONE}, backward.undone),
    *_rows("15", {S.RESOLVING}, {T.UNDONE, T.NOTHING_TO_UNDO}, {S.UNDONE}, backward.undone, _waiving, "a waive waits"),
    *_rows("15b", {*_UNDOING, S.STUCK_BACK}, {T.NEWER_RUN}, {S.UNDO_ASKED, S.UNDO_DUE}, backward.newer_run),
    *_rows("16", {S.UNDO_ASKED}, {T.UNDO_FAILED}, {S.UNDO_BACKOFF, S.STUCK_BACK}, backward.undo_failed),
    *_rows("16", {S.UNDO_ASKED}, {T.UNDO_REJECTED}, {S.STUCK_BACK}, backward.undo_rejected),
    *_rows("16b", {S.UNDO_BACKOFF}, {T.DUE}, {S.UNDO_ASKED}, backward.ask_again),
    *_rows("17", _BACK_ASKED, {T.DUE}, SAME, backward.ask_again),
    *_rows("17", _ASKED | _BACK_ASKED, {T.SILENT}, SAME, backward.silent),
    *_rows("23", {S.RESOLVING}, {T.SUCCEEDED}, {S.DONE, S.WAIVED}, backward.it_was_done, _waiving, "a waive waits"),
    *_rows("23", {S.RESOLVING}, {T.FENCED, T.REJECTED}, {S.WAIVED}, backward.it_was_not_done, _waiving, "a waive waits"),
    *_rows("13b", {S.RESOLVING, S.STUCK_BACK}, {T.SUCCEEDED}, {S.KEPT}, backward.it_was_done, _without_undo, "compensation none"),
    *_rows(
        "18", {S.RESOLVING, S.STUCK_BACK}, {T.SUCCEEDED}, {S.DONE, S.UNDO_DUE}, backward.it_was_done, _from_resolving, _RESOLVING
    ),
    *_rows("18", {*_UNDOING, S.UNDO_DUE}, {T.SUCCEEDED}, SAME, backward.note_reply, _not_known, "the reply was not known"),
    *_rows(
        "19",
        {S.RESOLVING, S.STUCK_BACK},
        {T.FENCED, T.REJECTED},
        {S.UNDONE, S.NO_EFFECT},
        backward.it_was_not_done,
        _from_resolving,
        _RESOLVING,
    ),
    *_rows("23", {S.STUCK_FORWARD}, {T.RETRY}, {S.READY}, operator_actions.retry),
    *_rows("23", {S.STUCK_BACK}, {T.RETRY}, {S.UNDO_ASKED, S.RESOLVING, S.UNDO_DUE}, operator_actions.retry),
    *_rows("23", {S.ASKED, *_BACK_ASKED}, {T.RETRY}, SAME, operator_actions.retry),
    *_rows("23", {S.UNDO_BACKOFF}, {T.RETRY}, {S.UNDO_ASKED}, operator_actions.retry),
    *_rows(
        "23", {S.ASKED, *_STUCK, *_UNDOING, S.RESOLVING}, {T.WAIVE}, {S.RESOLVING}, operator_actions.waive, _may_waive, _MAY_WAIVE
    ),
    *_rows(
        "23",
        {S.ASKED, *_STUCK, *_UNDOING, S.RESOLVING, S.CONFLICT},
        {T.WAIVE_UNSAFE},
        {S.WAIVED},
        operator_actions.waive_unsafe,
        _may_waive,
        _MAY_WAIVE,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaRow:
    """A row that concerns the saga as a whole; `arrows` says which steps it moves where."""

    number: str
    text: str
    arrows: tuple[tuple[frozenset[Status], frozenset[Status]], ...] = ()


def _saga_row(number: str, text: str, *arrows: tuple[set[Status], set[Status]]) -> SagaRow:
    return SagaRow(number=number, text=text, arrows=tuple((frozenset(a), frozenset(b)) for a, b in arrows))


SAGA_ROWS: tuple[SagaRow, ...] = (
    _saga_row(
        "9b",
        "an expression, mapping or encoding gives no value: RUNNING and never asked: no_effect, COMPENSATING; COMMITTED: stuck_forward; "
        "going back: stuck_back. A recovered saga that is RUNNING: its pivot: SETTLING, resolving; a retriable step: COMMITTED, "
        "stuck_forward",
        ({S.IDLE, S.READY}, {S.NO_EFFECT, S.STUCK_FORWARD, S.RESOLVING}),
        ({S.UNDO_DUE}, {S.STUCK_BACK}),
    ),
    _saga_row(
        "11",
        "RUNNING, cancel or saga deadline and caught up: COMPENSATING; when the pivot is open (or, in a recovered saga, for all we know): "
        "SETTLING, the pivot resolving. SCHEDULED, cancel: the same",
        (_OPEN | {S.IDLE}, {S.RESOLVING}),
    ),
    _saga_row(
        "12",
        "entering COMPENSATING, idle or ready and never asked: no_effect (a recovered saga: resolving)",
        ({S.IDLE, S.READY}, {S.NO_EFFECT, S.RESOLVING}),
    ),
    _saga_row(
        "13",
        "entering COMPENSATING, done or open: undo_due; resolving first when the compensation reads a reply that is not known",
        (_OPEN | {S.DONE}, {S.UNDO_DUE}),
        (_OPEN, {S.RESOLVING}),
    ),
    _saga_row(
        "13b",
        "the same with compensation none: done becomes kept, open becomes resolving",
        ({S.DONE}, {S.KEPT}),
        (_OPEN, {S.RESOLVING}),
    ),
    _saga_row("20", "any, before every other row: contradicting definite evidence: conflict, alarm"),
    _saga_row("21", "COMPENSATING, all settled: COMPENSATED, or FORCED if any was waived"),
    _saga_row(
        "21b",
        "COMMITTED, or RUNNING with the pivot absent or skipped, all done, no_effect or waived: COMPLETED, or FORCED if any was waived",
    ),
    _saga_row(
        "22",
        "recovered under a new incarnation: every dispatched step is asked again; nothing moves until all have answered. One that is "
        "SCHEDULED still waits for its start time, though it may have begun before",
    ),
    _saga_row(
        "24",
        "paused (the saga or its definition; or the step's participant): replies are applied; commands, due work, limits, the "
        "deadline and the beginning of one that is SCHEDULED are held; afterwards they move by the pause, and silence is counted anew",
    ),
    _saga_row("25", "final: nothing changes"),
    _saga_row("26", "every other pair: stale, counted"),
    _saga_row(
        "27", "not final, terminate: FORCED as it is; nobody is asked any more, and the effects that stay or may stay are listed"
    ),
    _saga_row(
        "28", "not settled, an operator changes a step's limits: they hold for this saga, and what is due later is due by them"
    ),
    _saga_row(
        "29",
        "SCHEDULED, its start time has come and it is not paused: RUNNING; its deadline counts from then, and its steps begin",
    ),
    _saga_row("30", "SCHEDULED, an operator moves its start time: it begins then, and at once where that has passed"),
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
