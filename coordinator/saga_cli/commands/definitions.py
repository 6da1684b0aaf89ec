"""`saga def …`: check a definition, draw it, and bring it to a coordinator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from saga_cli.commands.groups import (
    DEFAULT_SERVER,
    HELP_OPTIONS,
    Output,
    Server,
    TopicPrefix,
    checked_prefix,
    examples,
    group,
)
from saga_cli.output import Format

_ALL = 100_000
_SOURCE = "A *.saga.yaml, or MODULE:OBJECT of a Saga in Python."
_FILES = typer.Argument(metavar="FILE…", help=_SOURCE, show_default=False)
_SCHEMAS = "Folder of .avsc files; by default schemas/ beside the file, then the demo's."
File = Annotated[str, typer.Argument(metavar="FILE", help=_SOURCE, show_default=False)]
Schemas = Annotated[Path | None, typer.Option("--schemas", metavar="DIR", help=_SCHEMAS)]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the definition.", show_default=False)]


def register(app: typer.Typer, panel: str) -> None:
    definitions = group(app, "def", "Definitions of sagas.", panel)
    for name, command, lines in (
        ("lint", lint_files, ("saga def lint order.saga.yaml", "saga def lint *.saga.yaml --schemas avro -o json")),
        ("draw", draw, ("saga def draw order.saga.yaml > order.mmd",)),
        (
            "asyncapi",
            asyncapi,
            ("saga def asyncapi > sagas.json", "saga def asyncapi order.saga.yaml --participant payment"),
        ),
        ("json-schema", json_schema, ("saga def json-schema > saga.schema.json",)),
        ("register", register_file, ("saga def register order.saga.yaml --activate", "saga def register shop.sagas:order")),
        ("activate", activate, ("saga def activate order 3",)),
        ("list", list_definitions, ("saga def list", "saga def list -o ids")),
        ("show", show, ("saga def show order", "saga def show order 3 -o json")),
    ):
        definitions.command(name, context_settings=HELP_OPTIONS, epilog=examples(*lines))(command)


def lint_files(files: Annotated[list[str], _FILES], schemas: Schemas = None, output: Output = Format.TABLE) -> None:
    """Check definitions: every finding at once, with its place. Ends 1 when there is an error."""
    from saga_cli.definition_source import source_of
    from saga_cli.exits import ExitCode
    from saga_cli.show.findings import show_findings

    results = [source_of(file, schemas).lint() for file in files]
    show_findings([finding for result in results for finding in result.findings], len(files), output)
    if not all(result.ok for result in results):
        raise typer.Exit(ExitCode.FINDINGS)


def draw(file: File, schemas: Schemas = None) -> None:
    """Print a definition as a Mermaid flowchart."""
    from saga_cli.definition_source import source_of
    from saga_coordinator.definitions import draw as drawn

    typer.echo(drawn(source_of(file, schemas).document()), nl=False)


def asyncapi(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]…", help=f"{_SOURCE} Without one the coordinator's.")
    ] = None,
    participant: Annotated[str | None, typer.Option(metavar="NAME", help="The document of this participant instead.")] = None,
    schemas: Schemas = None,
    topic_prefix: TopicPrefix = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Print the AsyncAPI 3 document of a coordinator, or of one participant.

    It is made from files, or by the coordinator from what it has registered.
    """
    from saga_cli.client import Client, segment
    from saga_cli.definition_source import asyncapi_of, source_of
    from saga_cli.output import print_json

    if files:
        print_json(asyncapi_of([source_of(file, schemas) for file in files], participant, checked_prefix(topic_prefix)))
        return
    with Client(server) as client:
        print_json(client.get("/v1/asyncapi" if participant is None else f"/v1/asyncapi/{segment(participant)}"))


def json_schema() -> None:
    """Print the JSON Schema of a *.saga.yaml, for editors: completion, hovers, early complaints."""
    from saga_cli.output import print_json
    from saga_coordinator.definitions import definition_json_schema

    print_json(definition_json_schema())


def register_file(
    file: File,
    schemas: Schemas = None,
    activate_it: Annotated[bool, typer.Option("--activate", help="Also make it the version that new sagas run.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Send a definition and every schema it reaches to the coordinator. It is checked here
    first."""
    from saga_cli.client import Client, actor, finding_line
    from saga_cli.definition_source import registration, source_of
    from saga_cli.output import print_object

    source = source_of(file, schemas)
    document = source.document()
    body = registration(document, source.catalog)
    with Client(server) as client:
        status, answer = client.post("/v1/definitions", body, retry=True)
        if activate_it:
            client.post(f"/v1/definitions/{document.saga}/{document.version}/activate", {"actor": actor()})
    for finding in answer.get("findings", ()):
        typer.echo(finding_line(finding), err=True)
    word = "registered" if status == 201 else "was registered already:"
    then = "it is active" if activate_it else f"`saga def activate {document.saga} {document.version}` lets sagas run it"
    line = f"{word} {document.saga} {document.version}  {document.hash[:12]}; {then}"
    print_object(answer, output, line=line, ids=[f"{document.saga} {document.version}"])


def activate(
    name: Name,
    version: Annotated[int, typer.Argument(min=1, show_default=False)],
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Make a version the one that new sagas run. Open sagas stay with theirs."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    with Client(server) as client:
        _, answer = client.post(f"/v1/definitions/{segment(name)}/{version}/activate", {"actor": actor()}, retry=True)
    print_object(answer, output, line=f"new sagas of {name} run version {version}", ids=[f"{name} {version}"])


def list_definitions(output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """List all definitions and their versions."""
    from saga_cli.client import Client
    from saga_cli.output import print_table

    with Client(server) as client:
        items = list(client.pages("/v1/definitions", limit=_ALL))
    rows = [
        [item["name"], str(item["version"]), "active" if item["active"] else "", item["hash"][:12], item["registered_at"]]
        for item in items
    ]
    ids = [f"{item['name']} {item['version']}" for item in items]
    empty = "no definitions; `saga def register FILE` brings one"
    print_table(items, output, columns=["NAME", "VERSION", "", "HASH", "REGISTERED"], rows=rows, ids=ids, empty=empty)


def show(
    name: Name,
    version: Annotated[int | None, typer.Argument(min=1, help="The active one by default.", show_default=False)] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Show a registered definition: its canonical document, as every saga of that version runs
    it."""
    from saga_cli.client import Client, segment
    from saga_cli.output import print_json, print_object

    with Client(server) as client:
        found = client.get(f"/v1/definitions/{segment(name)}/{version or _active_version(client, name)}")
    if output is Format.TABLE:
        typer.echo(
            f"{found['name']} {found['version']}  {'active' if found['active'] else 'not active'}  {found['hash']}", err=True
        )
        print_json(found["document"])
    else:
        print_object(found, output, line="", ids=[f"{found['name']} {found['version']}"])


def _active_version(client: Any, name: str) -> int:
    from saga_cli.exits import CommandFailed, ExitCode

    for item in client.pages("/v1/definitions", limit=_ALL, name=name):
        if item["active"]:
            return int(item["version"])
    raise CommandFailed(f"no version of {name!r} is active; `saga def list` shows what there is", ExitCode.NOT_FOUND)
