"""Test a participant's handlers in memory: the real barrier, the real codec, SQLite, no Kafka.

    async with ParticipantTester(payment) as tester:
        charge = ChargeCard(order_id="o-1", account="a", amount=100)
            reply = await tester.action("charge", charge)
        again = await tester.redeliver()
        undone = await tester.compensation("charge", RefundCard(...))
        assert reply.outcome is Outcome.SUCCEEDED
        assert again.value == reply.value          # asked again: same answer, no second effect
        assert undone.outcome is Outcome.UNDONE

Look at the effect through `tester.engine`. Handlers on asyncpg need a PostgreSQL URL.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import ReceivedCommand
from saga_participant.delivery.execution import Execution
from saga_participant.handling.containment import contained
from saga_participant.participant import Participant
from saga_schemas.binding import bind, record_for
from saga_schemas.codec import decode, encode
from saga_schemas.headers import CommandHeaders
from saga_schemas.ids import command_id, uuid7
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import EMPTY_BYTES, Empty, Failure, read_own

IN_MEMORY: Final = "sqlite+aiosqlite://"
HOUR_US: Final = 3_600_000_000

__all__ = ["NoReply", "Outcome", "ParticipantTester", "Reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply of the participant."""

    outcome: Outcome
    value: dict[str, Any]
    """The reply's record, as plain values."""
    failure: Failure | None
    """Code and message, with REJECTED and FAILED."""
    seq: int | None
    """Orders the replies IN_PROGRESS."""
    row_run: int | None
    """The run of the success that is reported, where it is newer than the command's."""
    to: CommandHeaders
    """The headers of the command that it answers."""


class NoReply(AssertionError):  # reads like the fact it is
    """The participant did not answer a command.

    A participant is silent when nobody knows what became of a command, as after an external handler
    raised, and when the command is of an older incarnation of the coordinator's database.

    Example:
        A test that expects silence:

        ```python
        with pytest.raises(NoReply):
            await tester.action("print", PrintVoucher(customer="ada"))
        ```
    """


class ParticipantTester:
    """Sends the commands of one saga to one participant. Use it with `async with`.

    Args:
        participant: The participant under test. It is prepared on `database` while the block runs.
        database: A SQLAlchemy URL or an engine. SQLite in memory, unless given.
        tenant: The tenant of the commands.

    Attributes:
        saga_id: The saga that commands are of.
        replies: Every reply so far, also those to earlier commands.

    Example:
        ```python
        async with ParticipantTester(payment) as tester:
            charge = ChargeCard(order_id="o-1", account="a", amount=100)
            reply = await tester.action("charge", charge)
            assert reply.outcome is Outcome.SUCCEEDED
        ```
    """

    def __init__(self, participant: Participant, *, database: AsyncEngine | str = IN_MEMORY, tenant: str = "default") -> None:
        self._participant = participant
        self._database = database
        self._tenant = tenant
        self._stack = AsyncExitStack()
        self._execution: Execution | None = None
        self._last: ReceivedCommand | None = None
        self._version = 0
        self.saga_id: UUID = UUID(int=0)
        self.replies: list[Reply] = []
        self.new_saga()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(contained())
        self._execution = await self._stack.enter_async_context(self._participant.on(self._database))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    @property
    def engine(self) -> AsyncEngine:
        """The engine of the database that the handlers work on."""
        return self._running.database.engine

    def new_saga(self) -> UUID:
        """Begin a new saga: commands from now on are of it.

        Returns:
            Its id.
        """
        self.saga_id = uuid7(time.time_ns() // 1000, os.urandom(10))
        return self.saga_id

    async def action(self, step: str, command: BaseModel, *, run: int = 1, expired: bool = False, incarnation: int = 1) -> Reply:
        """Ask for a step's action.

        Args:
            step: The step's name, as in a definition.
            command: The command, as the handler's model.
            run: The run of the step. An operator's retry raises it.
            expired: Whether the command comes after its expiry.
            incarnation: The incarnation of the coordinator's database. Lower ones than before are
                refused.

        Returns:
            The reply to this command.

        Raises:
            NoReply: The participant was silent.
        """
        return self._answered(await self._ask(Kind.ACTION, step, command, run, expired, incarnation))

    async def actions(self, step: str, commands: Sequence[BaseModel]) -> list[Reply]:
        """Ask for a step's action in several sagas at the same moment. A handler for many gets
        these commands by one call, up to 32 of them.

        Args:
            step: The step's name, as in a definition.
            commands: The commands, as in the handler's list. Each is of a new saga.

        Returns:
            The replies, in the order of the commands. The saga of each is `reply.to.saga_id`.

        Raises:
            NoReply: The participant was silent to one of them.
        """
        for handler in self._running.registry.handlers:
            self._running.groups.times.take_for_quick(handler.name)
        received = []
        for command in commands:
            self.new_saga()
            received.append(self._received(Kind.ACTION, step, command))
        replies = await asyncio.gather(*(self.deliver(each) for each in received))
        return [self._answered(reply) for reply in replies]

    async def compensation(
        self, step: str, command: BaseModel, *, run: int = 1, expired: bool = False, incarnation: int = 1
    ) -> Reply:
        """Ask for a step's compensation. Arguments, result and errors are those of `action`."""
        return self._answered(await self._ask(Kind.COMPENSATION, step, command, run, expired, incarnation))

    async def resolve(self, step: str, *, run: int = 1, expired: bool = False, incarnation: int = 1) -> Reply:
        """Ask what became of a step's action. Where nothing did, the step is fenced: nothing ever
        will.

        Arguments, result and errors are those of `action`.
        """
        return self._answered(await self._ask(Kind.RESOLVE, step, None, run, expired, incarnation))

    async def redeliver(self) -> Reply:
        """Send the last command again, as Kafka and coordinators do.

        Returns:
            The reply to this delivery.

        Raises:
            NoReply: The participant was silent.
        """
        assert self._last is not None, "nothing was delivered yet"
        headers = replace(self._last.headers, attempt=self._last.headers.attempt + 1, message_id=self._message_id())
        return self._answered(await self.deliver(replace(self._last, headers=headers)))

    async def deliver(self, command: ReceivedCommand) -> Reply | None:
        """Deliver a command as it is. Returns None when the participant is silent."""
        self._last = command
        answers = await self._running.deliver(command)
        replies = [self._read(answer) for answer in answers]
        self.replies += replies
        own = [reply for reply in replies if reply.to.message_id == command.headers.message_id]
        return own[-1] if own else None

    def _answered(self, reply: Reply | None) -> Reply:
        if reply is None:
            assert self._last is not None
            headers = self._last.headers
            raise NoReply(f"the participant did not answer the {headers.kind.value} of {headers.step}, run {headers.run}")
        return reply

    @property
    def _running(self) -> Execution:
        assert self._execution is not None, "use: async with ParticipantTester(…) as tester"
        return self._execution

    async def _ask(
        self, kind: Kind, step: str, command: BaseModel | None, run: int, expired: bool, incarnation: int
    ) -> Reply | None:
        return await self.deliver(self._received(kind, step, command, run, expired, incarnation))

    def _received(
        self, kind: Kind, step: str, command: BaseModel | None, run: int = 1, expired: bool = False, incarnation: int = 1
    ) -> ReceivedCommand:
        record, payload = Empty.avro_name, EMPTY_BYTES
        if command is not None:
            catalog = self._running.registry.catalog
            binding = bind(type(command), record_for(type(command), list(catalog)))
            record, payload = binding.schema.full_name, encode(binding.schema, binding.to_value(command))
        now_us = time.time_ns() // 1000
        headers = CommandHeaders(
            message_id=self._message_id(incarnation),
            source="tester",
            record=record,
            time_us=now_us,
            saga_id=self.saga_id,
            step=step,
            kind=kind,
            run=run,
            attempt=1,
            incarnation=incarnation,
            version=self._version,
            tenant=self._tenant,
            definition_hash="0" * 64,
            expiry_us=now_us + (-HOUR_US if expired else HOUR_US),
            token="tester",
        )
        return ReceivedCommand(headers=headers, payload=payload)

    def _message_id(self, incarnation: int = 1) -> str:
        self._version += 1
        return command_id(self.saga_id, incarnation, self._version, 0)

    def _read(self, answer: Answer) -> Reply:
        failure, value = None, {}
        if answer.outcome in (Outcome.REJECTED, Outcome.FAILED):
            failure = read_own(answer.content.payload, Failure)
        else:
            value = decode(answer.content.payload, self._running.registry.catalog).value
        return Reply(outcome=answer.outcome, value=value, failure=failure, seq=answer.seq, row_run=answer.row_run, to=answer.to)
