"""Work that is accepted and answered later: the cells of a row ACCEPTED, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.cases.barrier import AGES, ROW_RUN, show_row
from saga_cli.conformance.findings import Deviation, Need, NotHere
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import Ask, Reply, act, resolve, undo
from saga_cli.conformance.saga import IN_PROGRESS, TestedSaga, expect
from saga_cli.conformance.stage import Stage
from saga_schemas.outcomes import Kind

_SECTION: Final = "accepted-work"
_ACCEPTED: Final = (
    "B4, B5: IN_PROGRESS. At the end of the work the newest command with a run >= the row's is answered in its own kind."
)
_WISH: Final = (
    "B4: the wish to undo is noted, IN_PROGRESS. With a wish, the end of the work is undone in the same transaction: UNDONE."
)
_NO_WISH: Final = "B5, a compensation of an older run: IN_PROGRESS, no wish noted."
_ONLY_THE_WISH: Final = (
    "With a wish, the waiting compensation is decided by the table, and only it is answered. A wish only rises; a newer "
    "compensation takes the place of an older one."
)
_PROGRESS: Final = (
    "The answer to a command that merely comes again carries the number as it is. Accepting the command makes it 1."
)
_UNDONE: Final = "A row DONE, compensation of its run: UNDONE."
_NEWEST: Final = (
    "Newest is the highest (incarnation, version, attempt), of whatever kind. A newer compensation takes the place of an "
    "older one."
)
_LOSES: Final = (
    "The end of the work takes effect only if the row is still ACCEPTED and of the same run: it loses against a fence and "
    "against a newer run."
)


async def _accepted(stage: Stage, run: int = ROW_RUN) -> TestedSaga:
    """A saga whose row is ACCEPTED."""
    saga = stage.saga()
    reply = await saga.ask(act(run, Part.ACCEPT))
    if reply.outcome != IN_PROGRESS:
        raise Deviation(f"no row ACCEPTED to begin with: the {act(run, Part.ACCEPT)} was answered {reply}")
    return saga


async def _ended(saga: TestedSaga, outcome: str, *, run: int = ROW_RUN) -> Reply:
    """The answer that comes by itself; it answers a command of that run or a newer one."""
    reply = await saga.end()
    if reply.outcome != outcome:
        raise Deviation(f"the end of the work was answered {reply} to {saga.of(reply)}; {outcome} was expected")
    if (reply.number("ce_sagarun") or 0) < run:
        raise Deviation(f"the end of the work of run {run} was answered to {saga.of(reply)}, which is of an older run")
    return reply


def _soon(ask: Ask) -> str:
    return f"the work ended before the {ask} came: let --accept take some seconds"


def _asked_again(ask: Ask, age: int) -> Case:
    """An action or RESOLVE while the work goes on: its end is that of the action."""

    @case(
        f"barrier.accepted.{ask.kind.value}.{AGES[age]}",
        f"a row ACCEPTED of run {ROW_RUN} meets the {ask.kind.value} of run {ask.run}",
        _ACCEPTED,
        _SECTION,
        Need.ACCEPT,
    )
    async def play(stage: Stage) -> None:
        saga = await _accepted(stage)
        reply = await saga.ask(ask)
        if reply.outcome == "FENCED" and ask.kind is Kind.RESOLVE and ask.run >= ROW_RUN:  # its handler allows a fence
            await saga.check_effects(await show_row(saga, "FENCED", ask.run), 0)
            return
        if saga.late_answers() and reply.outcome == "SUCCEEDED":
            raise NotHere(_soon(ask))
        expect(saga, reply, IN_PROGRESS)
        end = await _ended(saga, "SUCCEEDED")
        newest = saga.of(saga.replies[0]) if ask.run < ROW_RUN else saga.of(reply)
        if saga.of(end) is not newest:
            raise Deviation(f"the end of the work was answered to {saga.of(end)}; the newest command of its run was {newest}")
        value = end.value
        expect(saga, await saga.ask(act(max(ask.run, ROW_RUN))), "SUCCEEDED", value=value)
        await saga.check_effects(1, 0)

    return play


@case(
    "barrier.accepted.compensation.older",
    f"a row ACCEPTED of run {ROW_RUN} meets the compensation of run 1",
    _NO_WISH,
    _SECTION,
    Need.ACCEPT,
    Need.COMPENSATION,
)
async def _no_wish(stage: Stage) -> None:
    saga = await _accepted(stage)
    expect(saga, await saga.ask(undo(ROW_RUN - 1)), IN_PROGRESS)
    await _ended(saga, "SUCCEEDED")
    await show_row(saga, "DONE", ROW_RUN)
    await saga.check_effects(1, 0)


def _wish(run: int) -> Case:
    @case(
        f"barrier.accepted.compensation.{AGES[run - 1]}",
        f"a row ACCEPTED of run {ROW_RUN} meets the compensation of run {run}",
        _WISH,
        _SECTION,
        Need.ACCEPT,
        Need.COMPENSATION,
    )
    async def play(stage: Stage) -> None:
        saga = await _accepted(stage)
        reply = await saga.ask(undo(run))
        if reply.outcome == "NOTHING_TO_UNDO":  # it was called off, which a participant may do
            await saga.check_effects(await show_row(saga, "FENCED", run), 0)
            return
        if reply.outcome == "UNDONE":
            raise NotHere(_soon(undo(run)))
        expect(saga, reply, IN_PROGRESS)
        await _ended(saga, "UNDONE", run=run)
        ran = 1 + await show_row(saga, "UNDONE", run)
        await saga.check_effects(ran, 1)

    return play


def _wish_stays(name: str, title: str, *asks: Ask, run: int) -> Case:
    """Several commands while the work goes on; its end answers the compensation of one run."""

    @case(f"later.{name}", title, _ONLY_THE_WISH, _SECTION, Need.ACCEPT, Need.COMPENSATION)
    async def play(stage: Stage) -> None:
        saga = await _accepted(stage)
        for ask in asks:
            reply = await saga.ask(ask)
            if reply.outcome in ("NOTHING_TO_UNDO", "UNDONE"):
                raise NotHere(f"the work was called off, or ended, before the {ask} came")
            expect(saga, reply, IN_PROGRESS)
        end = await _ended(saga, "UNDONE", run=run)
        if end.number("ce_sagarun") != run:
            raise Deviation(f"the end of the work was answered to {saga.of(end)}; the wish was of run {run}")
        await saga.check_effects(1 + await show_row(saga, "UNDONE", run), 1)

    return play


def _newest_answered(name: str, title: str, *asks: Ask, newest: int, outcome: str) -> Case:
    """Commands that come in the reverse of their order; the end answers the newest."""
    needs = [Need.COMPENSATION] if outcome == "UNDONE" else []

    @case(f"later.{name}", title, _NEWEST, _SECTION, Need.ACCEPT, *needs)
    async def play(stage: Stage) -> None:
        saga = await _accepted(stage)
        commands = [saga.command(ask) for ask in asks]
        for command in reversed(commands):
            await saga.send(command)
            reply = await saga.answer(command)
            if reply.outcome in ("NOTHING_TO_UNDO", outcome):
                raise NotHere(f"the work was called off, or ended, before {command} came")
            expect(saga, reply, IN_PROGRESS)
        end = await _ended(saga, outcome)
        if end.causation != commands[newest].id:
            told = f"version {end.header('ce_sagaversion')} of incarnation {end.header('ce_sagaincarnation')}"
            expected = commands[newest]
            wanted = f"version {expected.header('ce_sagaversion')} of incarnation {expected.header('ce_sagaincarnation')}"
            raise Deviation(f"the end of the work was answered to {saga.of(end)}, {told}; the newest command was of {wanted}")
        await saga.check_effects(1, int(outcome == "UNDONE"))

    return play


@case(
    "later.same-number", "progress is numbered, and the number stays while there is no news", _PROGRESS, "progress", Need.ACCEPT
)
async def _numbers(stage: Stage) -> None:
    saga = await _accepted(stage)
    first = saga.replies[0].number("ce_sagaseq")
    again = await saga.ask(act(ROW_RUN, Part.ACCEPT))
    if again.outcome != IN_PROGRESS:
        raise NotHere(_soon(act(ROW_RUN, Part.ACCEPT)))
    second = again.number("ce_sagaseq")
    newest = max((reply.number("ce_sagaseq") or 0 for reply in saga.replies if reply.causation != again.causation), default=0)
    if first is None or first < 1 or second != newest:
        raise Deviation(f"ce_sagaseq was {first} first and {newest} before it was asked again, and {second} then")
    await _ended(saga, "SUCCEEDED")


@case(
    "later.remembered",
    "an answer given later is remembered",
    "The row is the memory: SUCCEEDED, stored reply.",
    _SECTION,
    Need.ACCEPT,
)
async def _remembered(stage: Stage) -> None:
    saga = await _accepted(stage)
    reply = await _ended(saga, "SUCCEEDED")
    expect(saga, await saga.ask(act(ROW_RUN)), "SUCCEEDED", value=reply.value)
    expect(saga, await saga.ask(resolve(ROW_RUN)), "SUCCEEDED", value=reply.value)
    await saga.check_effects(1, 0)


@case(
    "later.undone-afterwards",
    "work that was answered later is undone",
    _UNDONE,
    _SECTION,
    Need.ACCEPT,
    Need.COMPENSATION,
)
async def _undone(stage: Stage) -> None:
    saga = await _accepted(stage)
    await _ended(saga, "SUCCEEDED")
    expect(saga, await saga.ask(undo(ROW_RUN)), "UNDONE")
    await saga.check_effects(1, 1)


@case("later.loses-against-a-newer-run", "the end of fenced work while a newer run is at work", _LOSES, _SECTION, Need.ACCEPT)
async def _newer_run(stage: Stage) -> None:
    saga = await _accepted(stage, run=1)
    if (await saga.ask(resolve(1))).outcome != "FENCED":
        raise NotHere("the handler allows no fence while work goes on")
    expect(saga, await saga.ask(act(2, Part.ACCEPT)), IN_PROGRESS)
    reply = await saga.end()
    if reply.header("ce_sagarun") != "2":
        raise Deviation(f"work of run 1 was fenced, and its end was answered {reply} to {saga.of(reply)} all the same")
    await saga.check_effects(1, 0)


def later_cases() -> Iterator[Case]:
    for age in range(len(AGES)):
        yield _asked_again(act(age + 1), age)
    yield _no_wish
    yield from (_wish(ROW_RUN), _wish(ROW_RUN + 1))
    for age in range(len(AGES)):
        yield _asked_again(resolve(age + 1), age)
    yield _wish_stays("wish-and-an-action-behind-it", "an action behind the wish to undo", undo(2), act(2), run=2)
    yield _wish_stays("wish-only-rises", "an older wish behind a newer one", undo(3), undo(2), run=3)
    yield _newest_answered(
        "newest-of-actions", "an older attempt comes behind a newer one", act(2), act(2), newest=1, outcome="SUCCEEDED"
    )
    yield _newest_answered(
        "newest-of-compensations",
        "an older wish comes behind a newer one of its run",
        undo(2),
        undo(2),
        newest=1,
        outcome="UNDONE",
    )
    yield _newest_answered(
        "newest-incarnation",
        "a command of a newer incarnation has a lower version, as after a restore",
        act(2, incarnation=2),
        act(2),
        newest=0,
        outcome="SUCCEEDED",
    )
    yield from (_numbers, _remembered, _undone, _newer_run)
