"""Answers to accepted work, given later by the service, and its progress meanwhile.

Each is a transaction of its own on the row, and takes effect only while the row waits for it. It
returns the answers to be sent. They go to the newest command that asked: the coordinator waits for
that one.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Entry, ReceivedCommand
from saga_participant.barrier.table import Ending
from saga_participant.database.database import Database
from saga_participant.database.transactions import CommitRefused, CommitUnknown, Transaction
from saga_participant.delivery.accepted_rows import as_us, progress_reply
from saga_participant.delivery.accepted_work import end_by_owner
from saga_participant.delivery.answer_block import AnswerCall, AnswerLater
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.invocation import HandlerResult
from saga_participant.delivery.transaction_result import TransactionResult
from saga_participant.handling.handlers import Handle
from saga_participant.handling.registry import Registry, Route
from saga_participant.outcomes import AnswerRefused, InProgress, Unavailable
from saga_participant.step import Reference
from saga_participant.telemetry.command_log import log_of
from saga_participant.telemetry.error_location import one_line
from saga_schemas.outcomes import Outcome

MAX_COMPENSATED_ALONE: Final = 1000


class _NotDone(Exception):  # closes `db` as after an error: a no keeps nothing of what the block did
    pass


@dataclass(slots=True)
class LaterAnswers:
    """`deliver` serves a command that came meanwhile, when the work has ended."""

    registry: Registry
    database: Database
    calls: Calls
    deliver: Callable[[ReceivedCommand], Awaitable[tuple[Answer, ...]]]
    _compensated_alone: dict[tuple[UUID, str], None] = field(default_factory=dict)
    """Steps whose compensation rolled an answer back with it.

    The answer given again is recorded first.
    """

    @contextlib.asynccontextmanager
    async def answering(self, ref: str, wanted: Handle | None) -> AsyncIterator[tuple[Any, AnswerLater, list[Answer]]]:
        """The transaction of an answer given later.

        Args:
            ref: The step's reference, as `Step.ref`.
            wanted: What `db` is. None is asyncpg's connection where a handler of the participant
                takes one, else SQLAlchemy's.

        Yields:
            `db`, the `answer` to call, and the answers to be sent when the block is left.
        """
        reference, sent = _reference(ref), list[Answer]()
        handle = wanted or self._default_handle()
        bare = handle is Handle.ASYNCPG and self.registry.bare
        answer: AnswerCall | None = None
        recorded: TransactionResult | None = None
        with contextlib.suppress(_NotDone):
            async with self.database.begin(bare=bare) as transaction:
                entry, route = await self._locked(transaction, reference)
                answer = AnswerCall(route)
                async with transaction.handle(handle) as db:
                    yield db, answer, sent
                    if answer.result.ending is Ending.REJECTED:
                        raise _NotDone
                recorded = await self._end(transaction, entry, route, answer.result)
        if recorded is None:
            assert answer is not None
            async with self.database.begin(bare=bare) as transaction:
                entry, route = await self._locked(transaction, reference)
                recorded = await self._end(transaction, entry, route, answer.result)
        sent += recorded.answers
        if recorded.follow_up is not None:
            sent += await self._deliver_follow_up(recorded.follow_up)

    async def progress(self, ref: str, news: InProgress, *, keep_lease: bool) -> list[Answer]:
        """Record progress of accepted work: `progress_seq` rises. `keep_lease`: the lease stays as
        it is.
        """
        reference = _reference(ref)
        async with self.database.begin(bare=self.registry.bare) as transaction:
            entry, _ = await self._locked(transaction, reference)
            assert entry.pending is not None
            pending = replace(entry.pending, note=news.note)
            lease = entry.lease_until_us if keep_lease else await transaction.clock() + as_us(news.lease)
            new = replace(entry, pending=pending, progress_seq=entry.progress_seq + 1, lease_until_us=lease)
            await transaction.save(new)
            await self._commit(transaction, "whether the progress was recorded is not known: tell it again")
        return [Answer(to=pending.newest, outcome=Outcome.IN_PROGRESS, content=progress_reply(new), seq=new.progress_seq)]

    def _default_handle(self) -> Handle:
        bare = any(handler.handle is Handle.ASYNCPG for handler in self.registry.handlers)
        return Handle.ASYNCPG if bare else Handle.CONNECTION

    async def _locked(self, transaction: Transaction, reference: Reference) -> tuple[Entry, Route]:
        entry = (await transaction.lock(reference.saga_id, reference.step)).entry
        if entry is None or not barrier.may_answer(entry.row, reference.run):
            state = "there is no such row" if entry is None else f"the step is {entry.row.state.value} in run {entry.row.run}"
            raise AnswerRefused(f"{state}: nobody waits for an answer to run {reference.run}")
        route = self.calls.route_of_accepted(entry)
        if route is None or entry.work is None:
            raise AnswerRefused("the row does not say which command would be answered")
        return entry, route

    async def _end(self, transaction: Transaction, entry: Entry, route: Route, result: HandlerResult) -> TransactionResult:
        assert entry.work is not None
        key = (entry.saga_id, entry.step)
        tx = BarrierTransaction(
            transaction=transaction,
            calls=self.calls,
            command=entry.work,
            route=route,
            compensate_alone=key in self._compensated_alone,
        )
        try:
            recorded = await end_by_owner(tx, entry, result)
            await self._commit(
                transaction, "whether the answer was recorded is not known: give it again; AnswerRefused then means it was"
            )
        except Exception as error:
            if tx.last_run is not None:
                self._compensated_alone[key] = None
                if len(self._compensated_alone) > MAX_COMPENSATED_ALONE:
                    del self._compensated_alone[next(iter(self._compensated_alone))]
            if tx.replay is not None:
                raise Unavailable("the compensation that waited for this answer did not end: give the answer again") from error
            raise
        self._compensated_alone.pop(key, None)
        return recorded

    async def _deliver_follow_up(self, command: ReceivedCommand) -> tuple[Answer, ...]:
        """Serve what came meanwhile, in transactions of its own.

        If it fails the answer stays recorded.
        """
        try:
            return await self.deliver(command)
        except Exception as error:
            log_of(command.headers).warning("not served yet, it is asked again: %s", one_line(error))
            return ()

    async def _commit(self, transaction: Transaction, unknown: str) -> None:
        try:
            await transaction.commit()
        except CommitRefused as refused:
            raise refused.__cause__ or refused from None
        except CommitUnknown as lost:
            raise Unavailable(unknown) from lost


def _reference(ref: str) -> Reference:
    try:
        return Reference.parse(ref)
    except ValueError as error:
        raise AnswerRefused(str(error)) from None
