"""Several commands in one transaction, each of another row.

    begin -> claim all rows -> one after the other: decide, run, save -> commit -> all answers

Each command goes the way of command_path.py. What needs more than that way can have here ends the
transaction, and the command is served again in one of its own: a handler that failed, or said no,
after it had used its `db`; one that takes long; work that is accepted; an error of the database.

A handler for many is called once, for those of its commands whose row was made here. Then each of
them goes the same way, with its result known. Where the call cannot stand, all of them are served
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Entry, ReceivedCommand, provisional_entry
from saga_participant.barrier.table import Ending, Task
from saga_participant.database.transactions import Claimed, Transaction
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.command_path import serve_claimed
from saga_participant.delivery.invocation import Call, HandlerResult, call_handler
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.handling.registry import Route
from saga_participant.outcomes import BarrierBroken
from saga_schemas.errors import BadMessage
from saga_schemas.outcomes import RowState
from saga_schemas.record_class import record

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
    """These commands end the transaction of their group."""

    def __init__(self, members: Sequence[Member], result: HandlerResult | None = None, *, for_good: bool = False) -> None:
        self.members = members
        """One, or those of a call for many."""
        self.result = result
        """Of its handler, where that is the reason."""
        self.for_good = for_good
        """It is how this handler works: another time would be no better."""


class Torn(Exception):  # reads like the fact it is
    """A handler has ended the transaction of its group, past every guard. Maybe it is committed."""

    def __init__(self, ran: Sequence[Member] = (), unserved: Sequence[Entry] = ()) -> None:
        self.ran = ran
        """Commands that were served before, and those that this handler ran for."""
        self.unserved = unserved
        """Rows that were made for the others: they say DONE, and nothing was done."""


@record
class _Row:
    """The row of a command, as it was claimed."""

    provisional: Entry
    """The row that is made where there was none."""
    claimed: Claimed

    @property
    def is_made(self) -> bool:
        """It was made here."""
        return self.claimed.is_made(self.provisional)


@dataclass(slots=True, kw_only=True)
class GroupedTransaction(BarrierTransaction):
    """The transaction of a group, as one of its commands sees it."""

    member: Member

    async def run(self, task: Task, call: Call) -> HandlerResult:
        """Run the handler. Raises NotTogether when its result cannot stand beside others'."""
        if task not in (Task.ACT, Task.UNDO):
            raise NotTogether([self.member])
        before = self.transaction.uses
        result = await _run_shared(call, self.transaction, self.handler_time, [self.member])
        used = self.transaction.uses != before and result.ending is not Ending.DONE
        accepted = result.ending is Ending.ACCEPTED
        if used or accepted:
            raise NotTogether([self.member], result, for_good=accepted)
        self.known = {task: result}  # it has done nothing that would have to be rolled back
        return result


async def serve_group(transaction: Transaction, members: Sequence[Member], calls: Calls) -> dict[Member, Answers]:
    """Serve the commands, up to the commit, which is the caller's.

    Returns:
        Their answers. They may be sent when the commit is known. Who is missing was not served: the
        time was over.

    Raises:
        NotTogether: Some of them need a transaction of their own. This one is to be rolled back.
    """
    clock, answers = members[0].time.clock, dict[Member, Answers]()
    rows = await _claim(transaction, members)
    until_s = clock.monotonic_s() + BUDGET_S
    for turn in _turns(members, rows):
        if answers and clock.monotonic_s() > until_s:
            break
        try:
            known = await _call_for_many(transaction, turn, calls) if _shares_its_call(turn[0], rows) else {}
            for member in turn:
                answers[member] = await _serve(transaction, member, calls, rows[member], known.get(member))
        except Torn:
            ran = [*answers, *(member for member in turn if member not in answers)]
            raise Torn(ran, _made(rows, ran)) from None
    await transaction.forget_all(_made(rows, answers))
    return answers


async def free(transaction: Transaction, made: Sequence[Entry]) -> None:
    """Take rows away that a torn transaction has left, in a new one, up to the commit."""
    for provisional in made:
        found = (await transaction.lock(provisional.saga_id, provisional.step)).entry
        if found is not None and found.row.state is RowState.DONE and found.action is None:
            await transaction.forget(provisional)


async def _claim(transaction: Transaction, members: Sequence[Member]) -> dict[Member, _Row]:
    ordered = sorted(members, key=lambda member: member.order)
    fresh = [provisional_entry(member.command.headers) for member in ordered]
    claimed = await transaction.claim_all(fresh)
    return {member: _Row(provisional=made, claimed=now) for member, made, now in zip(ordered, fresh, claimed, strict=True)}


def _made(rows: Mapping[Member, _Row], served: Collection[Member]) -> list[Entry]:
    """The rows that were made for others."""
    return [row.provisional for member, row in rows.items() if row.is_made and member not in served]


def _turns(members: Sequence[Member], rows: Mapping[Member, _Row]) -> list[list[Member]]:
    """Who is served one after the other: those of one call for many together, where their first one
    stands.
    """
    turns: dict[object, list[Member]] = {}
    for member in members:
        turns.setdefault(member.command.headers.record if _shares_its_call(member, rows) else member, []).append(member)
    return list(turns.values())


def _shares_its_call(member: Member, rows: Mapping[Member, _Row]) -> bool:
    """Its handler is for many, and is sure to be called: nobody has handled this action before."""
    return member.route is not None and member.route.handler.many and rows[member].is_made


async def _call_for_many(transaction: Transaction, members: Sequence[Member], calls: Calls) -> dict[Member, HandlerResult]:
    """Run a handler once, for all of these commands. Raises NotTogether when its results cannot
    stand as they are.
    """
    each = _calls_of(members, calls)
    spent = HandlerTime(members[0].time.clock)
    try:
        result = await _run_shared(replace(each[0], together=tuple(each)), transaction, spent, members)
    finally:
        for member in members:
            member.time.add((spent.us or 0) // len(members))
    if result.ending is not Ending.DONE:
        raise NotTogether(members, result)
    return dict(zip(members, result.each, strict=True))


def _calls_of(members: Sequence[Member], calls: Calls) -> list[Call]:
    each: list[Call] = []
    unreadable: list[Member] = []
    for member in members:
        assert member.route is not None
        try:
            each.append(calls.action(member.route, member.command, member.command.headers.run, resumed=False))
        except BadMessage:  # alone it is answered
            unreadable.append(member)
    if unreadable:
        raise NotTogether(unreadable)
    return each


async def _run_shared(call: Call, transaction: Transaction, time: HandlerTime, members: Sequence[Member]) -> HandlerResult:
    """Run a handler for these commands, in the context of the first one.

    Raises Torn, or NotTogether where nothing more can be done in this transaction.
    """
    shared = replace(call, limit_s=min(call.limit_s, RUN_LIMIT_S), context=members[0].context)
    try:
        result = await call_handler(shared, transaction, time)
    except BarrierBroken:
        raise Torn from None
    if transaction.ended:
        raise Torn
    if result.late or result.unsure or transaction.lost() or transaction.torn or transaction.unshareable:
        raise NotTogether(members, result, for_good=transaction.unshareable)
    return result


async def _serve(transaction: Transaction, member: Member, calls: Calls, row: _Row, acted: HandlerResult | None) -> Answers:
    """`acted`: what a call for many has made of it."""
    if row.claimed.entry is not None and row.claimed.entry.row.state is RowState.ACCEPTED:
        raise NotTogether([member])
    tx = GroupedTransaction(
        transaction=transaction,
        calls=calls,
        command=member.command,
        route=member.route,
        known={} if acted is None else {Task.ACT: acted},
        handler_time=member.time,
        member=member,
    )
    result = await serve_claimed(tx, row.claimed, row.provisional)
    if result.external_call is not None or result.follow_up is not None:
        raise NotTogether([member])
    if not result.commit and row.is_made:  # alone it would be rolled back
        await transaction.forget(row.provisional)
    return result.answers
