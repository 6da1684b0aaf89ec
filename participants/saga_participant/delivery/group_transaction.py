"""Several commands in one transaction, each of another row.

    begin -> claim all rows -> one after the other: decide, run, save -> commit -> all answers

Each command goes the way of command_path.py. What needs more than that way can have here ends the
transaction, and the command is served again in one of its own: a handler that failed, or said no,
after it had used its `db`; one that takes long; work that is accepted; an error of the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Entry, ReceivedCommand, provisional_entry
from saga_participant.barrier.table import Ending, RowState, Task
from saga_participant.database.transactions import Claimed, Transaction
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.command_path import serve_claimed
from saga_participant.delivery.invocation import Call, HandlerResult, call_handler
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.handling.registry import Route
from saga_participant.outcomes import BarrierBroken

RUN_LIMIT_S: Final = 0.5
"""A handler that takes longer is cancelled and run again alone, with its own limit: what shares its
transaction waits for it.
"""

BUDGET_S: Final = 0.02
"""The handlers of a group take about so long together: its rows are locked meanwhile."""

Answers = tuple[Answer, ...]


class Told(Enum):
    """What a command that waits for its group may be told instead of its answers."""

    ALONE = "be served alone"
    LEAD = "lead the next group"


@dataclass(slots=True, eq=False, kw_only=True)
class Member:
    """One command of a group."""

    command: ReceivedCommand
    route: Route | None
    """None: a RESOLVE."""
    time: HandlerTime
    context: Context
    """The one it is worked on in: of its span."""
    told: asyncio.Future[Answers | Told] = field(init=False)

    def __post_init__(self) -> None:
        self.wait_again()

    def wait_again(self) -> None:
        self.told = asyncio.get_running_loop().create_future()

    def tell(self, what: Answers | Told) -> None:
        """Does nothing where it was told before, or waits no more."""
        if not self.told.done():
            self.told.set_result(what)

    @property
    def order(self) -> tuple[int, str]:
        """Rows are claimed in this order, so that two groups do not wait for each other."""
        return self.command.headers.saga_id.int, self.command.headers.step


class NotTogether(Exception):  # reads like the fact it is
    """This command ends the transaction of its group."""

    def __init__(self, member: Member, result: HandlerResult | None = None, *, for_good: bool = False) -> None:
        self.member = member
        self.result = result
        """Of its handler, where that is the reason."""
        self.for_good = for_good
        """It is how this handler works: another time would be no better."""


class Torn(Exception):  # reads like the fact it is
    """A handler has ended the transaction of its group, past every guard. Maybe it is committed."""

    def __init__(self, answered: int = 0, unserved: Sequence[Entry] = ()) -> None:
        self.answered = answered
        """Commands that were served before, with this one."""
        self.unserved = unserved
        """Rows that were made for the others: they say DONE, and nothing was done."""


@dataclass(slots=True, kw_only=True)
class GroupedTransaction(BarrierTransaction):
    """The transaction of a group, as one of its commands sees it."""

    member: Member

    async def run(self, task: Task, call: Call) -> HandlerResult:
        """Run the handler. Raises NotTogether when its result cannot stand beside others'."""
        if task not in (Task.ACT, Task.UNDO):
            raise NotTogether(self.member)
        before = self.transaction.uses
        shared = replace(call, limit_s=min(call.limit_s, RUN_LIMIT_S), context=self.member.context)
        try:
            result = await call_handler(shared, self.transaction, self.handler_time)
        except BarrierBroken:
            raise Torn from None
        if self.transaction.ended:
            raise Torn
        ill = result.late or result.unsure or self.transaction.lost() or self.transaction.torn or self.transaction.unshareable
        used = self.transaction.uses != before and result.ending is not Ending.DONE
        accepted = result.ending is Ending.ACCEPTED
        if ill or used or accepted:
            raise NotTogether(self.member, result, for_good=accepted or self.transaction.unshareable)
        self.known = {task: result}  # it has done nothing that would have to be rolled back
        return result


async def serve_group(transaction: Transaction, members: Sequence[Member], calls: Calls) -> list[Answers]:
    """Serve the commands, up to the commit, which is the caller's.

    Returns:
        Their answers, in the order of `members`. They may be sent when the commit is known. Those
        that are missing at the end were not served: the time was over.

    Raises:
        NotTogether: One of them needs a transaction of its own. This one is to be rolled back.
    """
    clock, answers = members[0].time.clock, list[Answers]()
    ordered = sorted(members, key=lambda member: member.order)
    fresh = [provisional_entry(member.command.headers) for member in ordered]
    claimed = dict(zip(map(id, ordered), zip(fresh, await transaction.claim_all(fresh), strict=True), strict=True))
    until_s = clock.monotonic_s() + BUDGET_S
    for member in members:
        if answers and clock.monotonic_s() > until_s:
            break
        try:
            answers.append(await _serve(transaction, member, calls, *claimed[id(member)]))
        except Torn:
            others = [claimed[id(other)] for other in members[len(answers) + 1 :]]
            raise Torn(len(answers) + 1, [provisional for provisional, found in others if _is_made(found)]) from None
    unserved = [claimed[id(member)] for member in members[len(answers) :]]
    await transaction.forget_all([provisional for provisional, found in unserved if _is_made(found)])
    return answers


async def free(transaction: Transaction, made: Sequence[Entry]) -> None:
    """Take rows away that a torn transaction has left, in a new one, up to the commit."""
    for provisional in made:
        found = (await transaction.lock(provisional.saga_id, provisional.step)).entry
        if found is not None and found.row.state is RowState.DONE and found.action is None:
            await transaction.forget(provisional)


def _is_made(claimed: Claimed) -> bool:
    return claimed.entry is None and not claimed.expired


async def _serve(transaction: Transaction, member: Member, calls: Calls, provisional: Entry, claimed: Claimed) -> Answers:
    if claimed.entry is not None and claimed.entry.row.state is RowState.ACCEPTED:
        raise NotTogether(member)
    tx = GroupedTransaction(
        transaction=transaction,
        calls=calls,
        command=member.command,
        route=member.route,
        handler_time=member.time,
        member=member,
    )
    result = await serve_claimed(tx, claimed, provisional)
    if result.external_call is not None or result.follow_up is not None:
        raise NotTogether(member)
    if not result.commit and _is_made(claimed):  # alone it would be rolled back
        await transaction.forget(provisional)
    return result.answers
