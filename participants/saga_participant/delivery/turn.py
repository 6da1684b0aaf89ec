"""One command in one transaction: claim the row, decide by the table, run the handler, write the row.

A turn never commits and never sends: it returns a `Plan` and its owner (execution.py) carries it out. The usual ways: the table answers
at once; or the handler runs and the row remembers its reply. A handler's no, or a failure after something else was already done here,
unwinds the transaction and is played again with the ending `known`: so the usual case pays for no savepoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import EMPTY, Answer
from saga_participant.barrier.entry import Command, Entry, Stored
from saga_participant.barrier.table import Ending, Memory, Row, RowState, Task, Verdict
from saga_participant.database.transactions import Transaction
from saga_participant.delivery.accepted import WITHDRAWN, begun, noted, said_of
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.elsewhere import note_action, note_resumed, note_undo
from saga_participant.delivery.invocation import Call, Ended, perform
from saga_participant.delivery.plan import NOTHING, Plan, PlayAgain
from saga_participant.handling.registry import Route
from saga_participant.outcomes import BarrierBroken
from saga_participant.telemetry.command_log import log_of
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome

MAX_CELLS: Final = 5
"""Cells of the table one turn may walk through: withdraw, resume, undo at its end, the command itself, and one to spare."""


@dataclass(slots=True, kw_only=True)
class Turn:
    """The state of one transaction."""

    transaction: Transaction
    calls: Calls
    command: Command
    route: Route | None
    """The handler of the command's own record; RESOLVE has none."""
    known: Mapping[Task, Ended] = field(default_factory=dict)
    apart: bool = False
    """A compensation that waits for the end of accepted work has a turn of its own, not a part in this one."""
    expired: bool = False
    """The command came too late, where there was no row."""
    answers: list[Answer] = field(default_factory=list)
    dirty: bool = False
    """The row was changed by an earlier cell of this turn."""
    raises: bool = False
    """The command is of a newer incarnation than the row has seen: whatever comes of it, the row has to learn of it."""
    withdrawn: bool | None = None
    """What the withdrawn handler of accepted work said to this command's calling it off; None: it was not called."""
    follow: Command | None = None
    ran: Task | None = None
    """The handler that was run last."""
    again: PlayAgain | None = None
    """What is to come out of this turn, whatever the end of a savepoint raises over it."""

    async def play(self) -> Plan:
        """From the first statement to the last but the commit."""
        fresh = self._fresh()
        claimed = await self.transaction.claim(fresh)
        self.expired = claimed.expired
        if claimed.entry is not None and claimed.entry.tenant != self.command.headers.tenant:
            log_of(self.command.headers).warning("command of another tenant refused")
            return NOTHING
        return await self.walk(claimed.entry, fresh)

    async def walk(self, entry: Entry | None, fresh: Entry) -> Plan:
        """Cell after cell until one ends the turn."""
        for _ in range(MAX_CELLS):
            told = self.told(entry)
            self.raises = self.raises or (entry is not None and told.incarnation > entry.row.incarnation)
            verdict = barrier.decide(None if entry is None else entry.row, told)
            match verdict.task:
                case Task.REFUSE:
                    return NOTHING
                case Task.ANSWER:
                    return await self._answer(entry, fresh, told, verdict)
                case Task.ACT:
                    return await self._act(entry, fresh, told)
                case Task.UNDO:
                    assert entry is not None
                    return await self._undo(entry, replace(entry, row=_row(verdict)), told)
                case Task.WITHDRAW:
                    assert entry is not None
                    entry = await self._withdraw(entry, replace(entry, row=_row(verdict)))
                    if self.answered():
                        return await self.finish(entry)
                case Task.RESUME:
                    assert entry is not None
                    resumed = await self._resume(replace(entry, row=_row(verdict)))
                    if isinstance(resumed, Plan):
                        return resumed
                    if self.answered():
                        return await self.finish(resumed)
                    entry = resumed
        raise BarrierBroken("the barrier's table does not come to an end")

    async def answer_later(self, entry: Entry, ended: Ended) -> Plan:
        """The end of accepted work as its owner tells it; the row is locked and waits for it. The newest command hears of it."""
        pending = entry.pending
        assert pending is not None
        closed = await self.end(entry, ended)
        if self.answers or self.follow is not None:
            return await self.finish(closed)
        newest, asked = pending.newest, pending.asked
        told = barrier.Command(kind=newest.kind, run=newest.run, incarnation=closed.row.incarnation)
        verdict = barrier.decide(closed.row, told)
        if verdict.task is Task.ANSWER:
            closed = replace(closed, row=_row(verdict))
            self.answers.append(self.answer_of(newest, closed, told, verdict))
        elif asked is not None and asked.headers == newest:  # a newer run after a no: it is served like any other
            self.follow = asked
        return await self.finish(closed)

    # Cells

    async def _answer(self, entry: Entry | None, fresh: Entry, told: barrier.Command, verdict: Verdict) -> Plan:
        assert verdict.outcome is not None
        if verdict.row is None:  # EXPIRED: the row made provisionally goes with the transaction
            return replace(NOTHING, answers=(Answer(to=self.command.headers, outcome=verdict.outcome),))
        new = replace(entry or fresh, row=verdict.row)
        if entry is not None and entry.row.state is RowState.ACCEPTED:
            new = noted(new, self.command)
        repeated = entry is not None and barrier.handled_before(entry.row, told)
        if verdict.memory is Memory.ACTION and new.action is None:  # its handler once ended our transaction: the effect is there
            log_of(self.command.headers).error("the row remembers no reply, so none is given")
        else:
            self.answers.append(self.answer_of(self.command.headers, new, told, verdict, repeated=repeated))
        if self.dirty or new != (entry or fresh):
            await self.transaction.save(new)
        elif entry is not None:
            return Plan(commit=False, answers=tuple(self.answers), follow=self.follow)
        return self.done()

    async def _act(self, before: Entry | None, fresh: Entry, told: barrier.Command) -> Plan:
        assert self.route is not None
        base = fresh if before is None else replace(before, action=None, undo=None, progress_seq=0)
        if self.route.handler.external and Task.ACT not in self.known:
            return await note_action(self, before, base, told, self.route)
        ended = await self._perform(Task.ACT, self.calls.action(self.route, self.command, told.run, resumed=False))
        if ended.ending is Ending.REJECTED and Task.ACT not in self.known:
            self._play_again(Task.ACT, ended)
        row, outcome = barrier.acted(None if before is None else before.row, told, ended.ending)
        if ended.ending is Ending.FAILED or row is None:
            return await self._left(before, row, Task.ACT, ended, self._to(self.command, outcome, ended.content))
        new = (
            await self.begun(base, row, ended, self.command)
            if ended.ending is Ending.ACCEPTED
            else replace(base, row=row, action=ended.content)
        )
        await self.transaction.save(new)
        if ended.ending is Ending.ACCEPTED:
            self.answers.append(Answer(to=self.command.headers, outcome=outcome, content=said_of(new), seq=new.progress_seq))
        else:
            self.answers.append(self._to(self.command, outcome, ended.content))
        return self.done()

    async def _undo(self, found: Entry, entry: Entry, told: barrier.Command) -> Plan:
        """`found` is the row as it is, `entry` the row that has seen this command."""
        assert self.route is not None
        if self.route.handler.external:
            return await note_undo(self, found, entry, self.route)
        ended = await self._run_undo(entry, self.command, self.route)
        undone, answer = self.undone(entry, told, self.command, ended)
        if not self.dirty and ended.ending is not Ending.DONE:
            return await self._left(found, undone.row, Task.UNDO, ended, answer)
        self.answers.append(answer)
        return await self.finish(undone)

    async def _run_undo(self, entry: Entry, command: Command, route: Route) -> Ended:
        """A compensation's handler. Where something else was done here before, only its own work goes when it fails."""
        call = self.calls.compensation(route, command, entry)
        if isinstance(call, Ended):
            return call
        return await (self._inside_savepoint(call) if self.dirty else self._perform(Task.UNDO, call))

    def undone(self, entry: Entry, told: barrier.Command, command: Command, ended: Ended) -> tuple[Entry, Answer]:
        row, outcome = barrier.undid(entry.row, told, ended.ending)
        undo = ended.content if ended.ending is Ending.DONE else entry.undo
        return replace(entry, row=row, undo=undo), self._to(command, outcome, ended.content)

    async def _left(self, found: Entry | None, row: Row | None, task: Task, ended: Ended, answer: Answer) -> Plan:
        """The handler's work goes, with this transaction. What the row has to remember all the same is written in the next."""
        if found is None or row is None or row == found.row:
            return replace(NOTHING, answers=(answer,), failed=ended)
        if task not in self.known:
            self._play_again(task, ended)
        self.answers.append(answer)
        return await self.finish(replace(found, row=row))

    async def _inside_savepoint(self, call: Call) -> Ended:
        ended: Ended | None = None
        try:
            async with self.transaction.savepoint():
                ended = await self._perform(Task.UNDO, call)
                if ended.ending is not Ending.DONE:
                    raise _Undone
        except _Undone:
            assert ended is not None
        return ended

    async def _perform(self, task: Task, call: Call) -> Ended:
        """Run the handler, unless its ending is known."""
        ended = self.known.get(task)
        if ended is None:
            self.ran = task
            ended = await perform(call, self.transaction)
            if ended.unsure:
                self._play_again(task, ended)
        return ended

    def _play_again(self, task: Task, ended: Ended) -> NoReturn:
        self.again = PlayAgain(task, ended)
        raise self.again

    async def _withdraw(self, found: Entry, entry: Entry) -> Entry:
        """`found` is the row as it is, `entry` the row that has seen this command. What a handler did that does not withdraw goes, with
        this transaction; the next one goes on as if there were no such handler."""
        call = self.calls.withdrawal(entry)
        ended = call if isinstance(call, Ended) else await self._perform(Task.WITHDRAW, call)
        self.withdrawn = ended.ending is Ending.DONE
        if self.withdrawn:
            undone = self.command.headers.kind is Kind.COMPENSATION
            return await self.end(noted(entry, self.command), WITHDRAWN) if undone else found
        if isinstance(call, Call) and Task.WITHDRAW not in self.known:
            self._play_again(Task.WITHDRAW, ended)
        log_of(self.command.headers).warning("the work was not withdrawn: it stays accepted")
        return found

    async def _resume(self, entry: Entry) -> Entry | Plan:
        """The accepted action's own command again. What it leads to is decided on by the next cell."""
        action, route = entry.work, self.calls.route_of_accepted(entry)
        if action is None or route is None:
            log_of(self.command.headers).error("accepted work cannot be resumed: no handler for it")
            return await self.still_accepted(entry)
        if route.handler.external:
            return await note_resumed(self, entry, route, action)
        ended = await self._perform(Task.RESUME, self.calls.action(route, action, entry.row.run, resumed=True))
        if ended.ending in (Ending.REJECTED, Ending.FAILED) and Task.RESUME not in self.known:
            self._play_again(Task.RESUME, ended)
        if ended.ending is Ending.FAILED:
            return await self.still_accepted(entry, ended)
        if ended.ending is Ending.ACCEPTED:
            return await self.still_accepted(await self.begun(entry, barrier.ended(entry.row, ended.ending), ended, action))
        return await self.end(noted(entry, self.command), ended)

    async def still_accepted(self, entry: Entry, failed: Ended | None = None) -> Plan:
        """Nobody knows the end yet. To its own action a handler may have said that this attempt failed."""
        new = noted(entry, self.command)
        await self.transaction.save(new)
        to = self.command.headers
        if failed is not None and failed.definite and to.kind is Kind.ACTION:
            self.answers.append(Answer(to=to, outcome=Outcome.FAILED, content=failed.content))
        else:
            self.answers.append(Answer(to=to, outcome=Outcome.IN_PROGRESS, content=said_of(new), seq=new.progress_seq))
        return self.done()

    async def end(self, entry: Entry, ended: Ended) -> Entry:
        """Accepted work ends. A wish to undo that was noted is decided at once, by the same table, in the same transaction."""
        self.dirty = True
        pending = entry.pending
        row = replace(barrier.ended(entry.row, ended.ending), wish=None)
        new = replace(entry.forget_work(), row=row, action=ended.content)
        undo = pending.undo if pending is not None and entry.row.wish is not None else None
        if undo is None:
            return new
        told = barrier.Command(kind=Kind.COMPENSATION, run=undo.headers.run, incarnation=row.incarnation)
        verdict = barrier.decide(row, told)
        if verdict.task is Task.ANSWER:
            assert verdict.outcome is not None
            self.answers.append(self._to(undo, verdict.outcome, EMPTY))
            return replace(new, row=_row(verdict))
        route = self.calls.route(undo)
        if route is None or route.handler.external or self.apart:
            self.follow = None if undo.headers.message_id == self.command.headers.message_id else undo
            return new
        seen = replace(new, row=_row(verdict))
        undone, answer = self.undone(seen, told, undo, await self._run_undo(seen, undo, route))
        self.answers.append(answer)
        return undone

    # Pieces

    def answered(self) -> bool:
        """This turn's own command was answered: it was the wish that the end of the action fulfilled."""
        own = self.command.headers.message_id
        return any(answer.to.message_id == own for answer in self.answers)

    async def finish(self, entry: Entry) -> Plan:
        await self.transaction.save(entry)
        return self.done()

    async def begun(self, base: Entry, row: Row, ended: Ended, action: Command) -> Entry:
        return begun(base, row, ended, action, await self.transaction.clock())

    @staticmethod
    def answer_of(to: CommandHeaders, entry: Entry, told: barrier.Command, verdict: Verdict, *, repeated: bool = False) -> Answer:
        """What the table answers, out of what the row remembers."""
        assert verdict.outcome is not None
        remembered = {Memory.PROGRESS: said_of(entry), Memory.UNDO: entry.undo, Memory.ACTION: entry.action}
        return Answer(
            to=to,
            outcome=verdict.outcome,
            content=remembered.get(verdict.memory) or EMPTY,
            seq=entry.progress_seq if verdict.memory is Memory.PROGRESS else None,
            row_run=barrier.row_run_of(verdict.row, told, verdict.outcome),
            repeated=repeated,
        )

    def told(self, entry: Entry | None) -> barrier.Command:
        headers = self.command.headers
        accepted = None if entry is None or entry.called_elsewhere else self.calls.route_of_accepted(entry)
        return barrier.Command(
            kind=headers.kind,
            run=headers.run,
            incarnation=headers.incarnation,
            expired=entry is None and self.expired,
            fenceable=accepted is not None and accepted.handler.fenceable and self.withdrawn is not False,
            withdrawable=accepted is not None and accepted.withdrawn is not None and self.withdrawn is None,
        )

    def _fresh(self) -> Entry:
        """The row as it is made where there is none: what the table ends with, or for an action its provisional DONE."""
        headers = self.command.headers
        state = RowState.DONE if headers.kind is Kind.ACTION else RowState.FENCED
        return Entry(
            saga_id=headers.saga_id,
            step=headers.step,
            tenant=headers.tenant,
            row=Row(state=state, run=headers.run, incarnation=headers.incarnation),
            expires_at_us=headers.expiry_us,
        )

    def done(self) -> Plan:
        return Plan(commit=True, answers=tuple(self.answers), follow=self.follow)

    @staticmethod
    def _to(command: Command, outcome: Outcome, content: Stored) -> Answer:
        return Answer(to=command.headers, outcome=outcome, content=content)


class _Undone(Exception):  # takes back a savepoint
    pass


def _row(verdict: Verdict) -> Row:
    assert verdict.row is not None
    return verdict.row
