"""Commands that meet no row, technical failures, and effects that are counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.cases.barrier import show_row
from saga_cli.conformance.findings import Deviation, Need
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import Ask, act, resolve, undo
from saga_cli.conformance.saga import expect
from saga_cli.conformance.stage import Stage

_BARRIER: Final = "the-barrier"
_ABSENT: Final = "B3, absent: run the action; a compensation or a RESOLVE makes the row FENCED: NOTHING_TO_UNDO, FENCED."
_FAILED: Final = "B3, a technical failure leaves no row: FAILED. B10, B12: a failure leaves the row."
_KEPT: Final = (
    "B6, a compensation that fails or is refused leaves DONE of its own run: FAILED, REJECTED. It raises the row's "
    "incarnation all the same."
)
_EFFECTS: Final = "The row is in the same database and the same transaction as the business effect."


def _absent(ask: Ask, outcome: str, state: str) -> Case:
    needs = [need for need, part in ((Need.REJECT, Part.REJECT), (Need.COMPENSATION, Part.COMPENSATION)) if ask.part is part]

    @case(f"barrier.absent.{outcome.lower()}", f"the {ask} without a row", _ABSENT, _BARRIER, *needs)
    async def play(stage: Stage) -> None:
        saga = stage.saga()
        expect(saga, await saga.ask(ask), outcome)
        ran = int(outcome == "SUCCEEDED") + await show_row(saga, state, ask.run)
        await saga.check_effects(ran, 0)

    return play


@case("barrier.absent.done-without-a-newer-run", "a row that was just made is of its command's run", _ABSENT, _BARRIER)
async def _no_row_run(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(act(1)), "SUCCEEDED")
    expect(saga, await saga.ask(resolve(1)), "SUCCEEDED")


@case("failed.leaves-no-row", "RESOLVE after a technical failure", _FAILED, _BARRIER, Need.FAIL)
async def _failed_resolve(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(act(1, Part.FAIL)), "FAILED")
    expect(saga, await saga.ask(resolve(1)), "FENCED")
    await saga.check_effects(0, 0)


@case("failed.runs-again", "an action after a technical failure is run", _FAILED, _BARRIER, Need.FAIL)
async def _failed_again(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(act(1, Part.FAIL)), "FAILED")
    expect(saga, await saga.ask(act(1, Part.FAIL)), "FAILED", "SUCCEEDED")
    expect(saga, await saga.ask(act(1)), "SUCCEEDED")
    await saga.check_effects(1, 0)


@case("failed.nothing-to-undo", "a compensation after a technical failure", _FAILED, _BARRIER, Need.FAIL, Need.COMPENSATION)
async def _failed_undo(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(act(1, Part.FAIL)), "FAILED")
    expect(saga, await saga.ask(undo(1)), "NOTHING_TO_UNDO")
    await saga.check_effects(0, 0)


@case("failed.fence-stays", "a technical failure of a newer run leaves the fence", _FAILED, _BARRIER, Need.FAIL)
async def _failed_fence(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(resolve(1)), "FENCED")
    expect(saga, await saga.ask(act(2, Part.FAIL)), "FAILED")
    expect(saga, await saga.ask(act(1)), "FENCED")
    expect(saga, await saga.ask(act(2)), "SUCCEEDED")
    await saga.check_effects(1, 0)


@case("failed.rejection-stays", "a technical failure leaves the no", _FAILED, _BARRIER, Need.FAIL, Need.REJECT)
async def _failed_rejection(stage: Stage) -> None:
    saga = stage.saga()
    value = (await saga.ask(act(1, Part.REJECT))).value
    expect(saga, await saga.ask(act(2, Part.FAIL)), "FAILED")
    expect(saga, await saga.ask(act(1)), "REJECTED", value=value)


def _no_undo(name: str, part: Part, outcome: str, need: Need) -> Case:
    @case(f"failed.compensation-{name}", f"a compensation that is {outcome}", _KEPT, _BARRIER, Need.COMPENSATION, need)
    async def play(stage: Stage) -> None:
        saga = stage.saga()
        expect(saga, await saga.ask(act(2)), "SUCCEEDED")
        expect(saga, await saga.ask(undo(3, part, incarnation=2)), outcome)
        await saga.silent(saga.command(act(2)), resolve(1, incarnation=2))
        expect(saga, await saga.ask(resolve(1, incarnation=2)), "SUCCEEDED", row_run=2)
        await saga.check_effects(1, 0)
        expect(saga, await saga.ask(undo(2, incarnation=2)), "UNDONE")
        await saga.check_effects(1, 1)

    return play


def _counted(name: str, asks: tuple[Ask, ...], actions: int, undos: int, *needs: Need) -> Case:
    title = ", ".join(str(ask) for ask in asks)

    @case(f"effects.{name}", f"effects after: {title}", _EFFECTS, _BARRIER, Need.EFFECTS, *needs)
    async def play(stage: Stage) -> None:
        saga = stage.saga()
        for ask in asks:
            await saga.ask(ask)
        try:
            await saga.check_effects(actions, undos)
        except Deviation as wrong:
            raise Deviation(f"{wrong.seen} after {title}", wrong.says) from None

    return play


def absent_cases() -> Iterator[Case]:
    """Cells of the absent row, then failures."""
    yield _absent(act(2), "SUCCEEDED", "DONE")
    yield _absent(act(2, Part.REJECT), "REJECTED", "REJECTED")
    yield _absent(undo(2), "NOTHING_TO_UNDO", "FENCED")
    yield _absent(resolve(2), "FENCED", "FENCED")
    yield _no_row_run
    yield from (_failed_resolve, _failed_again, _failed_undo, _failed_fence, _failed_rejection)
    yield _no_undo("fails", Part.FAIL_COMPENSATION, "FAILED", Need.FAIL_COMPENSATION)
    yield _no_undo("is-rejected", Part.REJECT_COMPENSATION, "REJECTED", Need.REJECT_COMPENSATION)


def effect_cases() -> Iterator[Case]:
    """Effects of plain stories, counted by the given query."""
    yield _counted("once", (act(),), 1, 0)
    yield _counted("repeated", (act(), act(), act(2), act(1)), 1, 0)
    yield _counted("rejected", (act(1, Part.REJECT),), 0, 0, Need.REJECT)
    yield _counted("failed", (act(1, Part.FAIL),), 0, 0, Need.FAIL)
    yield _counted("fenced", (resolve(), act(), act()), 0, 0)
    yield _counted("undone", (act(), undo(), undo(), act()), 1, 1, Need.COMPENSATION)
    yield _counted("again", (act(), undo(), act(2), undo(2), undo(2)), 2, 2, Need.COMPENSATION)
