"""The barrier's table, cell by cell as data, and every combination of small numbers against it and
against the model's own reading."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from saga_participant.barrier.table import (
    CommandFacts,
    Ending,
    Memory,
    Row,
    Task,
    acted,
    decide,
    ended,
    handled_before,
    may_answer,
    row_run_of,
    undid,
)
from saga_schemas.outcomes import Kind, Outcome, RowState
from support.till.cells import ACCEPTED, DONE, FENCED, REJECTED, TABLE, UNDONE, A, C, Cell, Z, name_of

TASKS = {Task.ACT: "run it", Task.UNDO: "undo it", Task.RESUME: "resume it"}


def said(verdict_task: Task, outcome: Outcome | None) -> str:
    return outcome.value if outcome is not None else TASKS[verdict_task]


def relation(row: Row | None, command: CommandFacts) -> str:
    if row is None:
        return "expired" if command.expired else "fresh"
    return "<" if command.run < row.run else "=" if command.run == row.run else ">"


def cell_for(row: Row | None, command: CommandFacts) -> Cell:
    found = [
        cell
        for cell in TABLE
        if cell.row is (row.state if row else None) and cell.when == relation(row, command) and cell.kind is command.kind
    ]
    assert len(found) == 1, "every combination is one cell"
    return found[0]


@pytest.mark.parametrize("cell", TABLE, ids=name_of)
def test_cell(cell: Cell) -> None:
    row = None if cell.row is None else Row(state=cell.row, run=5, incarnation=2)
    run = {"<": 4, "=": 5, ">": 6}.get(cell.when, 5)
    verdict = decide(row, CommandFacts(kind=cell.kind, run=run, incarnation=2, expired=cell.when == "expired"))
    assert said(verdict.task, verdict.outcome) == cell.says
    if cell.becomes is None:
        assert verdict.row is None
    else:
        assert verdict.row is not None
        assert (verdict.row.state, verdict.row.run) == (cell.becomes, run if cell.run == "command" else 5)


def every_row() -> list[Row | None]:
    rows: list[Row | None] = [None]
    for state, run, incarnation in product(RowState, (1, 2, 3), (1, 2)):
        if state is not ACCEPTED:
            rows.append(Row(state=state, run=run, incarnation=incarnation))
            continue
        for wish, over in product((None, run, run + 1), (False, True)):
            rows.append(Row(state=state, run=run, incarnation=incarnation, wish=wish, lease_over=over))
    return rows


def every_command() -> list[CommandFacts]:
    return [
        CommandFacts(kind=kind, run=run, incarnation=incarnation, expired=expired, fenceable=fenceable)
        for kind, run, incarnation, expired, fenceable in product(Kind, (1, 2, 3), (1, 2), (False, True), (False, True))
    ]


EVERY = [(row, command) for row in every_row() for command in every_command()]


def test_every_combination_is_what_its_cell_says() -> None:
    for row, command in EVERY:
        verdict = decide(row, command)
        if row is not None and command.incarnation < row.incarnation:
            assert (verdict.task, verdict.row, verdict.outcome) == (Task.REFUSE, row, None)
            continue
        cell = cell_for(row, command)
        if row is not None and row.state is ACCEPTED and command.run >= row.run:
            if command.kind is Z and command.fenceable:
                assert said(verdict.task, verdict.outcome) == "FENCED"
                assert verdict.row == Row(state=FENCED, run=command.run, incarnation=command.incarnation)
                continue
            expected = "resume it" if row.lease_over else cell.says
        else:
            expected = cell.says
        assert said(verdict.task, verdict.outcome) == expected, (row, command)
        if cell.becomes is not None:
            assert verdict.row is not None
            assert (verdict.row.state, verdict.row.run) == (
                cell.becomes,
                command.run if cell.run == "command" or row is None else row.run,
            ), (row, command)


def test_a_row_never_falls_back_in_run_or_incarnation() -> None:
    for row, command in EVERY:
        after = decide(row, command).row
        if row is not None:
            assert after is not None
            assert after.run >= row.run
            assert after.incarnation >= row.incarnation


def test_a_wish_to_undo_is_noted_only_while_accepted_and_never_for_an_older_run() -> None:
    for row, command in EVERY:
        after = decide(row, command).row
        if after is None or after.wish is None:
            continue
        assert after.state is ACCEPTED
        assert row is not None
        assert after.wish == (max(command.run, row.wish or 0) if is_wish(row, command) else row.wish)


def is_wish(row: Row, command: CommandFacts) -> bool:
    return command.kind is C and command.run >= row.run and command.incarnation >= row.incarnation


def test_a_stored_reply_goes_only_with_what_it_answers() -> None:
    for row, command in EVERY:
        verdict = decide(row, command)
        if verdict.memory is Memory.ACTION:
            assert verdict.outcome in (Outcome.SUCCEEDED, Outcome.REJECTED)
        if verdict.memory is Memory.UNDO:
            assert verdict.outcome is Outcome.UNDONE
        assert (verdict.memory is Memory.PROGRESS) == (verdict.outcome is Outcome.IN_PROGRESS)


def test_the_rows_run_is_told_only_with_a_success_of_a_newer_run() -> None:
    for row, command in EVERY:
        verdict = decide(row, command)
        if verdict.outcome is None:
            continue
        told = row_run_of(verdict.row, command, verdict.outcome)
        newer = row is not None and row.state is DONE and row.run > command.run
        assert told == (row.run if row is not None and newer else None)


def test_what_was_taken_up_is_handled_before_when_it_comes_again() -> None:
    for row, command in EVERY:
        verdict = decide(row, command)
        if verdict.task is Task.ACT:
            assert not handled_before(row, command)
            for ending in (Ending.DONE, Ending.REJECTED, Ending.ACCEPTED):
                after, _ = acted(row, command, ending)
                assert handled_before(after, command)
                assert not handled_before(after, replace(command, run=command.run + 1)), "the next run is another command"
            assert not handled_before(acted(row, command, Ending.FAILED)[0], command)
        elif verdict.task is Task.UNDO:
            assert verdict.row is not None
            assert not handled_before(row, command)
            assert handled_before(undid(verdict.row, command, Ending.DONE)[0], command)
            assert not handled_before(undid(verdict.row, command, Ending.FAILED)[0], command)
        elif command.kind is C and verdict.outcome is Outcome.NOTHING_TO_UNDO and verdict.row is not None:
            assert handled_before(verdict.row, command) == (verdict.row.state is FENCED)


def test_an_action_behind_a_fence_and_a_question_about_an_action_were_not_handled_before() -> None:
    for row, command in EVERY:
        if row is None or (row.state is FENCED and command.kind is A) or (row.state is not FENCED and command.kind is Z):
            assert not handled_before(row, command)


def test_a_withdrawn_handler_is_called_exactly_where_accepted_work_is_called_off() -> None:
    for row, command in EVERY:
        plain, verdict = decide(row, command), decide(row, replace(command, withdrawable=True))
        calls_off = (
            row is not None
            and row.state is ACCEPTED
            and command.run >= row.run
            and command.incarnation >= row.incarnation
            and (command.kind is C or (command.kind is Z and command.fenceable))
        )
        assert (verdict.task is Task.WITHDRAW) == calls_off, (row, command)
        if not calls_off:
            assert verdict == plain
        elif command.kind is C:
            assert verdict.row == plain.row, "with the wish, which the end of the action fulfils"
            assert verdict.row is not None
            over = decide(replace(ended(verdict.row, Ending.REJECTED), wish=None), command)
            assert (over.outcome, over.row) == (
                Outcome.NOTHING_TO_UNDO,
                Row(state=FENCED, run=command.run, incarnation=command.incarnation),
            )


# The model's own reading (model/saga.cpp, `deliver`, with every lit_* = 0), as far as it is about
# the row and the reply.


def model(row: Row | None, kind: Kind, r: int) -> tuple[str, RowState | None, int]:
    """`deliver` with the choice OK_: what is answered or run, and state and run of the row when no
    handler changes it."""
    if row is None:
        return ("run it", None, 0) if kind is A else ("NOTHING_TO_UNDO" if kind is C else "FENCED", FENCED, r)
    state, run = row.state, row.run
    newer, older = r > run, r < run
    if state is ACCEPTED:
        return "IN_PROGRESS", ACCEPTED, run
    if state is DONE:
        if kind is C:
            return ("SUCCEEDED", DONE, run) if older else ("undo it", DONE, run)
        return "SUCCEEDED", DONE, max(run, r)
    if state is REJECTED:
        if kind is A:
            return ("run it" if newer else "REJECTED"), REJECTED, run
        if kind is C:
            return ("NOTHING_TO_UNDO", REJECTED, run) if older else ("NOTHING_TO_UNDO", FENCED, r)
        if newer:
            return "FENCED", FENCED, r
        return ("FENCED" if older else "REJECTED"), REJECTED, run
    if kind is A:
        return ("run it" if newer else "FENCED"), state, run
    return ("UNDONE" if state is UNDONE and kind is C else "NOTHING_TO_UNDO" if kind is C else "FENCED"), state, max(run, r)


def test_the_table_reads_as_the_model_does() -> None:
    for row, command in EVERY:
        if (
            command.expired
            or command.fenceable
            or (row is not None and (command.incarnation < row.incarnation or row.lease_over))
        ):
            continue
        verdict = decide(row, command)
        says, state, run = model(row, command.kind, command.run)
        if row is not None and row.state is REJECTED and command.kind is Z and command.run < row.run:
            # The one cell where the model and the table's text differ: the model says FENCED of an
            # older run, the text REJECTED. Both say that this run has no effect and never will; the
            # text is followed.
            says = "REJECTED"
        assert said(verdict.task, verdict.outcome) == says, (row, command)
        assert (verdict.row.state if verdict.row else None, verdict.row.run if verdict.row else 0) == (state, run), (row, command)


# What a handler did.


@pytest.mark.parametrize(
    ("ending", "state", "outcome"),
    [
        (Ending.DONE, DONE, Outcome.SUCCEEDED),
        (Ending.REJECTED, REJECTED, Outcome.REJECTED),
        (Ending.ACCEPTED, ACCEPTED, Outcome.IN_PROGRESS),
    ],
)
def test_an_action_that_ran_is_remembered_in_the_commands_run(ending: Ending, state: RowState, outcome: Outcome) -> None:
    before = Row(state=FENCED, run=1, incarnation=3)
    assert acted(before, CommandFacts(kind=A, run=2, incarnation=3), ending) == (Row(state=state, run=2, incarnation=3), outcome)


@pytest.mark.parametrize("before", [None, Row(state=REJECTED, run=1, incarnation=1)])
def test_a_technical_failure_leaves_everything_as_it_was(before: Row | None) -> None:
    assert acted(before, CommandFacts(kind=A, run=2, incarnation=1), Ending.FAILED) == (before, Outcome.FAILED)


@pytest.mark.parametrize("ending", list(Ending))
def test_whatever_a_handler_does_the_row_learns_the_commands_incarnation(ending: Ending) -> None:
    for row, command in EVERY:
        verdict = decide(row, command)
        if verdict.task is Task.ACT:
            after, _ = acted(row, command, ending)
        elif verdict.task is Task.UNDO and verdict.row is not None:
            after, _ = undid(verdict.row, command, ending)
        else:
            after = verdict.row if row is not None and verdict.task is not Task.REFUSE else None
        if after is None:
            assert row is None or command.incarnation < row.incarnation, "nothing to remember it in, or refused"
        else:
            assert after.incarnation == max(command.incarnation, row.incarnation if row else 0)


def test_an_undo_raises_the_run_it_fences() -> None:
    before = Row(state=DONE, run=1, incarnation=1)
    row, outcome = undid(before, CommandFacts(kind=C, run=2, incarnation=1), Ending.DONE)
    assert (row, outcome) == (Row(state=UNDONE, run=2, incarnation=1), Outcome.UNDONE)


@pytest.mark.parametrize(("ending", "outcome"), [(Ending.FAILED, Outcome.FAILED), (Ending.REJECTED, Outcome.REJECTED)])
def test_an_undo_that_fails_or_is_rejected_leaves_the_effect(ending: Ending, outcome: Outcome) -> None:
    before = Row(state=DONE, run=1, incarnation=1)
    assert undid(before, CommandFacts(kind=C, run=1, incarnation=1), ending) == (before, outcome)


def test_accepted_work_ends_in_its_own_run_and_keeps_the_wish_for_the_next_decision() -> None:
    before = Row(state=ACCEPTED, run=1, incarnation=1, wish=2, lease_over=True)
    assert ended(before, Ending.DONE) == Row(state=DONE, run=1, incarnation=1, wish=2)
    assert ended(before, Ending.REJECTED) == Row(state=REJECTED, run=1, incarnation=1, wish=2)
    assert ended(before, Ending.FAILED).state is ACCEPTED


def test_a_later_answer_needs_the_row_accepted_in_its_own_run() -> None:
    for row in every_row():
        for run in (1, 2, 3):
            assert may_answer(row, run) == (row is not None and row.state is ACCEPTED and row.run == run)
