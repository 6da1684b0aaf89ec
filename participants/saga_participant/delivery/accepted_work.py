"""Accepted work: its beginning, its going on, and its end by whichever way it comes."""

from __future__ import annotations

from dataclasses import replace

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Entry, ReceivedCommand
from saga_participant.barrier.table import CommandFacts, Ending, Row, Task
from saga_participant.delivery.accepted_rows import accepted_by_handler, progress_reply, with_asker
from saga_participant.delivery.barrier_transaction import BarrierTransaction, kept_row, remembered_answer
from saga_participant.delivery.compensation import compensated, run_compensation
from saga_participant.delivery.invocation import HandlerResult
from saga_participant.delivery.transaction_result import TransactionResult
from saga_schemas.outcomes import Kind, Outcome


async def accept(tx: BarrierTransaction, base: Entry, row: Row, result: HandlerResult) -> TransactionResult:
    """The action's handler will answer later: the row keeps its command, and the lease starts."""
    return await _in_progress(tx, await accepted_entry(tx, base, row, result, tx.command))


async def accepted_entry(tx: BarrierTransaction, base: Entry, row: Row, result: HandlerResult, action: ReceivedCommand) -> Entry:
    """The row of work that is accepted now, or again."""
    return accepted_by_handler(base, row, result, action, await tx.transaction.clock())


async def still_accepted(tx: BarrierTransaction, entry: Entry, failed: HandlerResult | None = None) -> TransactionResult:
    """Nobody knows the end yet.

    Where the handler said that this attempt failed, its own action hears so.
    """
    new = with_asker(entry, tx.command)
    if failed is None or not failed.definite or tx.command.headers.kind is not Kind.ACTION:
        return await _in_progress(tx, new)
    tx.answers.append(Answer(to=tx.command.headers, outcome=Outcome.FAILED, content=failed.content))
    return await tx.save(new)


async def _in_progress(tx: BarrierTransaction, entry: Entry) -> TransactionResult:
    content, seq = progress_reply(entry), entry.progress_seq
    tx.answers.append(Answer(to=tx.command.headers, outcome=Outcome.IN_PROGRESS, content=content, seq=seq))
    return await tx.save(entry)


async def end(tx: BarrierTransaction, entry: Entry, result: HandlerResult) -> Entry:
    """End accepted work.

    A compensation that waits for the end is decided at once, by the same table.
    """
    tx.row_changed = True
    pending = entry.pending
    row = replace(barrier.ended(entry.row, result.ending), wish=None)
    new = replace(entry.forget_work(), row=row, action=result.content)
    if result.ending is Ending.DONE and entry.work is not None:
        new = new.effect_of(entry.work)
    undo = pending.undo if pending is not None and entry.row.wish is not None else None
    return new if undo is None else await _compensate(tx, new, undo)


async def _compensate(tx: BarrierTransaction, entry: Entry, undo: ReceivedCommand) -> Entry:
    """Serve the compensation that waited: here where that can be, else in a transaction of its
    own."""
    facts = CommandFacts(kind=Kind.COMPENSATION, run=undo.headers.run, incarnation=entry.row.incarnation)
    verdict = barrier.decide(entry.row, facts)
    if verdict.task is Task.ANSWER:
        assert verdict.outcome is not None
        tx.answers.append(Answer(to=undo.headers, outcome=verdict.outcome))
        return replace(entry, row=kept_row(verdict))
    route = tx.calls.route(undo)
    if route is None or route.handler.external or tx.compensate_alone:
        tx.follow_up = None if undo.headers.message_id == tx.command.headers.message_id else undo
        return entry
    seen = replace(entry, row=kept_row(verdict))
    undone, answer = compensated(seen, facts, undo, await run_compensation(tx, seen, undo, route))
    tx.answers.append(answer)
    return undone


async def end_by_owner(tx: BarrierTransaction, entry: Entry, result: HandlerResult) -> TransactionResult:
    """End accepted work as the service says in an `answering` block.

    The newest command is answered.
    """
    pending = entry.pending
    assert pending is not None
    ended = await end(tx, entry, result)
    if tx.answers or tx.follow_up is not None:
        return await tx.save(ended)
    newest, asked = pending.newest, pending.asked
    facts = CommandFacts(kind=newest.kind, run=newest.run, incarnation=ended.row.incarnation)
    verdict = barrier.decide(ended.row, facts)
    if verdict.task is Task.ANSWER:
        ended = replace(ended, row=kept_row(verdict))
        tx.answers.append(remembered_answer(newest, ended, facts, verdict))
    elif asked is not None and asked.headers == newest:  # a newer run after a no: it is served like any other
        tx.follow_up = asked
    return await tx.save(ended)
