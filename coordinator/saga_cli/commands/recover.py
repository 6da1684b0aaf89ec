"""`saga recover`: the coordinator's database was restored from a backup, or a participant's.

These commands talk to the database themselves, since no coordinator may run while it is recovered.
What is done about lost effects stands in `lost_effects.py`.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from saga_cli.commands import lost_effects
from saga_cli.commands.database import database_url
from saga_cli.commands.groups import HELP_OPTIONS, Output, examples, group
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_coordinator.store.port import LostEffect, OrphanReply
    from saga_coordinator.views.lost_sagas import LostSaga

Database = Annotated[
    str | None,
    typer.Option(metavar="URL", help="sqlite+aiosqlite:///FILE or postgresql+asyncpg://…; else SAGA_DATABASE_URL."),
]
Why = Annotated[str | None, typer.Option("--reason", help="Why; kept in the audit with your login name.")]
SagasPerS = Annotated[float, typer.Option("--sagas-per-s", min=0.1, max=10_000, help="How many sagas ask a second.")]
Yes = Annotated[bool, typer.Option("--yes", help="Without asking first.")]
Result = TypeVar("Result")
_FORCE = "Even if a coordinator may be alive: it may undo what was done, or do what was undone, before it learns of the recovery."


Force = Annotated[bool, typer.Option("--force", help=_FORCE)]


def register(app: typer.Typer, panel: str) -> None:
    made = group(app, "recover", "After a database was restored from a backup: every open saga asks again.", panel)
    made.info.no_args_is_help = False
    made.callback(
        invoke_without_command=True,
        context_settings=HELP_OPTIONS,
        epilog=examples(
            'saga recover --reason "backup of 03:00 restored, disk lost at 09:12"', "saga recover status", "saga recover orphans"
        ),
    )(recover)
    made.command("status", context_settings=HELP_OPTIONS, epilog=examples("saga recover status", "saga recover status -o json"))(
        status
    )
    made.command(
        "orphans", context_settings=HELP_OPTIONS, epilog=examples("saga recover orphans", "saga recover orphans -o json")
    )(orphans)
    made.command(
        "participant",
        context_settings=HELP_OPTIONS,
        epilog=examples('saga recover participant payment --reason "its dump of 03:00 restored"'),
    )(participant)
    lost_effects.add(made)


def recover(
    context: typer.Context,
    reason: Why = None,
    database: Database = None,
    sagas_per_s: SagasPerS = 500,
    yes: Yes = False,
    force: Force = False,
    output: Output = Format.TABLE,
) -> None:
    """After the coordinator's database was restored: let every open saga ask again what it asked.

    Stop every coordinator, restore, run this, then start them. Nothing of a saga moves until all of
    its participants have answered.
    """
    if context.invoked_subcommand is not None:
        if any((reason, database, yes, force)):
            raise typer.BadParameter(f"options of `saga recover {context.invoked_subcommand}` come after it")
        return
    _recover(reason, database, sagas_per_s, yes, force, output)


def participant(
    name: Annotated[str, typer.Argument(help="The participant whose database was restored.", show_default=False)],
    reason: Why = None,
    database: Database = None,
    sagas_per_s: SagasPerS = 500,
    yes: Yes = False,
    force: Force = False,
    output: Output = Format.TABLE,
) -> None:
    """After a participant's database was restored: ask it for all its rows, and let every open saga
    ask again.

    Stop every coordinator, run this, then start them.
    """
    from saga_schemas.ids import valid_name

    if not valid_name(name):
        raise typer.BadParameter("a participant's name has small letters, digits and '-'", param_hint="NAME")
    _recover(reason, database, sagas_per_s, yes, force, output, name)


def _recover(
    reason: str | None,
    database: str | None,
    sagas_per_s: float,
    yes: bool,
    force: bool,
    output: Format,
    participant: str | None = None,
) -> None:
    from saga_cli.client import actor
    from saga_cli.exits import CommandFailed, ExitCode
    from saga_cli.output import print_object
    from saga_cli.show.recovery import plan
    from saga_coordinator.store import recovery

    if not (reason or "").strip():
        raise typer.BadParameter("say why: it is kept in the audit", param_hint="--reason")
    url, why = database_url(database), str(reason)
    found = _run(recovery.survey(url))
    if found.alive and not force:
        raise CommandFailed(f"{'; '.join(found.alive)}: stop every coordinator first (--force: see --help)", ExitCode.REFUSED)
    typer.echo(plan(found, sagas_per_s, participant), err=True)
    if not yes:
        typer.confirm("Recover it now?", abort=True, err=True)
    done = _run(
        recovery.recover(
            url,
            tenant=_tenant(),
            who=actor(),
            why=why,
            sagas_per_s=sagas_per_s,
            force=force,
            expected=found.incarnation,
            participant=participant,
        )
    )
    line = (
        f"incarnation {done.incarnation}: {done.open_sagas} open sagas ask again within {done.asked_within_s:.0f} s of now, "
        "once coordinators run; start them, then look at `saga recover status`"
    )
    shown = {
        "incarnation": done.incarnation,
        "before": done.before,
        "open_sagas": done.open_sagas,
        "asked_within_s": done.asked_within_s,
    }
    print_object(shown, output, line=line, ids=[done.incarnation])


def status(database: Database = None, output: Output = Format.TABLE) -> None:
    """How far it is: which sagas and participants have not been answered, and what moves it."""
    from saga_cli.output import print_object
    from saga_cli.show.recovery import standing, standing_plain
    from saga_coordinator.store import recovery

    found = _run(recovery.status(database_url(database), _tenant()))
    shown = standing_plain(found)
    print_object(shown, output, line=standing(found), ids=sorted(shown["unanswered"]))


def orphans(database: Database = None, output: Output = Format.TABLE) -> None:
    """Sagas that the backup does not know, and what can be done about what they left.

    Participants tell their rows after a restore; until all have, a saga may be missing that none
    has answered since.
    """
    from saga_cli.output import print_table
    from saga_cli.show.recovery import COLUMNS, lost_plain, lost_rows, together

    replies, effects = _run(_lost(database_url(database)))
    found = together(replies, effects)
    print_table(
        [lost_plain(lost) for lost in found],
        output,
        columns=COLUMNS,
        rows=lost_rows(found),
        ids=[lost.saga for lost in found],
        empty="no effects and no replies of sagas that are lost",
    )


async def _lost(url: str) -> tuple[list[LostSaga], list[LostEffect]]:
    from saga_coordinator.store import recovery
    from saga_coordinator.views.lost_sagas import lost_saga

    found: list[LostSaga] = []
    of_one: list[OrphanReply] = []
    async for reply in recovery.orphans(url):
        if of_one and of_one[0].saga_id != reply.saga_id:
            found.append(lost_saga(of_one[0].saga_id, of_one))
            of_one = []
        of_one.append(reply)
    last = [lost_saga(of_one[0].saga_id, of_one)] if of_one else []
    return [*found, *last], await recovery.lost_effects(url, _tenant())


def _tenant() -> str:
    return os.environ.get("SAGA_TENANT") or "default"


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    import asyncio

    from saga_cli.exits import CommandFailed, ExitCode
    from saga_coordinator.store.recovery import RecoverRefused
    from saga_messaging.errors import ConfigurationError

    try:
        return asyncio.run(work)
    except RecoverRefused as refused:
        raise CommandFailed(str(refused), ExitCode.REFUSED) from None
    except ValueError as wrong:
        raise ConfigurationError(str(wrong)) from None
