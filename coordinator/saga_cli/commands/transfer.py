"""`saga export`: finished sagas as a file, for another environment or for keeping.

`saga import`: such a file, read into another environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.output import Format


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "export",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples("saga export o-17 -o o-17.avro", "saga export $(saga list --phase FORCED -o ids) -o forced.jsonl"),
    )(export)
    app.command(
        "import",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples('saga import o-17.avro --reason "incident 4711" --server http://test:8700'),
    )(import_file)


def export(
    sagas: Annotated[
        list[str], typer.Argument(metavar="SAGA…", help="Their UUIDs, business keys, or definition/key.", show_default=False)
    ],
    file: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FILE", help="FILE.jsonl: one JSON object a line; else an Avro container; -: lines."
        ),
    ],
    server: Server = DEFAULT_SERVER,
) -> None:
    """Write finished sagas to a file, with their journals, definitions and schemas.

    Sagas that go on are refused (5), and nothing is written.
    """
    from saga_cli.client import Client
    from saga_cli.exits import CommandFailed, ExitCode
    from saga_cli.saga_file import SagaFile
    from saga_coordinator.archive.container import Damaged, read_container

    with Client(server) as client, SagaFile(Path(file)) as written:
        for saga in sagas:
            content = client.download(f"/v1/sagas/{client.saga_id(saga)}/export")
            try:
                (entry,) = read_container(content)
            except (Damaged, ValueError) as damaged:
                message = f"what {server} sent of {saga} cannot be read: {damaged}; use the saga of its release"
                raise CommandFailed(message, ExitCode.NO_SERVER) from None
            written.add(entry)
    typer.echo(f"{written.count} sagas written to {file}", err=True)


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A container that an export wrote.", show_default=False)],
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit with your login name.")] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Take finished sagas of another environment in, for reading: all of the file, or none.

    They are marked as imported wherever they are shown. Doing it again changes nothing. A saga that
    is here with other content is refused (5), and so is the whole file.
    """
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object

    query = {"actor": actor()} | ({} if reason is None else {"reason": reason})
    with Client(server) as client:
        answer = client.upload("/v1/imports", file.read_bytes(), query)
    known = f", {len(answer['known'])} were there before" if answer["known"] else ""
    ids = [*answer["imported"], *answer["known"]]
    print_object(answer, output, line=f"{len(answer['imported'])} sagas imported{known}", ids=ids)
