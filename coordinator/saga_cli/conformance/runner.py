"""Plays cases side by side, the heavy ones by themselves, and judges all that was said at the
end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from saga_cli.conformance.case import Case, Result, Status
from saga_cli.conformance.findings import Deviation, Exchange, Need, NotHere
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import act, resolve, undo
from saga_cli.conformance.stage import Stage
from saga_messaging.broker import BrokerError
from saga_schemas.errors import EncodingFailed, PlainInvalid

AT_ONCE: Final = 32
Told = Callable[[Result], None]


async def play_all(stage: Stage, cases: Sequence[Case], told: Told = lambda result: None) -> list[Result]:
    """What came of each case, in their order.

    Args:
        stage: The participant under test. Its line is open.
        cases: What to play.
        told: Called with each result as soon as it is known.
    """
    lacking = stage.missing()
    results: dict[str, Result] = {}

    def keep(result: Result) -> None:
        results[result.case.name] = result
        told(result)

    playable = []
    for case in cases:
        if missing := sorted(case.needs & lacking):
            keep(Result(case=case, status=Status.LEFT_OUT, seen="; ".join(missing)))
        else:
            playable.append(case)
    await _play(stage, [case for case in playable if case.play], keep)
    await _judge(stage, [case for case in playable if case.judge], keep)
    return [results[case.name] for case in cases]


async def _play(stage: Stage, cases: Sequence[Case], keep: Told) -> None:
    """Accepted work ends in its own time: its cases come before the others load the participant."""
    together = [case for case in cases if not case.alone and not case.idle]
    accepted = [case for case in together if Need.ACCEPT in case.needs]
    async with asyncio.TaskGroup() as group:
        group.create_task(_side_by_side(stage, [case for case in cases if case.idle], keep))
        await _side_by_side(stage, accepted, keep)
        await _side_by_side(stage, [case for case in together if case not in accepted], keep)
    for case in cases:
        if case.alone:
            keep(await _played(stage, case))


async def _judge(stage: Stage, cases: Sequence[Case], keep: Told) -> None:
    if cases:
        await _small_talk(stage)
    exchanges = stage.exchanges()
    for case in cases:
        keep(_judged(case, exchanges))


async def _side_by_side(stage: Stage, cases: Sequence[Case], keep: Told) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> None:
        async with turns:
            keep(await _played(stage, case))

    async with asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(one(case))


async def _played(stage: Stage, case: Case) -> Result:
    assert case.play is not None
    clock = asyncio.get_running_loop()
    began_s = clock.time()
    status, seen, says = Status.PASSED, "", ""
    try:
        await case.play(stage)
    except Deviation as deviation:
        status, seen, says = Status.FAILED, deviation.seen, deviation.says or case.says
    except (PlainInvalid, EncodingFailed) as unfit:
        status, seen, says = Status.FAILED, f"a body that was given does not fit: {unfit}", case.says
    except BrokerError as away:
        status, seen, says = Status.FAILED, f"Kafka: {away}", case.says
    except NotHere as reason:
        status, seen = Status.LEFT_OUT, str(reason)
    return Result(case=case, status=status, took_s=clock.time() - began_s, seen=seen, says=says)


async def _small_talk(stage: Stage) -> None:
    """A few plain exchanges, so that there is something to judge."""
    saga = stage.saga()
    asks = [act(), act(), resolve(), *([undo(), undo()] if Part.COMPENSATION in stage.given.bodies else []), act(2), act(1)]
    for ask in asks:
        try:
            await saga.ask(ask)
        except (Deviation, PlainInvalid, EncodingFailed):
            return  # the cases say it


def _judged(case: Case, exchanges: Sequence[Exchange]) -> Result:
    assert case.judge is not None
    about = 0
    for exchange in exchanges:
        verdict = case.judge(exchange)
        if isinstance(verdict, str):
            about_what = exchange.command or f"a command that names itself {exchange.reply.causation!r}"
            seen = f"{verdict}, in the answer {exchange.reply.outcome} to {about_what}"
            return Result(case=case, status=Status.FAILED, seen=seen, says=case.says)
        about += verdict
    if not about:
        return Result(case=case, status=Status.LEFT_OUT, seen="no reply was about this")
    return Result(case=case, status=Status.PASSED)
