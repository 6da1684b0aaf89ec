"""`saga doctor`: whether everything that is stored fits together.

It reads the databases itself. Coordinators and participants may run meanwhile.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from saga_cli.commands.groups import Output
from saga_cli.exits import CommandFailed, ExitCode
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_coordinator.doctor.barrier import BarrierExamination
    from saga_coordinator.doctor.damage import Damage
    from saga_coordinator.doctor.pace import Pace
    from saga_coordinator.doctor.system import SystemExamination
    from saga_coordinator.store.port import Store
    from saga_messaging.broker import Broker

TOLD_EVERY_S = 5.0
_READER = "saga-doctor"
_KAFKA = "SAGA_KAFKA_BOOTSTRAP_SERVERS"


def system(
    context: typer.Context,
    saga: Annotated[
        str | None, typer.Option("--saga", metavar="SAGA", help="Only this saga: its UUID or its business key.")
    ] = None,
    participant: Annotated[
        list[str] | None, typer.Option("--participant", metavar="NAME", help="Its rows too; --database says where they are.")
    ] = None,
    database: Annotated[
        list[str] | None, typer.Option("--database", metavar="URL", help="The database of --participant; one for each.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Stop after so much that does not fit.")] = 1_000,
    fast: Annotated[bool, typer.Option("--fast", help="Take no rests: coordinators notice it.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Look whether everything that is stored fits together: sagas, journals, states, outbox,
    wake-ups, lists, attention, labels, keys, start requests, the inbox, recoveries, schedules,
    positions, and rows of participants.

    SAGA_DATABASE_URL names the coordinator's database, SAGA_KAFKA_BOOTSTRAP_SERVERS the Kafka whose
    positions are compared. All is only read, and may be served meanwhile. Exits 1 where something
    does not fit.
    """
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from saga_cli.show.doctor import system_summary

    bases = _pairs(participant or [], database or [], saga)
    found, examination = asyncio.run(_examine(saga, bases, limit, fast))
    _print(found, output)
    compared = saga is not None or bool(os.environ.get(_KAFKA))
    for line in system_summary(examination, len(found), limit, positions=compared):
        typer.echo(line, err=True)
    if found or examination.moving or examination.unread:
        raise typer.Exit(ExitCode.FINDINGS)


def _pairs(participants: Sequence[str], databases: Sequence[str], saga: str | None) -> list[tuple[str, str]]:
    from saga_schemas.ids import valid_name

    if len(participants) != len(databases):
        raise typer.BadParameter("give each --participant its --database, in the same order", param_hint="--participant")
    if participants and saga is not None:
        raise typer.BadParameter("rows of participants are compared for all sagas, not with --saga", param_hint="--participant")
    if any(not valid_name(name) for name in participants):
        raise typer.BadParameter("a participant's name has small letters, digits and '-'", param_hint="--participant")
    return list(zip(participants, databases, strict=True))


def _print(found: list[Damage], output: Format) -> None:
    from saga_cli.output import console, print_ids, print_json
    from saga_cli.show.doctor import damage_lines, damage_plain
    from saga_schemas.ids import saga_text

    if output is Format.JSON:
        print_json([damage_plain(one) for one in found])
    elif output is Format.IDS:
        print_ids(dict.fromkeys(saga_text(one.saga_id) for one in found if one.saga_id is not None))
    else:
        for one in found:
            for line in damage_lines(one):
                console().print(line)


async def _examine(
    saga: str | None, participants: Sequence[tuple[str, str]], limit: int, fast: bool
) -> tuple[list[Damage], SystemExamination]:
    from saga_coordinator.doctor.examination import NoSuchParticipant
    from saga_coordinator.doctor.pace import Pace
    from saga_coordinator.doctor.system import SystemExamination
    from saga_messaging.clock import SystemClock

    tenant = os.environ.get("SAGA_TENANT") or "default"
    pace = Pace(SystemClock(), rests=0.0 if fast else 1.0)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_coordinators())
        broker = await stack.enter_async_context(_kafka()) if saga is None else None
        bases = [await stack.enter_async_context(_base(store, name, url, tenant, pace)) for name, url in participants]
        examination = SystemExamination(store, pace, broker=broker, participants=bases, tenant=tenant, told=Progress())
        damages = examination.damages() if saga is None else examination.of_one(await _saga_id(store, tenant, saga))
        found: list[Damage] = []
        try:
            async for damage in damages:
                found.append(damage)
                if len(found) == limit:
                    break
        except NoSuchParticipant as unknown:
            raise CommandFailed(str(unknown), ExitCode.NOT_FOUND) from None
        return found, examination


@asynccontextmanager
async def opened_coordinators() -> AsyncIterator[Store]:
    """The coordinator's database, for reading, also beside coordinators that serve it.

    Raises:
        ConfigurationError: It is not named, or none.
    """
    from saga_coordinator.store.open import open_store
    from saga_messaging.errors import ConfigurationError

    url = os.environ.get("SAGA_DATABASE_URL")
    if not url:
        raise ConfigurationError("SAGA_DATABASE_URL is not set: it names the coordinator's database")
    try:
        store = open_store(url, pool_size=2, reader=_READER)
    except ValueError as wrong:
        raise ConfigurationError(str(wrong)) from None
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@asynccontextmanager
async def _kafka() -> AsyncIterator[Broker | None]:
    """None: no Kafka is named, and no position is compared."""
    if not os.environ.get(_KAFKA):
        yield None
        return
    from saga_messaging.kafka import KafkaBroker
    from saga_messaging.settings import KafkaSettings

    broker = KafkaBroker(KafkaSettings.from_env(os.environ))
    try:
        await broker.start()
        yield broker
    finally:
        await broker.stop()


@asynccontextmanager
async def _base(store: Store, name: str, url: str, tenant: str, pace: Pace) -> AsyncIterator[BarrierExamination]:
    from saga_cli.participant_rows import opened_participant
    from saga_coordinator.doctor.barrier import BarrierExamination

    async with opened_participant(url, tenant) as rows:
        yield BarrierExamination(store, rows, tenant=tenant, participant=name, pace=pace)


async def _saga_id(store: Store, tenant: str, reference: str) -> UUID:
    try:
        return UUID(reference)
    except ValueError:
        pass
    found = await store.sagas_by_key(tenant, reference, None)
    if len(found) == 1:
        return found[0].id
    what = "no saga has this key" if not found else f"{len(found)} sagas have or had this key; name one by its id"
    raise CommandFailed(f"{what}: {reference[:80]!r}", ExitCode.NOT_FOUND)


class Progress:
    """Says how far a long run is, now and then."""

    def __init__(self) -> None:
        self._told_at_s = time.monotonic()

    def __call__(self, what: str, count: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_at_s >= TOLD_EVERY_S:
            self._told_at_s = now_s
            typer.echo(f"… {what}: {count} looked at", err=True)
