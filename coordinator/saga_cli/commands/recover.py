"""`saga recover`: the coordinator's database was restored from a backup.

Its commands talk to the database themselves, since no coordinator may run while it is recovered.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from saga_cli.commands.database import database_url
from saga_cli.commands.groups import HELP_OPTIONS, Output, examples, group
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_coordinator.store.port import OrphanReply
    from saga_coordinator.views.lost_sagas import LostSaga

Database = Annotated[
    str | None,
    typer.Option(metavar="URL", help="sqlite+aiosqlite:///FILE or postgresql+asyncpg://…; else SAGA_DATABASE_URL."),
]
Result = TypeVar("Result")
_FORCE = "Even if a coordinator may be alive: it may undo what was done, or do what was undone, before it learns of the recovery."


def register(app: typer.Typer, panel: str) -> None:
    made = group(
        app, "recover", "After the coordinator's database was restored from a backup: every open saga asks again.", panel
    )
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


def recover(
    context: typer.Context,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit with your login name.")] = None,
    database: Database = None,
    sagas_per_s: Annotated[float, typer.Option("--sagas-per-s", min=0.1, max=10_000, help="How many sagas ask a second.")] = 500,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking first.")] = False,
    force: Annotated[bool, typer.Option("--force", help=_FORCE)] = False,
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
    typer.echo(plan(found, sagas_per_s), err=True)
    if not yes:
        typer.confirm("Recover it now?", abort=True, err=True)
    done = _run(
        recovery.recover(
            url, tenant=_tenant(), who=actor(), why=why, sagas_per_s=sagas_per_s, force=force, expected=found.incarnation
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
    """How many sagas still recover, how many have been answered, who has not, and what moves it."""
    from saga_cli.output import print_object
    from saga_cli.show.recovery import standing, standing_plain
    from saga_coordinator.store import recovery

    found = _run(recovery.status(database_url(database), _tenant()))
    shown = standing_plain(found)
    print_object(shown, output, line=standing(found), ids=sorted(shown["unanswered"]))


def orphans(database: Database = None, output: Output = Format.TABLE) -> None:
    """Sagas that the backup does not know, by the replies that came for them, and what can be done.

    One that no participant has answered since is not in it.
    """
    from saga_cli.output import print_table
    from saga_cli.show.recovery import COLUMNS, lost_plain, lost_rows
    from saga_schemas.ids import saga_text

    found = _run(_lost(database_url(database)))
    print_table(
        [lost_plain(lost) for lost in found],
        output,
        columns=COLUMNS,
        rows=lost_rows(found),
        ids=[saga_text(lost.id) for lost in found],
        empty="no replies of sagas that are lost",
    )


async def _lost(url: str) -> list[LostSaga]:
    from saga_coordinator.store import recovery
    from saga_coordinator.views.lost_sagas import lost_saga

    found: list[LostSaga] = []
    of_one: list[OrphanReply] = []
    async for reply in recovery.orphans(url):
        if of_one and of_one[0].saga_id != reply.saga_id:
            found.append(lost_saga(of_one[0].saga_id, of_one))
            of_one = []
        of_one.append(reply)
    return [*found, lost_saga(of_one[0].saga_id, of_one)] if of_one else found


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
