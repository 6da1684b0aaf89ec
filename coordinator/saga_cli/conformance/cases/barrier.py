"""The cells of the barrier's table: each row of run 2 meets commands of an older, the same and a
newer run.

Each case makes the row, sends the command, and then shows by further commands that the row is what
the table makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from saga_cli.conformance.case import Case
from saga_cli.conformance.findings import Deviation, Need
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import Ask, act, resolve, undo
from saga_cli.conformance.saga import TestedSaga, expect
from saga_cli.conformance.stage import Stage
from saga_schemas.outcomes import Kind
from saga_schemas.record_class import record

SECTION: Final = "the-barrier"
ROW_RUN: Final = 2
AGES: Final = ("older", "same", "newer")
_ROWS: Final = {
    "DONE": ("B7", "B6", "B6"),
    "REJECTED": ("B8", "B9", "B10"),
    "FENCED": ("B11", "B11", "B12"),
    "UNDONE": ("B11", "B11", "B12"),
}
"""Of each state and age: the row of the page's table."""


@record
class Cell:
    """What becomes of one command."""

    outcome: str
    state: str
    """Of the row afterwards."""
    run: int
    row_run: int | None = None
    """`ce_sagarowrun`."""
    remembered: bool = False
    """The value is the one that made the row."""


def _cell(text: str) -> Cell:
    """`OUTCOME STATE RUN`, then `+row` with ce_sagarowrun, `=` with the remembered value."""
    outcome, state, run, *marks = text.split()
    return Cell(outcome=outcome, state=state, run=int(run), row_run=ROW_RUN if "+row" in marks else None, remembered="=" in marks)


# Of each state and kind: what the table says of run 1, of run 2 and of run 3.
_TABLE: Final = {
    ("DONE", Kind.ACTION): ("SUCCEEDED DONE 2 = +row", "SUCCEEDED DONE 2 =", "SUCCEEDED DONE 3 ="),
    ("DONE", Kind.COMPENSATION): ("SUCCEEDED DONE 2 +row", "UNDONE UNDONE 2", "UNDONE UNDONE 3"),
    ("DONE", Kind.RESOLVE): ("SUCCEEDED DONE 2 = +row", "SUCCEEDED DONE 2 =", "SUCCEEDED DONE 3 ="),
    ("REJECTED", Kind.ACTION): ("REJECTED REJECTED 2 =", "REJECTED REJECTED 2 =", "SUCCEEDED DONE 3"),
    ("REJECTED", Kind.COMPENSATION): ("NOTHING_TO_UNDO REJECTED 2", "NOTHING_TO_UNDO FENCED 2", "NOTHING_TO_UNDO FENCED 3"),
    ("REJECTED", Kind.RESOLVE): ("REJECTED REJECTED 2 =", "REJECTED REJECTED 2 =", "FENCED FENCED 3"),
    ("FENCED", Kind.ACTION): ("FENCED FENCED 2", "FENCED FENCED 2", "SUCCEEDED DONE 3"),
    ("FENCED", Kind.COMPENSATION): ("NOTHING_TO_UNDO FENCED 2", "NOTHING_TO_UNDO FENCED 2", "NOTHING_TO_UNDO FENCED 3"),
    ("FENCED", Kind.RESOLVE): ("FENCED FENCED 2", "FENCED FENCED 2", "FENCED FENCED 3"),
    ("UNDONE", Kind.ACTION): ("FENCED UNDONE 2", "FENCED UNDONE 2", "SUCCEEDED DONE 3"),
    ("UNDONE", Kind.COMPENSATION): ("UNDONE UNDONE 2 =", "UNDONE UNDONE 2 =", "UNDONE UNDONE 3 ="),
    ("UNDONE", Kind.RESOLVE): ("FENCED UNDONE 2", "FENCED UNDONE 2", "FENCED UNDONE 3"),
}

_MAKES: Final[dict[str, Sequence[tuple[Ask, str]]]] = {
    "DONE": [(act(ROW_RUN), "SUCCEEDED")],
    "REJECTED": [(act(ROW_RUN, Part.REJECT), "REJECTED")],
    "FENCED": [(resolve(ROW_RUN), "FENCED")],
    "UNDONE": [(act(ROW_RUN), "SUCCEEDED"), (undo(ROW_RUN), "UNDONE")],
}
_ASKS: Final = {Kind.ACTION: act, Kind.COMPENSATION: undo, Kind.RESOLVE: resolve}
_NEEDS_OF_STATE: Final = {"REJECTED": {Need.REJECT}, "UNDONE": {Need.COMPENSATION}}


async def make_row(saga: TestedSaga, state: str) -> bytes:
    """Bring the row into a state, of run 2; the value of the last answer.

    Raises:
        Deviation: It does not get there.
    """
    value = b""
    for ask, outcome in _MAKES[state]:
        reply = await saga.ask(ask)
        if reply.outcome != outcome:
            raise Deviation(f"no row {state} to begin with: the {ask} was answered {reply}; {outcome} was expected")
        value = reply.value
    return value


async def show_row(saga: TestedSaga, state: str, run: int) -> int:
    """Show by further commands that the row is in this state and of this run.

    Returns:
        How many actions were run for it.

    Raises:
        Deviation: It is not.
    """
    ran = 0
    for ask, outcome, row_run in _proofs(state, run, undoable=Part.COMPENSATION in saga.bench.given.bodies):
        reply = await saga.ask(ask)
        told = f"the row should be {state} of run {run} now"
        try:
            expect(saga, reply, outcome, row_run=row_run)
        except Deviation as deviation:
            raise Deviation(f"{told}, but {deviation.seen}", deviation.says) from None
        ran += state in ("FENCED", "UNDONE", "absent") and outcome == "SUCCEEDED"
    return ran


def _proofs(state: str, run: int, *, undoable: bool) -> Iterator[tuple[Ask, str, int | None]]:
    match state:
        case "DONE":
            yield resolve(run - 1), "SUCCEEDED", run
            yield act(run), "SUCCEEDED", None
        case "REJECTED":
            yield resolve(run), "REJECTED", None
            yield resolve(run + 1), "FENCED", None
        case "FENCED" | "UNDONE":
            if undoable:
                yield undo(run - 1), "NOTHING_TO_UNDO" if state == "FENCED" else "UNDONE", None
            yield act(run), "FENCED", None
            yield act(run + 1), "SUCCEEDED", None
        case "absent":
            yield act(run), "SUCCEEDED", None


def _cell_case(state: str, kind: Kind, age: int, cell: Cell) -> Case:
    run = age + 1

    async def play(stage: Stage) -> None:
        saga = stage.saga()
        value = await make_row(saga, state)
        reply = await saga.ask(_ASKS[kind](run))
        expect(saga, reply, cell.outcome, row_run=cell.row_run, value=value if cell.remembered else None)
        ran = (state in ("DONE", "UNDONE")) + (cell.state == "DONE" and state != "DONE")
        ran += await show_row(saga, cell.state, cell.run)
        await saga.check_effects(ran, int(state == "UNDONE" or cell.outcome == "UNDONE"))

    row_run = f" with ce_sagarowrun {cell.row_run}" if cell.row_run else ""
    remembered = " and the stored value" if cell.remembered else ""
    needs = _NEEDS_OF_STATE.get(state, set()) | ({Need.COMPENSATION} if kind is Kind.COMPENSATION else set())
    return Case(
        name=f"barrier.{state.lower()}.{kind.value}.{AGES[age]}",
        title=f"a row {state} of run {ROW_RUN} meets the {kind.value} of run {run}",
        says=f"{_ROWS[state][age]}, a row {state} of run {ROW_RUN}, {kind.value} of run {run}: {cell.outcome}{row_run}{remembered}; "
        f"afterwards the row is {cell.state} of run {cell.run}.",
        section=SECTION,
        needs=frozenset(needs),
        play=play,
    )


def cell_cases() -> Iterator[Case]:
    """One case for each cell."""
    for (state, kind), texts in _TABLE.items():
        for age, text in enumerate(texts):
            yield _cell_case(state, kind, age, _cell(text))
