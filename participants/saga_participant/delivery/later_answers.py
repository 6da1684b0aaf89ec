"""Accepted work from its owner's side: the answer that is given later, and news of it meanwhile.

Each is a transaction of its own on the row, and takes effect only while the row waits for it. What is to be sent is given back: it goes to
the newest command that asked, since only that is what the coordinator waits for.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Command, Entry
from saga_participant.barrier.table import Ending
from saga_participant.database.database import Database
from saga_participant.database.transactions import CommitRefused, CommitUnknown, Transaction
from saga_participant.delivery.accepted import micros, said_of
from saga_participant.delivery.answer_block import AnswerLater, Said
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.invocation import Ended
from saga_participant.delivery.plan import Plan
from saga_participant.delivery.turn import Turn
from saga_participant.handling.handlers import Handle
from saga_participant.handling.registry import Registry, Route
from saga_participant.outcomes import AnswerRefused, InProgress, Unavailable
from saga_participant.step import Reference
from saga_participant.telemetry.command_log import log_of
from saga_participant.telemetry.error_places import where
from saga_schemas.outcomes import Outcome

MOST_APART: Final = 1000


class _Unwound(Exception):  # closes `db` as after an error: a no keeps nothing of what the block did
    pass


@dataclass(slots=True)
class LaterAnswers:
    """`deliver`: how a command that came meanwhile is served after the end."""

    registry: Registry
    database: Database
    calls: Calls
    deliver: Callable[[Command], Awaitable[tuple[Answer, ...]]]
    _apart: dict[tuple[UUID, str], None] = field(default_factory=dict)
    """Steps whose compensation took an answer down with it: given again, the answer is recorded first, by itself."""

    @contextlib.asynccontextmanager
    async def answering(self, ref: str, wanted: Handle | None) -> AsyncIterator[tuple[Any, AnswerLater, list[Answer]]]:
        """The transaction of an answer given later: `db`, how to say the answer, and what is to be sent when the block is left.

        `wanted`: what `db` is; None is asyncpg's connection where a handler of the participant takes one, else SQLAlchemy's.
        """
        reference, sent = _reference(ref), list[Answer]()
        handle = wanted or self._usual()
        bare = handle is Handle.ASYNCPG and self.registry.bare
        said: Said | None = None
        plan: Plan | None = None
        with contextlib.suppress(_Unwound):
            async with self.database.begin(bare=bare) as transaction:
                entry, route = await self._locked(transaction, reference)
                said = Said(route)
                async with transaction.handle(handle) as db:
                    yield db, said, sent
                    if said.ended.ending is Ending.REJECTED:
                        raise _Unwound
                plan = await self._end(transaction, entry, route, said.ended)
        if plan is None:
            assert said is not None
            async with self.database.begin(bare=bare) as transaction:
                entry, route = await self._locked(transaction, reference)
                plan = await self._end(transaction, entry, route, said.ended)
        sent += plan.answers
        if plan.follow is not None:
            sent += await self._followed(plan.follow)

    async def progress(self, ref: str, said: InProgress, *, keep_lease: bool) -> list[Answer]:
        """News of accepted work: its number rises. `keep_lease`: the lease goes on as it was."""
        reference = _reference(ref)
        async with self.database.begin(bare=self.registry.bare) as transaction:
            entry, _ = await self._locked(transaction, reference)
            assert entry.pending is not None
            pending = replace(entry.pending, note=said.note)
            lease = entry.lease_until_us if keep_lease else await transaction.clock() + micros(said.lease)
            new = replace(entry, pending=pending, progress_seq=entry.progress_seq + 1, lease_until_us=lease)
            await transaction.save(new)
            await self._commit(transaction, "whether the progress was recorded is not known: tell it again")
        return [Answer(to=pending.newest, outcome=Outcome.IN_PROGRESS, content=said_of(new), seq=new.progress_seq)]

    def _usual(self) -> Handle:
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

    async def _end(self, transaction: Transaction, entry: Entry, route: Route, ended: Ended) -> Plan:
        assert entry.work is not None
        key = (entry.saga_id, entry.step)
        turn = Turn(transaction=transaction, calls=self.calls, command=entry.work, route=route, apart=key in self._apart)
        try:
            plan = await turn.answer_later(entry, ended)
            await self._commit(
                transaction, "whether the answer was recorded is not known: give it again; AnswerRefused then means it was"
            )
        except Exception as error:
            if turn.ran is not None:
                self._apart[key] = None
                if len(self._apart) > MOST_APART:
                    del self._apart[next(iter(self._apart))]
            if turn.again is not None:
                raise Unavailable("the compensation that waited for this answer did not end: give the answer again") from error
            raise
        self._apart.pop(key, None)
        return plan

    async def _followed(self, command: Command) -> tuple[Answer, ...]:
        """What came meanwhile, in transactions of its own. If it fails the answer is recorded all the same."""
        try:
            return await self.deliver(command)
        except Exception as error:
            log_of(command.headers).warning("not served yet, it is asked again: %s at %s", type(error).__name__, where(error))
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
