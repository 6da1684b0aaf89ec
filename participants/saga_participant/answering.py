"""Answers that are given later: `answering`, `progress` and `sending` of a `Participant`."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, TypeVar, overload

from saga_messaging.broker import Broker
from saga_messaging.clock import Clock, SystemClock
from saga_messaging.errors import ConfigurationError
from saga_messaging.patience import Patience
from saga_participant.barrier.answers import Answer
from saga_participant.consuming.answer_sender import Sending, not_sent, sending_as_configured, sent_in_time
from saga_participant.delivery.answer_block import AnswerLater
from saga_participant.delivery.execution import Execution
from saga_participant.handling.decorators import Decorators
from saga_participant.handling.handlers import Handle, handle_of
from saga_participant.outcomes import InProgress
from saga_participant.service import Service
from saga_participant.telemetry.tracing import TraceContext
from saga_schemas.topics import Topics

D = TypeVar("D")


class Answering(Decorators):
    """Gives answers later, in whatever process: one that serves commands, or one that does not."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._service: Service | None = None
        self._sending: Sending | None = None

    @abstractmethod
    async def prepare(self, patience: Patience | None = None) -> Execution:
        """Open the database, and see to the tables."""

    @abstractmethod
    async def close(self) -> None:
        """Close what `prepare` opened."""

    @overload
    def answering(self, ref: str) -> AbstractAsyncContextManager[tuple[Any, AnswerLater]]: ...

    @overload
    def answering(self, ref: str, *, db: type[D]) -> AbstractAsyncContextManager[tuple[D, AnswerLater]]: ...

    @contextlib.asynccontextmanager
    async def answering(self, ref: str, *, db: type[Any] | None = None) -> AsyncIterator[tuple[Any, AnswerLater]]:
        """Answer work that an action accepted with `InProgress`.

        On leaving the block the answer is committed and sent at once, also by a process that serves
        no commands (see `sending`). A block that raises records nothing. After `Rejected` nothing
        of what the block did in `db` stays; only the no is kept. A compensation that was waiting
        for the end runs in the same transaction.

        Args:
            ref: The step's reference, as `Step.ref` gave it.
            db: `AsyncConnection`, `AsyncSession` or `asyncpg.Connection`. None is the asyncpg
                connection where a handler of this participant takes one, else an `AsyncConnection`.

        Yields:
            `db`, the kit's own transaction, guarded as in a handler, and `answer`, to be called
                once
            with the action's reply or `Rejected(code, message)`.

        Raises:
            AnswerRefused: Nobody waits for the answer any more.
            Unavailable: Whether it was recorded is not known; or the database is away.
            TypeError: `db` or the answer is anything else.
            RuntimeError: The block ended without an answer, or gave two.

        Example:
            ```python
            async with payment.answering(ref, db=AsyncSession) as (db, answer):
                db.add(Charge(...))
                answer(CardCharged(charge_id="c-1"))
            ```
        """
        wanted = None if db is None else handle_of(db)
        if db is not None and wanted is None:
            raise TypeError(f"db is AsyncConnection, AsyncSession or asyncpg.Connection, not {db!r}")
        execution = await self.prepare()
        if wanted is Handle.ASYNCPG and not execution.database.has_asyncpg:
            raise ConfigurationError("db=asyncpg.Connection needs asyncpg under the participant's engine")
        async with execution.later.answering(ref, wanted) as (opened, answer, sent):
            yield opened, answer
        await self._send(sent)

    async def progress(self, ref: str, note: str, *, lease: timedelta | None = None) -> None:
        """Record and send the progress of work that an action accepted.

        Call it where the step's transaction is not open: neither in an `answering` block nor in a
        handler with a `db`.

        Args:
            ref: The step's reference, as `Step.ref` gave it.
            note: What goes on, for people.
            lease: From now, how long until the command goes to the handler again. None leaves it as
                it is.

        Raises:
            AnswerRefused: Nobody waits for the work any more: it may stop.
            Unavailable: Whether it was recorded is not known; or the database is away.

        Example:
            ```python
            await payment.progress(step.ref, "3 of 5")
            ```
        """
        news = InProgress(note) if lease is None else InProgress(note, lease=lease)
        execution = await self.prepare()
        await self._send(await execution.later.progress(ref, news, keep_lease=lease is None))

    @contextlib.asynccontextmanager
    async def sending(
        self, app: object = None, *, broker: Broker | None = None, topic_prefix: str = "", clock: Clock | None = None
    ) -> AsyncIterator[None]:
        """Send answers from a process that serves no commands, for as long as the block runs.

        Without it the first answer opens the same, until the event loop ends. With it a wrong
        configuration is raised at the start.

        Args:
            app: Given by FastAPI and Starlette. Nothing is done with it.
            broker: Where answers go; it stays the caller's. None is Kafka as the environment says.
            topic_prefix: Before the name of every topic of `broker`.
            clock: Time; for tests.

        Raises:
            ConfigurationError: A setting or something it names cannot be used.

        Example:
            ```python
            app = FastAPI(lifespan=payment.sending)

            async with payment.sending():
                ...
            ```
        """
        sending = (
            sending_as_configured(self.name)
            if broker is None
            else Sending(self.name, broker, topics=Topics(topic_prefix), clock=clock or SystemClock())
        )
        self._sending = sending
        try:
            await self.prepare()
            yield
        finally:
            await sending.close()
            await self.close()

    async def _send(self, answers: Sequence[Answer]) -> None:
        """Send at once, within a limit.

        What is not sent is in the row, and goes out when it is asked again.
        """
        if self._service is not None:
            return await sent_in_time(self._service.processor.send(answers, TraceContext()))
        try:
            if self._sending is None or not self._sending.works:
                self._sending = sending_as_configured(self.name)
            await sent_in_time(self._sending.send(answers))
        except ConfigurationError as error:
            not_sent(error)
        return None
