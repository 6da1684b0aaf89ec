"""One saga of the check: sends its commands, and knows which reply answers which.

A reply answers the command that it names in `ce_causationid`. A participant that names the wrong
one is still understood, so that only the case about that header fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from saga_cli.conformance.bench import Bench
from saga_cli.conformance.findings import Deviation, Exchange
from saga_cli.conformance.messages import Ask, Command, Place, Reply
from saga_schemas.ids import saga_text

IN_PROGRESS: Final = "IN_PROGRESS"
_MOST_SHOWN: Final = 3
_TELLING: Final = ("ce_sagatoken", "ce_sagakind", "ce_sagarun", "ce_sagaattempt")
"""Each command of the check has a token of its own."""
_UNIQUE_CHARS: Final = 12
_ATOMIC: Final = "The row is in the same database and the same transaction as the business effect."


@dataclass(kw_only=True)
class TestedSaga:
    """Made by `Stage.saga`."""

    bench: Bench
    id: UUID
    unique: str = field(default_factory=lambda: f"check-{uuid4().hex[:_UNIQUE_CHARS]}")
    commands: dict[str, Command] = field(default_factory=dict)
    """What was sent, by message id."""
    spoiled: bool = False
    """Some command was made wrong on purpose."""
    _heard_before: dict[str, int] = field(default_factory=dict)
    _attempts: dict[tuple[str, int], int] = field(default_factory=dict)
    _version: int = 0

    # --- sending ----------------------------------------------------------------------------------

    def command(self, ask: Ask) -> Command:
        """The next command of this saga. It is not sent."""
        self._version += 1
        attempt = self._attempts[ask.kind.value, ask.run] = self._attempts.get((ask.kind.value, ask.run), 0) + 1
        place = Place(
            saga_id=self.id,
            unique=self.unique,
            attempt=attempt,
            version=self._version,
            now_us=time.time_ns() // 1000,
            reply=self._action_reply(),
        )
        return self.bench.composer.compose(ask, place)

    async def send(self, *commands: Command, codec: str = "", partition: int | None = None) -> None:
        """Send commands together. With a codec or a partition they go sideways."""
        for command in commands:
            self.note(command)
        records = [command.outgoing(self.bench.line.command_topic) for command in commands]
        if codec or partition is not None:
            await self.bench.sideways.send(records, codec=codec or "none", partition=partition)
        else:
            await self.bench.line.send(records)

    def note(self, command: Command) -> None:
        """The command is sent, by us or by somebody else."""
        self.commands[command.id] = command
        self._heard_before.setdefault(command.id, len(self.replies))

    # --- hearing ----------------------------------------------------------------------------------

    async def ask(self, ask: Ask) -> Reply:
        """Send a command; the answer to it."""
        command = self.command(ask)
        await self.send(command)
        return await self.answer(command)

    async def answer(self, command: Command) -> Reply:
        """The first answer to a command that was sent."""
        return (await self.answers(command, 1))[0]

    async def answers(self, command: Command, count: int) -> list[Reply]:
        """The first so many answers to it.

        Raises:
            Deviation: They did not come in time.
        """
        limit_s = self.bench.patience.reply_s
        found = await self.bench.line.until(lambda: self._answers(command, count), limit_s)
        if found is None:
            few = f"only {len(self._exact(command))} answers of {count}" if count > 1 else "no answer"
            raise Deviation(f"{command}: {few} within {limit_s:g} s{self._others(command)}")
        return found

    async def silent(self, command: Command, marker: Ask) -> None:
        """Send a command that nobody may answer, and behind it one that is answered.

        Raises:
            Deviation: The first one was answered.
        """
        behind = self.command(marker)
        await self.send(command, behind)
        await self.answer(behind)
        await asyncio.sleep(self.bench.patience.quiet_s)
        if answers := self._exact(command):
            raise Deviation(f"{command} was answered {answers[0]}; silence was expected")

    async def end(self) -> Reply:
        """The definite answer to work that was accepted, given later and unasked.

        Raises:
            Deviation: It did not come in time.
        """
        limit_s = self.bench.patience.later_s
        found = await self.bench.line.until(lambda: next(iter(self.late_answers()), None), limit_s)
        if found is None:
            raise Deviation(f"work that was accepted was not answered by itself within {limit_s:g} s{self._others(None)}")
        return found

    def late_answers(self) -> list[Reply]:
        """Definite answers to commands that were answered IN_PROGRESS before."""
        waiting: set[str] = set()
        found = []
        for reply in self.replies:
            if reply.outcome == IN_PROGRESS:
                waiting.add(reply.causation)
            elif reply.causation in waiting:
                found.append(reply)
        return found

    @property
    def replies(self) -> list[Reply]:
        """All replies of this saga so far, in their order."""
        heard = self.bench.line.heard.get(saga_text(self.id), [])
        return [Reply(record=record, heard_s=at, catalog=self.bench.composer.catalog) for at, record in heard]

    def exchanges(self) -> list[Exchange]:
        """Each reply with the command that it answers."""
        return [
            Exchange(command=self._meant(reply) or self.of(reply), reply=reply, spoiled=self.spoiled) for reply in self.replies
        ]

    def _meant(self, reply: Reply) -> Command | None:
        """The one command whose token, kind, run and attempt the reply echoes."""
        echoed = [reply.header(name) for name in _TELLING]
        return next(
            (command for command in self.commands.values() if [command.header(name) for name in _TELLING] == echoed), None
        )

    def of(self, reply: Reply) -> Command | None:
        """The command that a reply names."""
        return self.commands.get(reply.causation)

    # --- effects ----------------------------------------------------------------------------------

    async def check_effects(self, actions: int, undos: int | None = None) -> None:
        """Compare with what the effects query counts, where one is given.

        Raises:
            Deviation: It counts otherwise.
        """
        outside = self.bench.outside
        if outside is None or not outside.counts_effects:
            return
        counted = await outside.count_effects(saga_text(self.id), self.unique)
        expected = [actions] if undos is None else [actions, undos]
        if counted[: len(expected)] != expected[: len(counted)]:
            shown = " and ".join(str(number) for number in counted)
            raise Deviation(f"the effects query counts {shown} for saga {self.id}; {_words(expected)} was expected", says=_ATOMIC)

    # --- within -----------------------------------------------------------------------------------

    def _exact(self, command: Command) -> list[Reply]:
        return [reply for reply in self.replies if reply.causation == command.id]

    def _answers(self, command: Command, count: int) -> list[Reply] | None:
        exact = self._exact(command)
        if len(exact) >= count:
            return exact[:count]
        now_s = asyncio.get_running_loop().time()
        strays = [reply for reply in self._strays(command) if now_s - reply.heard_s > self.bench.patience.stray_s]
        return strays[:1] if count == 1 and strays else None

    def _strays(self, command: Command) -> list[Reply]:
        """Replies since the command that answer nothing else."""
        replies = self.replies
        since = self._heard_before.get(command.id, 0)
        return [reply for at, reply in enumerate(replies) if at >= since and self._unexplained(reply, replies[:at])]

    def _unexplained(self, reply: Reply, before: Sequence[Reply]) -> bool:
        earlier = [one for one in before if one.causation == reply.causation]
        return reply.causation not in self.commands or bool(earlier and earlier[-1].outcome != IN_PROGRESS)

    def _others(self, command: Command | None) -> str:
        since = 0 if command is None else self._heard_before.get(command.id, 0)
        came = [f"{reply} to {self.of(reply) or reply.causation}" for reply in self.replies[since:]]
        return f"; meanwhile came: {'; '.join(came[-_MOST_SHOWN:])}" if came else ""

    def _action_reply(self) -> dict[str, Any]:
        done = (
            reply for reply in reversed(self.replies) if reply.outcome == "SUCCEEDED" and reply.header("ce_sagakind") == "action"
        )
        return next((reply.content or {} for reply in done), {})


def _words(numbers: Sequence[int]) -> str:
    names: tuple[Callable[[int], str], ...] = (lambda n: f"{n} of the action", lambda n: f"{n} of the compensation")
    return " and ".join(name(number) for name, number in zip(names, numbers, strict=False))


def expect(saga: TestedSaga, reply: Reply, *outcomes: str, row_run: int | None = None, value: bytes | None = None) -> None:
    """Compare an answer with what the page says.

    Args:
        saga: Whose it is.
        reply: The answer.
        outcomes: The outcomes that are right.
        row_run: What `ce_sagarowrun` has to say; None: it must not be there.
        value: The remembered bytes that it has to carry; None: any.

    Raises:
        Deviation: It is another.
    """
    asked = saga.of(reply) or "a command"
    wanted = " or ".join(outcomes)
    if reply.outcome not in outcomes:
        raise Deviation(f"{asked} was answered {reply}; {wanted} was expected")
    if reply.header("ce_sagarowrun") != (None if row_run is None else str(row_run)):
        expected = "no ce_sagarowrun" if row_run is None else f"ce_sagarowrun {row_run}"
        raise Deviation(f"{asked} was answered {reply}; {expected} was expected")
    if value is not None and reply.value != value:
        raise Deviation(f"{asked} was answered with the value {reply.value.hex()}, not with the remembered {value.hex()}")
