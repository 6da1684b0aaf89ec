"""`saga schema add|check`: Avro schemas and their evolution."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, group
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_schemas.catalog import Catalog
    from saga_schemas.schema import Schema


def register(app: typer.Typer, panel: str) -> None:
    schema = group(app, "schema", "Avro schemas and their versions.", panel)
    schema.command("check", context_settings=HELP_OPTIONS, epilog=examples("saga schema check schemas/"))(check)
    schema.command(
        "add",
        context_settings=HELP_OPTIONS,
        epilog=examples("saga schema add schemas/shop.CardCharged.avsc", "saga schema add next.avsc --subject shop.CardCharged"),
    )(add)


def check(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of .avsc files.", show_default=False)],
    output: Output = Format.TABLE,
) -> None:
    """Check that all versions of each record can be read with each other's schema
    (FULL_TRANSITIVE). Ends 1 when not.

    NAME.avsc is a record's current version, NAME.1.avsc, NAME.2.avsc … are its older ones.
    """
    from saga_cli.exits import CommandFailed, ExitCode
    from saga_cli.output import print_ids, print_json
    from saga_schemas.catalog import Catalog
    from saga_schemas.errors import SchemaRefused
    from saga_schemas.files import read_schemas

    if not directory.is_dir():
        raise typer.BadParameter(f"{directory} is not a folder", param_hint="DIR")
    try:
        catalog = Catalog(read_schemas(directory))
    except SchemaRefused as error:
        raise CommandFailed(f"{directory}/{error}", ExitCode.FINDINGS) from None
    findings = _incompatible(catalog)
    names = sorted({schema.full_name for schema in catalog})
    if output is Format.JSON:
        print_json({"records": names, "schemas": len(catalog), "findings": findings})
    elif output is Format.IDS:
        print_ids(names)
    else:
        print_ids(findings)
        typer.echo(f"{len(findings) or 'no'} incompatibilities among {len(catalog)} schemas of {len(names)} records")
    if findings:
        raise typer.Exit(ExitCode.FINDINGS)


def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One .avsc file; types it names may stand beside it.", show_default=False)
    ],
    subject: Annotated[str | None, typer.Option(help="Full name of the record; the file's own by default.")] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Let the coordinator read a further version of a record, and tell it to all participants.

    An input's version has to be there before somebody starts with it; a reply waits for its
    version.
    """
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object

    schema = _schema(file)
    if subject is not None and subject != schema.full_name:
        raise typer.BadParameter(f"{file} holds {schema.full_name}", param_hint="--subject")
    with Client(server) as client:
        status, answer = client.post("/v1/schemas", {"document": schema.document, "actor": actor()}, retry=True)
    word = "added" if status == 201 else "was there already:"
    print_object(answer, output, line=f"{word} {schema.full_name}  id {schema.id}", ids=[schema.id])


def _schema(file: Path) -> Schema:
    """Read and check the file's record. Records it refers to come from the files beside it."""
    import json

    from saga_cli.exits import CommandFailed, ExitCode
    from saga_schemas.errors import SchemaRefused
    from saga_schemas.gate import full_name_of
    from saga_schemas.schema import Schema, load_json

    try:
        document = load_json(file.read_bytes())
        beside = {path: json.loads(path.read_bytes()) for path in file.parent.glob("*.avsc") if path != file}
    except OSError as error:
        raise typer.BadParameter(f"{error.filename}: {error.strerror}", param_hint="FILE") from None
    except SchemaRefused as error:
        raise CommandFailed(f"{file}: {error}", ExitCode.FINDINGS) from None
    except ValueError:
        beside = {}
    known = {name: other for other in beside.values() if (name := full_name_of(other)) is not None}
    try:
        return Schema.parse(document, known)
    except SchemaRefused as error:
        raise CommandFailed(f"{file}: {error}", ExitCode.FINDINGS) from None


def _incompatible(catalog: Catalog) -> list[str]:
    """Return one line for each reason why a version is incompatible with an earlier one."""
    from saga_schemas.compat import full_transitive

    lines: list[str] = []
    for name in sorted({schema.full_name for schema in catalog}):
        versions = catalog.named(name)
        for place, schema in enumerate(versions):
            for finding in full_transitive(schema, versions[:place]):
                label = "current version" if place == len(versions) - 1 else f"version {place + 1}"
                lines.append(f"{name}  {label} {finding.message}  {finding.path}".rstrip())
    return lines
