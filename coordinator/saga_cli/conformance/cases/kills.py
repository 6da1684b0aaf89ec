"""The participant is killed in the middle of its work, and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.findings import Deviation, Need
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import Ask, Reply, act, undo
from saga_cli.conformance.saga import IN_PROGRESS, TestedSaga, expect
from saga_cli.conformance.stage import Stage

_SECTION: Final = "the-barrier"
_SAYS: Final = "Commit. Then answer. Then commit the offset: a command that was not answered comes again and meets the row."
SAGAS: Final = 200
KILLS: Final = 3
"""What is wrong between two commits takes some luck to be hit."""
_AFTER: Final = 10
"""So many answers come before the kill."""
_AT_ONCE: Final = 20
_AGAIN_S: Final = 2.0
_LIMIT_S: Final = 90.0


async def _through_a_kill(stage: Stage, sagas: Sequence[TestedSaga], ask: Ask, outcome: str) -> None:
    """Ask all, kill in the middle, start, and ask again who has not answered."""
    sending = asyncio.create_task(_together(stage, sagas, ask))
    try:
        await stage.line.until(lambda: sum(bool(_heard(saga, ask)) for saga in sagas) >= _AFTER or None, stage.patience.reply_s)
        await stage.outside_or_fail.kill()
    finally:
        await sending
    await stage.outside_or_fail.start()
    end_s = asyncio.get_running_loop().time() + _LIMIT_S
    while waiting := [saga for saga in sagas if not _heard(saga, ask)]:
        if asyncio.get_running_loop().time() > end_s:
            raise Deviation(f"{len(waiting)} of {len(sagas)} sagas had no answer to the {ask} within {_LIMIT_S:g} s of the kill")
        await asyncio.gather(*(saga.send(saga.command(ask)) for saga in waiting))
        await stage.line.until(lambda: all(_heard(saga, ask) for saga in sagas) or None, _AGAIN_S)
    for saga in sagas:
        replies = _heard(saga, ask)
        for reply in replies:
            expect(saga, reply, outcome)
        if len({reply.value for reply in replies}) > 1:
            raise Deviation(f"the {ask} was answered with different values: {replies[0]} and {replies[-1]}")


async def _together(stage: Stage, sagas: Sequence[TestedSaga], ask: Ask) -> None:
    """In one batch: one by one they would be served as fast as they come, and none be in hand."""
    commands = [(saga, saga.command(ask)) for saga in sagas]
    for saga, command in commands:
        saga.note(command)
    await stage.line.send([command.outgoing(stage.line.command_topic) for _, command in commands])


def _heard(saga: TestedSaga, ask: Ask) -> list[Reply]:
    return [reply for reply in saga.replies if (command := saga.of(reply)) is not None and command.ask.kind is ask.kind]


@case("kill.actions", f"{SAGAS} actions, and a kill in the middle, {KILLS} times", _SAYS, _SECTION, Need.KILL, alone=True)
async def _actions(stage: Stage) -> None:
    for _ in range(KILLS):
        sagas = [stage.saga() for _ in range(SAGAS)]
        await _through_a_kill(stage, sagas, act(), "SUCCEEDED")
        await asyncio.gather(*(saga.check_effects(1, 0) for saga in sagas))


@case(
    "kill.compensations",
    f"{SAGAS} compensations, and a kill in the middle, {KILLS} times",
    _SAYS,
    _SECTION,
    Need.KILL,
    Need.COMPENSATION,
    alone=True,
)
async def _compensations(stage: Stage) -> None:
    for _ in range(KILLS):
        sagas = [stage.saga() for _ in range(SAGAS)]
        for at in range(0, SAGAS, _AT_ONCE):
            await asyncio.gather(*(_done(saga) for saga in sagas[at : at + _AT_ONCE]))
        await _through_a_kill(stage, sagas, undo(), "UNDONE")
        await asyncio.gather(*(saga.check_effects(1, 1) for saga in sagas))


async def _done(saga: TestedSaga) -> None:
    expect(saga, await saga.ask(act()), "SUCCEEDED")


@case(
    "kill.accepted",
    "work that was accepted before a kill",
    "An ACCEPTED row remembers its action command: IN_PROGRESS until it ends.",
    _SECTION,
    Need.KILL,
    Need.ACCEPT,
    alone=True,
)
async def _accepted(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(act(1, Part.ACCEPT)), IN_PROGRESS)
    await stage.outside_or_fail.kill()
    await stage.outside_or_fail.start()
    expect(saga, await saga.ask(act(1)), IN_PROGRESS, "SUCCEEDED")


def kill_cases() -> Iterator[Case]:
    yield from (_actions, _compensations, _accepted)
