"""`saga archive list|show|export`: finished sagas that were kept before they were removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saga_cli.commands.groups import HELP_OPTIONS, Output, examples, group
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_coordinator.archive.reading import Found

Archive = Annotated[
    str | None,
    typer.Option(
        "--archive",
        envvar="SAGA_ARCHIVE",
        metavar="URL",
        help="file:///PATH or s3://BUCKET/PREFIX?endpoint=…&region=…",
        show_default=False,
    ),
]
Day = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Only sagas that closed on this day (UTC).")]
Definition = Annotated[str | None, typer.Option(metavar="NAME", help="Only sagas of this definition.")]
Key = Annotated[str | None, typer.Option(help="Only sagas of this business key.")]


def register(app: typer.Typer, panel: str) -> None:
    archive = group(app, "archive", "Finished sagas in the archive; no coordinator is needed.", panel)
    archive.command(
        "list",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga archive list --day 2026-11-03", "saga archive list --key o-17 --archive file:///var/lib/saga/archive"
        ),
    )(list_archived)
    archive.command("show", context_settings=HELP_OPTIONS, epilog=examples("saga archive show 0198c1a2-…"))(show)
    archive.command(
        "export",
        context_settings=HELP_OPTIONS,
        epilog=examples("saga archive export --day 2026-11-03 -o day.jsonl", "saga archive export 0198c1a2-… -o one.avro"),
    )(export)


def list_archived(
    day: Day = None,
    definition: Definition = None,
    key: Key = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most this many, those that closed last first.")] = 50,
    output: Output = Format.TABLE,
    archive: Archive = None,
) -> None:
    """List archived sagas, those of the latest days first. Without a day all days are read."""
    from saga_cli.archive_source import Source, Wanted, line_of
    from saga_cli.output import print_table
    from saga_cli.show.listing import COLUMNS, row

    source, items = Source(archive), list[dict[str, Any]]()
    source.each(
        Wanted(day=_checked(day), definition=definition, key=key, limit=limit), lambda found: items.append(line_of(found))
    )
    print_table(items, output, columns=COLUMNS, rows=map(row, items), ids=[item["id"] for item in items], empty="no saga matches")
    if len(items) == limit and output is Format.TABLE:
        typer.echo(f"({limit} shown; --limit shows more)", err=True)
    source.fail_if_damaged()


def show(
    saga: Annotated[str, typer.Argument(metavar="ID", help="Its UUID.", show_default=False)],
    journal: Annotated[bool, typer.Option("--journal", help="Every transition, one after the other.")] = False,
    output: Output = Format.TABLE,
    archive: Archive = None,
) -> None:
    """Show an archived saga, as `saga show` did when it was archived."""
    from saga_cli.archive_source import Source, view_of
    from saga_cli.show.saga import print_journal, print_saga

    (found,) = Source(archive).found([saga])
    view = view_of(found)
    if journal and output is Format.TABLE:
        print_journal(view, view["journal"])
        return
    print_saga(view, output, lambda: view["journal"])
    if output is Format.TABLE:
        typer.echo(f"archived in {found.day}/{found.name}")


def export(
    file: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FILE", help="FILE.jsonl: one JSON object a line; else an Avro container; -: lines."
        ),
    ],
    sagas: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Their UUIDs; else all that match.")] = None,
    day: Day = None,
    definition: Definition = None,
    key: Key = None,
    archive: Archive = None,
) -> None:
    """Write archived sagas to a file: as JSON lines, each what `saga show -o json` said, or as one
    Avro container.

    Whole days stand in the archive as containers already. One container is made in memory; lines
    are not.
    """
    from saga_cli.archive_source import Source, Wanted
    from saga_cli.saga_file import SagaFile

    source = Source(archive)
    with SagaFile(Path(file)) as written:

        def take(found: Found) -> None:
            written.add(found.entry)

        if sagas:
            for found in source.found(sagas):
                take(found)
        else:
            source.each(Wanted(day=_checked(day), definition=definition, key=key), take)
    typer.echo(f"{written.count} sagas written to {file}", err=True)
    source.fail_if_damaged()


def _checked(day: str | None) -> str | None:
    from saga_coordinator.archive.names import is_day

    if day is not None and not is_day(day):
        raise typer.BadParameter("write YYYY-MM-DD", param_hint="--day")
    return day
