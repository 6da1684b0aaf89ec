"""External handlers: the row notes the call, it is made after that commit, and a second transaction
records it.

Recorded is what the handler says: its reply, a no, that it will answer later, or that it failed
without effect. After any other end nobody knows whether there was an effect. Then nothing is
recorded, and the note stays until the call is made again and answered.
"""

from __future__ import annotations

from dataclasses import replace

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import Answer, progress
from saga_participant.barrier.entry import Entry, ReceivedCommand
from saga_participant.barrier.table import CommandFacts, Ending, Task
from saga_participant.database.transactions import Transaction
from saga_participant.delivery.accepted_rows import accepted_before_call, with_asker
from saga_participant.delivery.accepted_work import accepted_entry, end, still_accepted
from saga_participant.delivery.barrier_transaction import BarrierTransaction, remembered_answer
from saga_participant.delivery.compensation import compensated
from saga_participant.delivery.invocation import Call, HandlerResult, invoke
from saga_participant.delivery.transaction_result import SILENCE, ExternalCall, TransactionResult
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.handling.registry import Route
from saga_schemas.outcomes import Kind, Outcome, RowState

# First transaction: the note


async def note_action(
    tx: BarrierTransaction, before: Entry | None, base: Entry, facts: CommandFacts, route: Route
) -> TransactionResult:
    """Note the call of an action.

    The row is ACCEPTED before the call, so it tells the truth whatever happens.
    """
    call = tx.calls.action(route, tx.command, facts.run, resumed=False)
    return await _note(tx, accepted_before_call(base, facts, tx.command), Task.ACT, call, tx.command, before)


async def note_resumed(tx: BarrierTransaction, entry: Entry, route: Route, action: ReceivedCommand) -> TransactionResult:
    """Note that an action is called again."""
    call = tx.calls.action(route, action, entry.row.run, resumed=True)
    return await _note(tx, with_asker(entry, tx.command), Task.RESUME, call, action)


async def note_compensation(tx: BarrierTransaction, found: Entry, seen: Entry, route: Route) -> TransactionResult:
    """Note the call of a compensation.

    `found`: the row as it is; `seen`: the row that has seen the command.
    """
    if seen.lease_until_us is None or seen.lease_until_us <= await tx.transaction.clock():
        call = tx.calls.compensation(route, tx.command, seen)
        return await _note(tx, seen, Task.UNDO, call, tx.command)
    tx.answers.append(Answer(to=tx.command.headers, outcome=Outcome.IN_PROGRESS, content=progress(""), seq=0))
    if seen != found:
        return await tx.save(seen)
    return replace(SILENCE, answers=tuple(tx.answers))  # a call is under way, and the row has nothing to learn


async def _note(
    tx: BarrierTransaction,
    entry: Entry,
    task: Task,
    call: Call | HandlerResult,
    command: ReceivedCommand,
    before: Entry | None = None,
) -> TransactionResult:
    until_us = await tx.transaction.clock() + tx.calls.external_lease_us
    pending = None if entry.pending is None else replace(entry.pending, call_us=until_us)
    new = replace(entry, lease_until_us=until_us, pending=pending, row=replace(entry.row, lease_over=False))
    await tx.transaction.save(new)
    noted = ExternalCall(task=task, call=call, command=command, lease_until_us=until_us, entry=new, before=before)
    return TransactionResult(commit=True, answers=tuple(tx.answers), external_call=noted)


# Between the transactions: the call


async def make_call(noted: ExternalCall, time: HandlerTime) -> HandlerResult:
    """Call the handler, outside any transaction."""
    return noted.call if isinstance(noted.call, HandlerResult) else await invoke(noted.call, None, time)


async def release_lease(transaction: Transaction, noted: ExternalCall) -> bool:
    """The call ended without an answer: the next command may call again at once.

    False: nothing to commit.
    """
    entry = (await transaction.lock(noted.entry.saga_id, noted.entry.step)).entry
    if entry is None or entry.lease_until_us != noted.lease_until_us:
        return False
    await transaction.save(replace(entry, lease_until_us=await transaction.clock()))
    return True


# Second transaction: the record


async def record_result(
    tx: BarrierTransaction, entry: Entry, called: ExternalCall, result: HandlerResult
) -> Entry | TransactionResult:
    """Record what the handler did, if the row still waits for it.

    Returns a result, or the row to decide by.
    """
    if called.task is Task.UNDO:
        return await _record_compensation(tx, entry, result)
    if not barrier.may_answer(entry.row, called.entry.row.run):
        return entry
    if result.ending is Ending.FAILED:
        return await _record_failure(tx, entry, called, result)
    if result.ending is Ending.ACCEPTED:
        row = barrier.ended(entry.row, result.ending)
        return await still_accepted(tx, await accepted_entry(tx, entry, row, result, called.command))
    return await end(tx, with_asker(entry, tx.command), result)


async def _record_compensation(tx: BarrierTransaction, entry: Entry, result: HandlerResult) -> Entry | TransactionResult:
    facts = tx.facts(entry)
    if entry.row.state is not RowState.DONE or facts.run < entry.row.run:
        return entry
    undone, answer = compensated(entry, facts, tx.command, result)
    tx.answers.append(answer)
    return await tx.save(replace(undone, lease_until_us=None))


async def _record_failure(
    tx: BarrierTransaction, entry: Entry, called: ExternalCall, result: HandlerResult
) -> Entry | TransactionResult:
    """The handler says that this call had no effect.

    After the first call the note goes, and the row is what it was before. A call that was made
    again says nothing of the earlier ones: the work stays accepted, and the next command calls
    again at once.
    """
    if entry.pending is None or entry.pending.call_us != called.lease_until_us:
        return entry  # somebody has called again meanwhile
    if called.task is Task.RESUME:
        return await still_accepted(tx, replace(entry, lease_until_us=await tx.transaction.clock()), result)
    tx.answers.append(Answer(to=entry.pending.action, outcome=Outcome.FAILED, content=result.content))
    return await _take_back(tx, entry, called.before)


async def _take_back(tx: BarrierTransaction, entry: Entry, before: Entry | None) -> TransactionResult:
    """Restore the row of before the note, but for the incarnation that it has seen.

    Then a compensation that came meanwhile is decided by the table.
    """
    incarnation = entry.row.incarnation
    restored = None if before is None else replace(before, row=replace(before.row, incarnation=incarnation))
    undo = None if entry.row.wish is None or entry.pending is None else entry.pending.undo
    if undo is not None:
        facts = CommandFacts(kind=Kind.COMPENSATION, run=undo.headers.run, incarnation=incarnation)
        verdict = barrier.decide(None if restored is None else restored.row, facts)
        assert verdict.row is not None
        restored = replace(restored or entry.forget_work(), row=verdict.row)
        tx.answers.append(remembered_answer(undo.headers, restored, facts, verdict))
    if restored is None:
        await tx.transaction.forget(entry)
        return tx.saved()
    return await tx.save(restored)
