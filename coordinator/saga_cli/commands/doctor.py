"""`saga doctor`, and `saga doctor participant`: after its database was restored, which of its rows
say less than the coordinator has recorded.

It reads both databases itself. Coordinators and the participant may run meanwhile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from saga_cli.commands.doctor_system import opened_coordinators, system
from saga_cli.commands.groups import HELP_OPTIONS, Output, examples, group
from saga_cli.exits import ExitCode
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_coordinator.doctor.examination import Examination, Finding


def register(app: typer.Typer, panel: str) -> None:
    made = group(app, "doctor", "Look whether what is stored fits together.", panel)
    made.callback(
        invoke_without_command=True,
        no_args_is_help=False,
        epilog=examples(
            "saga doctor",
            "saga doctor --saga o-17",
            "saga doctor --participant payment --database postgresql+asyncpg://reader:…@db/payment -o json",
        ),
    )(system)
    made.command(
        "participant",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga doctor participant payment --database postgresql+asyncpg://reader:…@db/payment",
            "saga doctor participant payment --database sqlite+aiosqlite:///payment.db -o json",
        ),
    )(participant)


def participant(
    name: Annotated[str, typer.Argument(help="The participant, as definitions name it.", show_default=False)],
    database: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Its own database, where saga_barrier is: sqlite+aiosqlite:///FILE or postgresql+asyncpg://…"
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Stop after so many rows that do not fit.")] = 1_000,
    output: Output = Format.TABLE,
) -> None:
    """List the rows of a participant that do not fit what the coordinator has recorded.

    SAGA_DATABASE_URL names the coordinator's database. Both are only read, and may be served
    meanwhile. Exits 1 where a row does not fit.
    """
    import asyncio

    from saga_cli.exits import CommandFailed
    from saga_cli.output import print_table
    from saga_cli.show.doctor import COLUMNS, finding_plain, finding_row, summary
    from saga_coordinator.doctor.examination import NoSuchParticipant
    from saga_schemas.ids import saga_text, valid_name

    if not valid_name(name):
        raise typer.BadParameter("a participant's name has small letters, digits and '-'", param_hint="NAME")
    try:
        found, examined = asyncio.run(_examine(name, database, limit))
    except NoSuchParticipant as unknown:
        raise CommandFailed(str(unknown), ExitCode.NOT_FOUND) from None
    *others, last = summary(examined, len(found), limit, name)
    for line in others:
        typer.echo(line, err=True)
    print_table(
        [finding_plain(one) for one in found],
        output,
        columns=COLUMNS,
        rows=[finding_row(one) for one in found],
        ids=list(dict.fromkeys(saga_text(one.saga_id) for one in found)),
        empty=last,
    )
    if found or output is not Format.TABLE:
        typer.echo(last, err=True)
    if found or examined.unread or examined.moving:
        raise typer.Exit(ExitCode.FINDINGS)


async def _examine(name: str, database: str, limit: int) -> tuple[list[Finding], Examination]:
    from saga_cli.participant_rows import opened_participant
    from saga_coordinator.doctor.examination import Examination

    tenant = os.environ.get("SAGA_TENANT") or "default"
    found: list[Finding] = []
    async with opened_participant(database, tenant) as rows, opened_coordinators() as store:
        examination = Examination(store, rows, tenant=tenant, participant=name)
        async for finding in examination.findings():
            found.append(finding)
            if len(found) == limit:
                break
    return found, examination
