"""Commands that come at the same time, to one process or to several."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.findings import Deviation, Need, NotHere
from saga_cli.conformance.messages import Ask, Command, Reply, act, resolve, undo
from saga_cli.conformance.saga import TestedSaga, expect
from saga_cli.conformance.stage import Stage

_SECTION: Final = "the-barrier"
_LOCK: Final = "Insert the row (ON CONFLICT DO NOTHING), or lock it (FOR UPDATE) if it is there. Decide from the row."
_ANSWERS: Final = "A participant must answer every command that it can read, also a repeated one."
_TWO: Final = (
    "Two commands of one saga and step may reach two processes of a participant at once. The barrier decides between them."
)
COPIES: Final = 40
ROUNDS: Final = 5
"""Without a lock on a row that is there, one round may pass by luck."""
PAIRS: Final = 10
_INSTANCES: Final = 2


async def _spread(stage: Stage, saga: TestedSaga, commands: Sequence[Command]) -> None:
    """Send commands at once, over all partitions where that can be chosen."""
    if stage.line.sideways is None:
        await saga.send(*commands)
        return
    topic = stage.line.command_topic
    numbers = sorted((await stage.line.broker.partitions([topic]))[topic])
    shares = [(number, commands[at :: len(numbers)]) for at, number in enumerate(numbers)]
    await asyncio.gather(*(saga.send(*share, partition=number) for number, share in shares if share))


def _same(replies: Sequence[Reply]) -> None:
    """All tell of one effect."""
    if len({(reply.outcome, reply.value) for reply in replies}) > 1:
        shown = sorted({str(reply) for reply in replies})
        raise Deviation(f"copies of one command got {len(shown)} different answers: {'; '.join(shown[:3])}", says=_LOCK)


async def _copies(saga: TestedSaga, stage: Stage, ask: Ask, outcome: str, copies: int = COPIES) -> None:
    command = saga.command(ask)
    await _spread(stage, saga, [command] * copies)
    replies = await saga.answers(command, copies)
    for reply in replies:
        expect(saga, reply, outcome)
    _same(replies)


@case("races.copies-of-an-action", f"{COPIES} copies of one action at once", f"{_ANSWERS} {_LOCK}", _SECTION)
async def _action_copies(stage: Stage) -> None:
    saga = stage.saga()
    await _copies(saga, stage, act(), "SUCCEEDED")
    await saga.check_effects(1, 0)


@case(
    "races.copies-of-a-compensation",
    f"{COPIES} copies of one compensation at once, {ROUNDS} times",
    f"{_ANSWERS} {_LOCK}",
    _SECTION,
    Need.COMPENSATION,
)
async def _compensation_copies(stage: Stage) -> None:
    for _ in range(ROUNDS):
        saga = stage.saga()
        expect(saga, await saga.ask(act()), "SUCCEEDED")
        await _copies(saga, stage, undo(), "UNDONE")
        await saga.check_effects(1, 1)


@case("races.attempts", f"{COPIES} attempts of one action at once", f"{_ANSWERS} {_LOCK}", _SECTION)
async def _attempts(stage: Stage) -> None:
    saga = stage.saga()
    commands = [saga.command(act()) for _ in range(COPIES)]
    await _spread(stage, saga, commands)
    replies = [await saga.answer(command) for command in commands]
    for reply in replies:
        expect(saga, reply, "SUCCEEDED")
    _same(replies)
    await saga.check_effects(1, 0)


@case(
    "races.runs",
    f"actions of {COPIES} newer runs at once after a fence, {ROUNDS} times",
    f"FENCED, r > row's run: run it. {_LOCK}",
    _SECTION,
)
async def _runs(stage: Stage) -> None:
    for _ in range(ROUNDS):
        await _runs_at_once(stage)


async def _runs_at_once(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(resolve(1)), "FENCED")
    commands = [saga.command(act(run)) for run in range(2, 2 + COPIES)]
    await _spread(stage, saga, commands)
    replies = [await saga.answer(command) for command in commands]
    if wrong := [reply for reply in replies if reply.outcome != "SUCCEEDED"]:
        raise Deviation(f"{saga.of(wrong[0])} was answered {wrong[0]}; SUCCEEDED was expected")
    _same(replies)
    await saga.check_effects(1, 0)


def _beside(name: str, other: Ask, both: Sequence[tuple[str, str]], *needs: Need) -> Case:
    """An action and another command of its run at once: whichever is first, both answers fit."""
    fitting = " or ".join(f"{first} and {second}" for first, second in both)

    @case(
        f"races.action-beside-{name}",
        f"an action beside a {name}, {PAIRS} times",
        f"{_LOCK} Both get {fitting}.",
        _SECTION,
        *needs,
    )
    async def play(stage: Stage) -> None:
        await asyncio.gather(*(one(stage) for _ in range(PAIRS)))

    async def one(stage: Stage) -> None:
        saga = stage.saga()
        action, beside = saga.command(act()), saga.command(other)
        await _spread(stage, saga, [action, beside])
        got = ((await saga.answer(action)).outcome, (await saga.answer(beside)).outcome)
        if got not in both:
            raise Deviation(f"the action was answered {got[0]} and the {name} beside it {got[1]}; {fitting} was expected")
        again = await saga.ask(act())
        expect(saga, again, "SUCCEEDED" if got == ("SUCCEEDED", "SUCCEEDED") else "FENCED")
        await saga.check_effects(int(got[0] == "SUCCEEDED"), int(got[1] == "UNDONE"))

    return play


@case("instances.one-command", "one command on every partition, to two processes", _TWO, "topics-and-keys", Need.PARTITIONS)
async def _instances(stage: Stage) -> None:
    readers = await stage.line.broker.readers(stage.line.group)
    if readers is not None and readers < _INSTANCES:
        raise NotHere("only one process reads the commands: run two of it")
    topic = stage.line.command_topic
    copies = len((await stage.line.broker.partitions([topic]))[topic])

    async def one() -> None:
        saga = stage.saga()
        await _copies(saga, stage, act(), "SUCCEEDED", copies)
        await saga.check_effects(1)

    await asyncio.gather(*(one() for _ in range(PAIRS)))


def race_cases() -> Iterator[Case]:
    yield from (_action_copies, _compensation_copies, _attempts, _runs)
    yield _beside("compensation", undo(), [("SUCCEEDED", "UNDONE"), ("FENCED", "NOTHING_TO_UNDO")], Need.COMPENSATION)
    yield _beside("resolve", resolve(), [("SUCCEEDED", "SUCCEEDED"), ("FENCED", "FENCED")])
    yield _instances
