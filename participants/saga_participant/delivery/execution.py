"""Carrying a command through the barrier: turns, commits, calls outside a transaction, and what may be said afterwards.

An answer leaves here only after its transaction is known to have committed. What is ambiguous (a commit without an answer from the
database, an external call that ended in an exception) is answered by silence: the coordinator asks again and the row tells.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from saga_participant.barrier.answers import EMPTY, Answer, failure, unreadable
from saga_participant.barrier.entry import Command, Stored
from saga_participant.barrier.table import Ending, Task
from saga_participant.database.database import Database
from saga_participant.database.errors import Fate, fate
from saga_participant.database.transactions import CommitRefused, CommitUnknown
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.elsewhere import record
from saga_participant.delivery.invocation import Ended, code_of, invoke, session_lost
from saga_participant.delivery.later_answers import LaterAnswers
from saga_participant.delivery.plan import NOTHING, Outside, Plan, PlayAgain
from saga_participant.delivery.turn import Turn
from saga_participant.handling.registry import Registry, Route
from saga_participant.outcomes import BarrierBroken, SessionLost, Unavailable
from saga_participant.telemetry.command_log import log_of
from saga_participant.telemetry.error_places import where
from saga_schemas.errors import BadMessage, UnknownSchema
from saga_schemas.outcomes import Kind, Outcome

MAX_TURNS: Final = 8
"""Transactions one command may take: collisions with others, a no played again, a call outside."""
MAX_FOLLOWING: Final = 2
"""Commands that one command may bring along: the compensation that was wished for."""
MAX_LOSSES: Final = 5
"""Runs of a command's handler that may end with their database session: it may have been restarted, but the handler may also be what
ends it. After so many the coordinator is told."""


class _Collision(Exception):  # between two transactions, nobody's error
    """Rolled back in favour of somebody else."""


@dataclass(slots=True)
class Execution:
    """The participant's commands against its database."""

    registry: Registry
    database: Database
    calls: Calls
    missing: Callable[[int], object] = lambda schema_id: None
    """Told of the id of a schema that something stored is written in and nobody here knows."""
    later: LaterAnswers = field(init=False)
    """For work that was accepted."""

    def __post_init__(self) -> None:
        self.later = LaterAnswers(self.registry, self.database, self.calls, self.deliver)

    async def deliver(self, command: Command, losses: int = 0) -> tuple[Answer, ...]:
        """All answers that may now be sent; none where nothing may be said. Raises Unavailable: nothing happened, try again.

        `losses`: how often this command ended in SessionLost before.
        """
        answers: list[Answer] = []
        waiting = [command]
        for _ in range(MAX_FOLLOWING):
            plan = await self._one(waiting.pop(), losses)
            answers += plan.answers
            if plan.follow is None:
                break
            waiting.append(plan.follow)
        return tuple(answers)

    async def _one(self, command: Command, losses: int) -> Plan:
        headers, route = command.headers, self.calls.route(command)
        if route is None and headers.kind is not Kind.RESOLVE:
            log_of(headers).error("no handler for %s", headers.record)
            return _only(command, Outcome.UNSUPPORTED)
        try:
            return await self._turns(command, route, losses)
        except BarrierBroken as broken:
            log_of(headers).error("no reply: %s; record=%s", broken, headers.record)
            return NOTHING
        except CommitUnknown as unknown:
            log_of(headers).warning("no reply: a commit is ambiguous (%s)", unknown)
            return NOTHING
        except BadMessage as bad:
            log_of(headers).error("unreadable command: %s; record=%s", bad, headers.record)
            if isinstance(bad, UnknownSchema):
                self.missing(bad.schema_id)
            return replace(NOTHING, answers=(unreadable(headers, bad, handled=True),))

    async def _turns(self, command: Command, route: Route | None, losses: int) -> Plan:
        known: dict[Task, Ended] = {}
        outside: Outside | None = None
        ended: Ended | None = None
        for _ in range(MAX_TURNS):
            try:
                plan = await self._turn(command, route, known, outside, ended)
            except _Collision:
                continue
            except PlayAgain as again:
                if again.ended.lost and losses < MAX_LOSSES:
                    raise SessionLost("its session ended while the handler ran") from again.ended.error
                known[again.task] = again.ended
                continue
            if plan.outside is None:
                return plan
            outside = plan.outside
            ended = await self._outside(outside)
            if ended.ending is Ending.FAILED and not ended.definite:
                await self._release(outside)
                return replace(plan, answers=(), outside=None)
        if outside is not None:
            return _unrecorded(command, "too many transactions collided")
        return _only(command, Outcome.FAILED, failure("conflict", "too many transactions collided"))

    async def _turn(
        self, command: Command, route: Route | None, known: Mapping[Task, Ended], outside: Outside | None, ended: Ended | None
    ) -> Plan:
        async with self.database.begin(bare=self.registry.bare) as transaction:
            turn = Turn(transaction=transaction, calls=self.calls, command=command, route=route, known=known)
            try:
                async with asyncio.timeout(self.calls.turn_limit_s):
                    plan = await (turn.play() if outside is None or ended is None else record(turn, outside, ended))
                _check_fate(plan.failed)
                if plan.commit:
                    await transaction.commit()
            except (BarrierBroken, CommitUnknown, BadMessage, Unavailable, _Collision):
                raise
            except CommitRefused as refused:
                return self._refused(turn, refused.__cause__ or refused, outside)
            except Exception as error:
                if turn.again is not None:
                    _check_fate(turn.again.ended)
                    raise turn.again from error.__cause__
                return self._refused(turn, error, outside)
        return plan

    def _refused(self, turn: Turn, error: BaseException, outside: Outside | None) -> Plan:
        """A statement of ours, or the commit, was refused: rolled back for certain."""
        if turn.transaction.lost() and turn.ran is not None:
            raise PlayAgain(turn.ran, session_lost(error)) from error
        found = Fate.AWAY if turn.transaction.lost() or isinstance(error, TimeoutError) else fate(error)
        if found is Fate.AWAY:
            raise Unavailable(f"the database went away ({type(error).__name__})") from error
        if found is Fate.COLLISION:
            raise _Collision from error
        if outside is not None:
            return _unrecorded(turn.command, f"{type(error).__name__} at {where(error)}")
        log_of(turn.command.headers).warning("rolled back: %s at %s", type(error).__name__, where(error))
        content = failure(code_of(error), "the database refused the transaction")
        if turn.ran is Task.WITHDRAW or (turn.raises and turn.ran is not None):
            # work that could not be withdrawn stays accepted; the row has to learn of this command, though nothing else comes of it
            raise PlayAgain(turn.ran, Ended(ending=Ending.FAILED, content=content)) from error
        return _only(turn.command, Outcome.FAILED, content)

    async def _outside(self, outside: Outside) -> Ended:
        return outside.call if isinstance(outside.call, Ended) else await invoke(outside.call, None)

    async def _release(self, outside: Outside) -> None:
        """The call ended, in an exception: the next command may try again at once. If this fails the lease runs out by itself."""
        with contextlib.suppress(Exception):
            async with (
                asyncio.timeout(self.calls.turn_limit_s),
                self.database.begin(bare=self.registry.bare) as transaction,
            ):
                claimed = await transaction.lock(outside.entry.saga_id, outside.entry.step)
                if claimed.entry is not None and claimed.entry.lease_until_us == outside.lease_until_us:
                    await transaction.save(replace(claimed.entry, lease_until_us=await transaction.clock()))
                    await transaction.commit()


def _check_fate(failed: Ended | None) -> None:
    """A handler's failure that was a collision in the database: it is tried again here instead of costing the coordinator an attempt."""
    if failed is not None and failed.error is not None and not failed.unsure and fate(failed.error) is Fate.COLLISION:
        raise _Collision


def _only(command: Command, outcome: Outcome, content: Stored = EMPTY) -> Plan:
    return replace(NOTHING, answers=(Answer(to=command.headers, outcome=outcome, content=content),))


def _unrecorded(command: Command, why: str) -> Plan:
    """What was done elsewhere is done: nothing may be said of it but what a row remembers. Its lease runs out, and it is called again."""
    log_of(command.headers).error("no reply: what a handler did elsewhere could not be recorded: %s", why)
    return NOTHING
