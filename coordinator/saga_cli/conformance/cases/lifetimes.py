"""Expiry, incarnation and tenant: what bounds the life of a command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.cases.barrier import show_row
from saga_cli.conformance.findings import Need
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import Ask, act, resolve, undo
from saga_cli.conformance.saga import expect
from saga_cli.conformance.stage import Stage

_BARRIER: Final = "the-barrier"
_LATE: Final = -3600.0
_EXPIRED_ABSENT: Final = "B2, absent, and the command has expired: stays absent, EXPIRED."
_EXPIRED_ROW: Final = "The participant's database clock decides whether a command has expired, and only where there is no row."
_OLDER: Final = "B1, the row's incarnation is newer than the command's: unchanged, no answer."
_RAISED: Final = (
    "Every command that gets past B1 raises the row's incarnation to its own, whatever comes of it: also when it is FAILED."
)
_TENANT: Final = "A command of another tenant than the row's is not answered."


def _expired_absent(ask: Ask) -> Case:
    @case(
        f"expiry.absent.{ask.kind.value}",
        f"an expired {ask.kind.value} without a row",
        _EXPIRED_ABSENT,
        _BARRIER,
        *_needs(ask),
    )
    async def play(stage: Stage) -> None:
        saga = stage.saga()
        expect(saga, await saga.ask(ask), "EXPIRED")
        await saga.check_effects(await show_row(saga, "absent", 1), 0)

    return play


def _expired_done(ask: Ask, outcome: str) -> Case:
    @case(f"expiry.done.{ask.kind.value}", f"an expired {ask.kind.value} with a row DONE", _EXPIRED_ROW, _BARRIER, *_needs(ask))
    async def play(stage: Stage) -> None:
        saga = stage.saga()
        expect(saga, await saga.ask(act()), "SUCCEEDED")
        expect(saga, await saga.ask(ask), outcome)

    return play


@case("expiry.fenced.action", "an expired action with a row FENCED", _EXPIRED_ROW, _BARRIER)
async def _expired_fenced(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(resolve()), "FENCED")
    expect(saga, await saga.ask(act(expires_s=_LATE)), "FENCED")


def _older_incarnation(name: str, ask: Ask) -> Case:
    @case(f"incarnation.older.{name}", f"the {ask} after a row of incarnation 2", _OLDER, _BARRIER, *_needs(ask))
    async def play(stage: Stage) -> None:
        saga = stage.saga()
        expect(saga, await saga.ask(act(incarnation=2)), "SUCCEEDED")
        await saga.silent(saga.command(ask), resolve(incarnation=2))
        expect(saga, await saga.ask(act(incarnation=2)), "SUCCEEDED")
        await saga.check_effects(1, 0)

    return play


@case("incarnation.raised", "a command of a newer incarnation raises the row's", _RAISED, _BARRIER)
async def _raised(stage: Stage) -> None:
    saga = stage.saga()
    value = (await saga.ask(act())).value
    expect(saga, await saga.ask(act(incarnation=3)), "SUCCEEDED", value=value)
    await saga.silent(saga.command(act(incarnation=2)), resolve(incarnation=3))


@case("incarnation.raised-by-fence", "a RESOLVE of a newer incarnation raises that of a row FENCED", _RAISED, _BARRIER)
async def _raised_by_fence(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(resolve()), "FENCED")
    expect(saga, await saga.ask(resolve(incarnation=3)), "FENCED")
    await saga.silent(saga.command(act(2, incarnation=2)), resolve(incarnation=3))


@case("incarnation.raised-by-failure", "a command that is FAILED raises the row's incarnation", _RAISED, _BARRIER, Need.FAIL)
async def _raised_by_failure(stage: Stage) -> None:
    saga = stage.saga()
    expect(saga, await saga.ask(resolve()), "FENCED")
    expect(saga, await saga.ask(act(2, Part.FAIL, incarnation=3)), "FAILED")
    await saga.silent(saga.command(act(2, incarnation=2)), act(1, incarnation=3))
    expect(saga, await saga.ask(act(1, incarnation=3)), "FENCED")


@case("tenant.own", "a row is of the tenant of its command", "ce_sagatenant is a text; the reply echoes it.", "a-message")
async def _tenant(stage: Stage) -> None:
    saga = stage.saga()
    reply = await saga.ask(act(tenant="another"))
    expect(saga, reply, "SUCCEEDED")


def _other_tenant(ask: Ask) -> Case:
    @case(f"tenant.other.{ask.kind.value}", f"the {ask} of another tenant than the row's", _TENANT, _BARRIER, *_needs(ask))
    async def play(stage: Stage) -> None:
        saga = stage.saga()
        expect(saga, await saga.ask(act()), "SUCCEEDED")
        await saga.silent(saga.command(ask), resolve())
        expect(saga, await saga.ask(act()), "SUCCEEDED")
        await saga.check_effects(1, 0)

    return play


def _needs(ask: Ask) -> list[Need]:
    return [Need.COMPENSATION] if ask.part is Part.COMPENSATION else []


def lifetime_cases() -> Iterator[Case]:
    """Those of expiry first."""
    yield from (_expired_absent(make(expires_s=_LATE)) for make in (act, undo, resolve))
    yield _expired_done(act(expires_s=_LATE), "SUCCEEDED")
    yield _expired_done(undo(expires_s=_LATE), "UNDONE")
    yield _expired_done(resolve(expires_s=_LATE), "SUCCEEDED")
    yield _expired_fenced
    yield from (_older_incarnation(ask.kind.value, ask) for ask in (act(), undo(), resolve()))
    yield _older_incarnation("compensation-of-a-newer-run", undo(2))
    yield from (_raised, _raised_by_fence, _raised_by_failure, _tenant)
    yield from (_other_tenant(make(tenant="another")) for make in (act, undo, resolve))
