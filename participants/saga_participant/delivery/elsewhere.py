"""Handlers that work elsewhere: their call is noted in the row, made when that transaction is over, and recorded in the next.

What is recorded is what the handler says: its reply, a no, that it will answer later, or that it failed without effect. Of any other end
nobody knows whether there was an effect: then nothing is recorded, and the note stays until the call is made again and answered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import Answer, progress
from saga_participant.barrier.entry import Command, Entry
from saga_participant.barrier.table import Ending, RowState, Task
from saga_participant.delivery.accepted import noted, prepared
from saga_participant.delivery.invocation import Call, Ended
from saga_participant.delivery.plan import NOTHING, Outside, Plan
from saga_participant.handling.registry import Route
from saga_schemas.outcomes import Kind, Outcome

if TYPE_CHECKING:
    from saga_participant.delivery.turn import Turn


async def note_action(turn: Turn, before: Entry | None, base: Entry, told: barrier.Command, route: Route) -> Plan:
    """The row is ACCEPTED before the call, so that whatever happens then, it tells the truth."""
    call = turn.calls.action(route, turn.command, told.run, resumed=False)
    return await _noted(turn, prepared(base, told, turn.command), Task.ACT, call, turn.command, before)


async def note_resumed(turn: Turn, entry: Entry, route: Route, action: Command) -> Plan:
    call = turn.calls.action(route, action, entry.row.run, resumed=True)
    return await _noted(turn, noted(entry, turn.command), Task.RESUME, call, action)


async def note_undo(turn: Turn, found: Entry, entry: Entry, route: Route) -> Plan:
    """`found` is the row as it is, `entry` the row that has seen this command."""
    if entry.lease_until_us is None or entry.lease_until_us <= await turn.transaction.clock():
        call = turn.calls.compensation(route, turn.command, entry)
        return await _noted(turn, entry, Task.UNDO, call, turn.command)
    turn.answers.append(Answer(to=turn.command.headers, outcome=Outcome.IN_PROGRESS, content=progress(""), seq=0))
    if entry != found:
        return await turn.finish(entry)
    return replace(NOTHING, answers=tuple(turn.answers))  # somebody is at it, and the row has nothing to learn


async def _noted(turn: Turn, entry: Entry, task: Task, call: Call | Ended, command: Command, before: Entry | None = None) -> Plan:
    until = await turn.transaction.clock() + turn.calls.external_lease_us
    pending = None if entry.pending is None else replace(entry.pending, call_us=until)
    new = replace(entry, lease_until_us=until, pending=pending, row=replace(entry.row, lease_over=False))
    await turn.transaction.save(new)
    outside = Outside(task=task, call=call, action=command, lease_until_us=until, entry=new, before=before)
    return Plan(commit=True, answers=tuple(turn.answers), outside=outside)


async def record(turn: Turn, outside: Outside, ended: Ended) -> Plan:
    """Write down what a handler did outside any transaction, if the row still waits for it; else what the row says now counts."""
    headers = turn.command.headers
    entry = (await turn.transaction.lock(headers.saga_id, headers.step)).entry
    if entry is None:
        return NOTHING
    if outside.task is Task.UNDO:
        return await _record_undo(turn, entry, ended)
    if not barrier.may_answer(entry.row, outside.entry.row.run):
        return await turn.walk(entry, entry)
    if ended.ending is Ending.FAILED:
        return await _record_failure(turn, entry, outside, ended)
    if ended.ending is Ending.ACCEPTED:
        again = await turn.begun(entry, barrier.ended(entry.row, ended.ending), ended, outside.action)
        return await turn.still_accepted(again)
    closed = await turn.end(noted(entry, turn.command), ended)
    return await turn.finish(closed) if turn.answered() else await turn.walk(closed, closed)


async def _record_undo(turn: Turn, entry: Entry, ended: Ended) -> Plan:
    told = turn.told(entry)
    if entry.row.state is not RowState.DONE or told.run < entry.row.run:
        return await turn.walk(entry, entry)
    undone, answer = turn.undone(entry, told, turn.command, ended)
    turn.answers.append(answer)
    return await turn.finish(replace(undone, lease_until_us=None))


async def _record_failure(turn: Turn, entry: Entry, outside: Outside, ended: Ended) -> Plan:
    """The handler says that this call had no effect. Of the first call its note goes, and the row is what it was before. A call that was
    made again says nothing of the earlier ones: the work stays accepted, and the next asking calls again at once."""
    if entry.pending is None or entry.pending.call_us != outside.lease_until_us:
        return await turn.walk(entry, entry)  # somebody called again meanwhile, and is at it
    if outside.task is Task.RESUME:
        return await turn.still_accepted(replace(entry, lease_until_us=await turn.transaction.clock()), ended)
    turn.answers.append(Answer(to=entry.pending.action, outcome=Outcome.FAILED, content=ended.content))
    return await _take_back(turn, entry, outside.before)


async def _take_back(turn: Turn, entry: Entry, before: Entry | None) -> Plan:
    """The row as it was before the note, but for the incarnation it has seen; then the wish to undo that came meanwhile, by the table."""
    incarnation = entry.row.incarnation
    restored = None if before is None else replace(before, row=replace(before.row, incarnation=incarnation))
    undo = None if entry.row.wish is None or entry.pending is None else entry.pending.undo
    if undo is not None:
        told = barrier.Command(kind=Kind.COMPENSATION, run=undo.headers.run, incarnation=incarnation)
        verdict = barrier.decide(None if restored is None else restored.row, told)
        assert verdict.row is not None
        restored = replace(restored or entry.forget_work(), row=verdict.row)
        turn.answers.append(turn.answer_of(undo.headers, restored, told, verdict))
    if restored is None:
        await turn.transaction.forget(entry)
        return turn.done()
    return await turn.finish(restored)
