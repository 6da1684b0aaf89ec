"""The participant is killed in the middle of its work, and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.findings import Deviation, Need
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import Ask, Command, Reply, act, undo
from saga_cli.conformance.saga import IN_PROGRESS, TestedSaga, expect
from saga_cli.conformance.stage import Stage

_SECTION: Final = "the-barrier"
_SAYS: Final = "Commit. Then answer. Then commit the offset: a command that was not answered comes again and meets the row."
SAGAS: Final = 60
_AFTER: Final = SAGAS // 6
"""So many answers come before the kill."""
_AGAIN_S: Final = 2.0
_LIMIT_S: Final = 90.0


async def _through_a_kill(stage: Stage, sagas: Sequence[TestedSaga], ask: Ask, outcome: str) -> None:
    """Ask all, kill in the middle, start, and ask again who has not answered."""
    commands = {saga.unique: saga.command(ask) for saga in sagas}
    await asyncio.gather(*(saga.send(commands[saga.unique]) for saga in sagas))
    await stage.line.until(lambda: _answered(sagas, commands) >= _AFTER or None, stage.patience.reply_s)
    await stage.outside_or_fail.kill()
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


def _answered(sagas: Sequence[TestedSaga], commands: dict[str, Command]) -> int:
    return sum(any(reply.causation == commands[saga.unique].id for reply in saga.replies) for saga in sagas)


def _heard(saga: TestedSaga, ask: Ask) -> list[Reply]:
    return [reply for reply in saga.replies if (command := saga.of(reply)) is not None and command.ask.kind is ask.kind]


@case("kill.actions", f"{SAGAS} actions, and a kill in the middle", _SAYS, _SECTION, Need.KILL, alone=True)
async def _actions(stage: Stage) -> None:
    sagas = [stage.saga() for _ in range(SAGAS)]
    await _through_a_kill(stage, sagas, act(), "SUCCEEDED")
    await asyncio.gather(*(saga.check_effects(1, 0) for saga in sagas))


@case(
    "kill.compensations",
    f"{SAGAS} compensations, and a kill in the middle",
    _SAYS,
    _SECTION,
    Need.KILL,
    Need.COMPENSATION,
    alone=True,
)
async def _compensations(stage: Stage) -> None:
    sagas = [stage.saga() for _ in range(SAGAS)]
    for saga in sagas:
        expect(saga, await saga.ask(act()), "SUCCEEDED")
    await _through_a_kill(stage, sagas, undo(), "UNDONE")
    await asyncio.gather(*(saga.check_effects(1, 1) for saga in sagas))


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
