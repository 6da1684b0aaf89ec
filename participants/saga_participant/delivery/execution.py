"""Serving commands through the barrier: transaction, commit, answer.

    begin -> claim, decide, run, save (command_path.py) -> commit -> answer

An answer leaves here only when its transaction is known to have committed. What is ambiguous is
answered by silence: a commit that the database did not confirm, an external call that ended in an
exception. The coordinator then asks again, and the row tells. Rare endings are in rolled_back.py
and external_calls.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from saga_participant.barrier.answers import Answer, failure, unreadable
from saga_participant.barrier.entry import ReceivedCommand
from saga_participant.barrier.table import Ending, Task
from saga_participant.database.database import SINGLE_AT_ONCE, Database
from saga_participant.database.transactions import LARGEST_GROUP, CommitRefused, CommitUnknown
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.command_path import serve, serve_after_call
from saga_participant.delivery.external_calls import make_call, release_lease
from saga_participant.delivery.groups import Groups
from saga_participant.delivery.invocation import HandlerResult
from saga_participant.delivery.later_answers import LaterAnswers
from saga_participant.delivery.rolled_back import Collision, check_collision, only_answer, refused, unrecorded
from saga_participant.delivery.transaction_result import SILENCE, ExternalCall, Replay, TransactionResult
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.handling.registry import Registry, Route
from saga_participant.outcomes import BarrierBroken, SessionLost, Unavailable
from saga_participant.telemetry.command_log import log_of
from saga_schemas.errors import BadMessage, UnknownSchema
from saga_schemas.outcomes import Kind, Outcome

MAX_TRANSACTIONS: Final = 8
"""Transactions that one command may take: collisions with others, replays, an external call."""
MAX_FOLLOWING: Final = 2
"""Commands served for one: itself, and the compensation that waited for the end of its work."""
MAX_LOSSES: Final = 5
"""Runs of a command's handler that may end with their database session.

The database may have been restarted, but the handler may also be what ends the session. After so
many the coordinator is sent a failure.
"""
_NOT_REFUSED: Final = (BarrierBroken, CommitUnknown, BadMessage, Unavailable, Collision)


@dataclass(slots=True)
class Execution:
    """Serves the participant's commands on its database."""

    registry: Registry
    database: Database
    calls: Calls
    missing: Callable[[int], object] = lambda schema_id: None
    """Called with the id of a schema that something stored is written in and nobody here knows."""
    largest_group: int = LARGEST_GROUP
    """The most commands in one transaction."""
    groups: Groups = field(init=False)
    later: LaterAnswers = field(init=False)
    """For work that was accepted."""
    _alone: asyncio.Semaphore = field(init=False)
    """Commands that are served alone at the same time."""

    def __post_init__(self) -> None:
        self.groups = Groups(database=self.database, calls=self.calls, bare=self.registry.bare, largest=self.largest_group)
        self.later = LaterAnswers(self.registry, self.database, self.calls, self.deliver_alone)
        self._alone = asyncio.Semaphore(SINGLE_AT_ONCE)

    @property
    def at_once(self) -> int:
        """How many commands may be at work at the same time."""
        together = 0 if self.largest_group == 1 else self.database.groups_at_once * self.largest_group
        return SINGLE_AT_ONCE + together

    async def deliver(self, command: ReceivedCommand, losses: int = 0, time: HandlerTime | None = None) -> tuple[Answer, ...]:
        """Serve one command, in one transaction with others where that can be.

        For arguments, answers and errors see `deliver_alone`.
        """
        time = time or HandlerTime()
        answers = None if losses else await self.groups.deliver(command, time)
        if answers is not None:
            answers = tuple(_timed(answer, command, time) for answer in answers)
        else:
            async with self._alone:
                answers = await self.deliver_alone(command, losses, time)
        self.groups.took(command, time)
        return answers

    async def deliver_alone(
        self, command: ReceivedCommand, losses: int = 0, time: HandlerTime | None = None
    ) -> tuple[Answer, ...]:
        """Serve one command, in transactions of its own.

        Args:
            command: The command as it came.
            losses: How often this command ended in SessionLost before.
            time: What its handlers took before, where this is not the first try.

        Returns:
            All answers that may now be sent. None where the command may not be answered.

        Raises:
            Unavailable: Nothing happened; try again.
        """
        answers: list[Answer] = []
        waiting, time = [command], time or HandlerTime()
        for _ in range(MAX_FOLLOWING):
            served = waiting.pop()
            result = await self._serve(served, losses, time)
            answers += [_timed(answer, served, time) for answer in result.answers]
            if result.follow_up is None:
                break
            waiting.append(result.follow_up)
            time = HandlerTime(time.clock)
        return tuple(answers)

    async def _serve(self, command: ReceivedCommand, losses: int, time: HandlerTime) -> TransactionResult:
        """Find the handler, and turn what may not be answered into silence."""
        headers, route = command.headers, self.calls.route(command)
        if route is None and headers.kind is not Kind.RESOLVE:
            log_of(headers).error("no handler for %s", headers.record)
            return only_answer(command, Outcome.UNSUPPORTED)
        try:
            return await self._transactions(command, route, losses, time)
        except BarrierBroken as broken:
            log_of(headers).error("no reply: %s; record=%s", broken, headers.record)
            return SILENCE
        except CommitUnknown as unknown:
            log_of(headers).warning("no reply: a commit is ambiguous (%s)", unknown)
            return SILENCE
        except BadMessage as bad:
            log_of(headers).error("unreadable command: %s; record=%s", bad, headers.record)
            if isinstance(bad, UnknownSchema):
                self.missing(bad.schema_id)
            return replace(SILENCE, answers=(unreadable(headers, bad, handled=True),))

    async def _transactions(
        self, command: ReceivedCommand, route: Route | None, losses: int, time: HandlerTime
    ) -> TransactionResult:
        """Run transactions until one decides: usually the first.

        An external handler is called between two.
        """
        known: dict[Task, HandlerResult] = {}
        called: tuple[ExternalCall, HandlerResult] | None = None
        for _ in range(MAX_TRANSACTIONS):
            try:
                result = await self._transaction(command, route, known, called, time)
            except Collision:
                continue
            except Replay as replay:
                if replay.result.lost and losses < MAX_LOSSES:
                    raise SessionLost("its session ended while the handler ran") from replay.result.error
                known[replay.task] = replay.result
                continue
            if result.external_call is None:
                return result
            called = (result.external_call, await make_call(result.external_call, time))
            if called[1].ending is Ending.FAILED and not called[1].definite:
                await self._release(result.external_call)
                return replace(result, answers=(), external_call=None)
        if called is not None:
            return unrecorded(command, "too many transactions collided")
        return only_answer(command, Outcome.FAILED, failure("conflict", "too many transactions collided"))

    async def _transaction(
        self,
        command: ReceivedCommand,
        route: Route | None,
        known: Mapping[Task, HandlerResult],
        called: tuple[ExternalCall, HandlerResult] | None,
        time: HandlerTime,
    ) -> TransactionResult:
        """One transaction, from its begin to its commit."""
        async with self.database.begin(bare=self.registry.bare) as transaction:
            tx = BarrierTransaction(
                transaction=transaction, calls=self.calls, command=command, route=route, known=known, handler_time=time
            )
            try:
                async with asyncio.timeout(self.calls.transaction_limit_s):
                    result = await (serve(tx) if called is None else serve_after_call(tx, *called))
                check_collision(result.failed)
                if result.commit:
                    await transaction.commit()
            except _NOT_REFUSED:
                raise
            except CommitRefused as error:
                return refused(tx, error.__cause__ or error, external=called is not None)
            except Exception as error:
                if tx.replay is not None:
                    check_collision(tx.replay.result)
                    raise tx.replay from error.__cause__
                return refused(tx, error, external=called is not None)
        return result

    async def _release(self, noted: ExternalCall) -> None:
        """The call ended in an exception: the next command may call again at once.

        Else the lease runs out.
        """
        with contextlib.suppress(Exception):
            async with (
                asyncio.timeout(self.calls.transaction_limit_s),
                self.database.begin(bare=self.registry.bare) as transaction,
            ):
                if await release_lease(transaction, noted):
                    await transaction.commit()


def _timed(answer: Answer, served: ReceivedCommand, time: HandlerTime) -> Answer:
    """The answer with what the handlers took, where it is to the command that they ran for."""
    own = answer.to.message_id == served.headers.message_id
    return replace(answer, handler_us=time.us) if own and time.us is not None else answer
