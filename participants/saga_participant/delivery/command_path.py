"""The way of one command through its transaction, from the first statement to the last but the
commit.

    claim the row -> decide by the table -> run the handler -> save the row and the reply

The commit and the answer follow in execution.py. Rare steps are beside this file: withdrawal.py,
resumption.py, accepted_work.py, external_calls.py. Each gives a result, or the row to decide by
next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Entry, provisional_entry
from saga_participant.barrier.table import CommandFacts, Ending, Memory, Row, Task, Verdict
from saga_participant.database.transactions import Claimed
from saga_participant.delivery import external_calls
from saga_participant.delivery.accepted_rows import with_asker
from saga_participant.delivery.accepted_work import accept
from saga_participant.delivery.barrier_transaction import BarrierTransaction, kept_row, remembered_answer
from saga_participant.delivery.compensation import compensated, run_compensation
from saga_participant.delivery.invocation import HandlerResult
from saga_participant.delivery.resumption import resume
from saga_participant.delivery.transaction_result import SILENCE, ExternalCall, TransactionResult
from saga_participant.delivery.withdrawal import withdraw
from saga_participant.outcomes import BarrierBroken
from saga_participant.telemetry.command_log import log_of
from saga_schemas.outcomes import RowState

MAX_DECISIONS: Final = 5
"""Decisions in one transaction: withdraw, resume, undo at its end, the command itself, one to
spare.
"""


async def serve(tx: BarrierTransaction) -> TransactionResult:
    """Serve a command."""
    provisional = provisional_entry(tx.command.headers)
    return await serve_claimed(tx, await tx.transaction.claim(provisional), provisional)


async def serve_claimed(tx: BarrierTransaction, claimed: Claimed, provisional: Entry) -> TransactionResult:
    """Serve a command whose row was claimed. `provisional`: the row made where there was none."""
    tx.expired = claimed.expired
    if claimed.floor > tx.command.headers.incarnation:
        log_of(tx.command.headers).info("no reply: a sweep was heard, and the command is of an older incarnation")
        return SILENCE
    if claimed.entry is not None and claimed.entry.tenant != tx.command.headers.tenant:
        log_of(tx.command.headers).warning("command of another tenant refused")
        return SILENCE
    return await _decide(tx, claimed.entry, provisional)


async def serve_after_call(tx: BarrierTransaction, called: ExternalCall, result: HandlerResult) -> TransactionResult:
    """Record what an external handler did.

    Where the row no longer waits for it, the table decides.
    """
    headers = tx.command.headers
    entry = (await tx.transaction.lock(headers.saga_id, headers.step)).entry
    if entry is None:
        return SILENCE
    recorded = await external_calls.record_result(tx, entry, called, result)
    if isinstance(recorded, TransactionResult):
        return recorded
    return await tx.save(recorded) if tx.answered() else await _decide(tx, recorded, recorded)


async def _decide(tx: BarrierTransaction, entry: Entry | None, provisional: Entry) -> TransactionResult:
    """Decide by the table and do what it says, until something ends the transaction."""
    step: Entry | TransactionResult
    for _ in range(MAX_DECISIONS):
        facts = tx.facts(entry)
        verdict = barrier.decide(None if entry is None else entry.row, facts)
        if entry is None:
            if verdict.task is Task.ACT:
                return await _act(tx, None, provisional, facts)
            return await _answer(tx, None, provisional, facts, verdict)
        tx.newer_incarnation = tx.newer_incarnation or facts.incarnation > entry.row.incarnation
        match verdict.task:
            case Task.REFUSE:
                return SILENCE
            case Task.ANSWER:
                return await _answer(tx, entry, entry, facts, verdict)
            case Task.ACT:
                return await _act(tx, entry, entry, facts)
            case Task.UNDO:
                return await _undo(tx, entry, replace(entry, row=kept_row(verdict)), facts)
            case Task.WITHDRAW:
                step = await withdraw(tx, entry, replace(entry, row=kept_row(verdict)))
            case Task.RESUME:
                step = await resume(tx, replace(entry, row=kept_row(verdict)))
        if isinstance(step, TransactionResult):
            return step
        if tx.answered():
            return await tx.save(step)
        entry = step
    raise BarrierBroken("the barrier's table does not come to an end")


async def _act(tx: BarrierTransaction, before: Entry | None, claimed: Entry, facts: CommandFacts) -> TransactionResult:
    """Run the action's handler.

    `before`: the row, if there was one; `claimed`: it, or the row made here.
    """
    assert tx.route is not None
    base = claimed if before is None else replace(before, action=None, undo=None, progress_seq=0)
    if tx.route.handler.external and Task.ACT not in tx.known:
        return await external_calls.note_action(tx, before, base, facts, tx.route)
    result = tx.known.get(Task.ACT)
    if result is None:
        result = await tx.run(Task.ACT, tx.calls.action(tx.route, tx.command, facts.run, resumed=False))
    if result.ending is Ending.REJECTED and Task.ACT not in tx.known:
        tx.replay_with(Task.ACT, result)
    row, outcome = barrier.acted(None if before is None else before.row, facts, result.ending)
    answer = Answer(to=tx.command.headers, outcome=outcome, content=result.content)
    if result.ending is Ending.FAILED or row is None:
        return await _roll_back(tx, before, row, Task.ACT, result, answer)
    if result.ending is Ending.ACCEPTED:
        return await accept(tx, base, row, result)
    tx.answers.append(answer)
    new = replace(base, row=row, action=result.content)
    return await tx.save(new.effect_of(tx.command) if result.ending is Ending.DONE else new)


async def _undo(tx: BarrierTransaction, found: Entry, seen: Entry, facts: CommandFacts) -> TransactionResult:
    """Run the compensation's handler.

    `found`: the row as it is; `seen`: the row that has seen the command.
    """
    assert tx.route is not None
    if tx.route.handler.external:
        return await external_calls.note_compensation(tx, found, seen, tx.route)
    result = await run_compensation(tx, seen, tx.command, tx.route)
    undone, answer = compensated(seen, facts, tx.command, result)
    if not tx.row_changed and result.ending is not Ending.DONE:
        return await _roll_back(tx, found, undone.row, Task.UNDO, result, answer)
    tx.answers.append(answer)
    return await tx.save(undone)


async def _answer(
    tx: BarrierTransaction, entry: Entry | None, claimed: Entry, facts: CommandFacts, verdict: Verdict
) -> TransactionResult:
    """Answer from the row: no handler runs.

    `entry`: the row, if there was one; `claimed`: it, or the row made here.
    """
    assert verdict.outcome is not None
    if verdict.row is None:  # EXPIRED: the row made provisionally goes with the transaction
        return replace(SILENCE, answers=(Answer(to=tx.command.headers, outcome=verdict.outcome),))
    new = replace(claimed, row=verdict.row)
    if entry is not None and entry.row.state is RowState.ACCEPTED:
        new = with_asker(new, tx.command)
    repeated = entry is not None and barrier.handled_before(entry.row, facts)
    if verdict.memory is Memory.ACTION and new.action is None:  # its handler once ended our transaction: the effect is there
        log_of(tx.command.headers).error("the row remembers no reply, so none is given")
    else:
        tx.answers.append(remembered_answer(tx.command.headers, new, facts, verdict, repeated=repeated))
    if tx.row_changed or new != claimed:
        return await tx.save(new)
    if entry is None:  # the claim has made the row as it stays
        return tx.saved()
    return TransactionResult(commit=False, answers=tuple(tx.answers), follow_up=tx.follow_up)


async def _roll_back(
    tx: BarrierTransaction, found: Entry | None, row: Row | None, task: Task, result: HandlerResult, answer: Answer
) -> TransactionResult:
    """Roll back what the handler did.

    What the row has to remember all the same is saved in a replay.
    """
    if found is None or row is None or row == found.row:
        return replace(SILENCE, answers=(answer,), failed=result)
    if task not in tx.known:
        tx.replay_with(task, result)
    tx.answers.append(answer)
    return await tx.save(replace(found, row=row))
