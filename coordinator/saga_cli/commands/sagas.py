"""`saga list`, `saga show`, `saga cancel`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.output import Format

SAGAS = "sagas"
PARTICIPANTS = "participants"
INSTANCES = "instances"
ATTENTION = "attention"
"""What can be listed by its name; any other word is a query."""

SagaReference = Annotated[
    str, typer.Argument(metavar="SAGA", help="Its UUID, its business key, or definition/key.", show_default=False)
]


class PhaseName(StrEnum):
    """Phases a saga may be in."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    SETTLING = "SETTLING"
    COMMITTED = "COMMITTED"
    COMPENSATING = "COMPENSATING"
    COMPLETED = "COMPLETED"
    COMPENSATED = "COMPENSATED"
    FORCED = "FORCED"


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "list",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga list attention",
            "saga list --attention",
            """saga list 'phase = COMPENSATING and started > -1h and label.customer = "c-1"'""",
            "saga list 'open and duration > 10m' --count",
            "saga list --phase COMPENSATED --definition order -o ids",
            "saga list --key o-17 -o json",
            "saga list 'phase = SCHEDULED and begins < +1h'",
            "saga list participants",
            "saga list instances",
        ),
    )(list_sagas)
    app.command(
        "show",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples("saga show o-17", "saga show order/o-17 --journal", "saga show 0198c1a2-… -o json"),
    )(show)
    app.command(
        "cancel",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples('saga cancel o-17 --reason "the customer changed their mind"'),
    )(cancel)


def list_sagas(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[QUERY|attention|participants|instances]",
            help="Which sagas, in the query language (docs/queries.md); or everything that needs a person, with the way out; "
            "or the participants and what each has heard; or the coordinators and how they are.",
            show_default=False,
        ),
    ] = SAGAS,
    view: Annotated[str | None, typer.Option(metavar="NAME", help="Only sagas of this saved view (`saga view list`).")] = None,
    phase: Annotated[PhaseName | None, typer.Option(case_sensitive=False, help="Only sagas in this phase.")] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Only sagas that need a person.")] = False,
    definition: Annotated[str | None, typer.Option(metavar="NAME", help="Only sagas of this definition.")] = None,
    key: Annotated[str | None, typer.Option(help="Only sagas of this business key.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, newest first.")] = 50,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are; the count ends at 10,000.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """List sagas, newest first; or what needs a person, sagas and schedules; or the participants,
    each with the horizon it remembers; or the coordinators, each with its roles and what it does
    not do well."""
    asked = {
        "phase": phase.value if phase else None,
        "definition": definition,
        "key": key,
        "attention": "true" if attention else None,
    }
    if what == ATTENTION and output is not Format.IDS and not (count or view or any(asked.values())):
        _list_attention(output, server)
        return
    if what in _OTHERS:
        if count or view or any(asked.values()):
            raise typer.BadParameter(
                "--view, --phase, --attention, --definition, --key and --count are for sagas", param_hint=what
            )
        _OTHERS[what](output, server)
        return
    if what != SAGAS:
        asked["query"] = what
    if view is not None:
        asked["query"] = _of_view(view, asked.get("query"), server)
    if count:
        _count(asked, output, server)
        return
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.listing import columns, rows

    with Client(server) as client:
        items = list(client.pages("/v1/sagas", limit=limit, **asked))
    print_table(
        items, output, columns=columns(items), rows=rows(items), ids=[item["id"] for item in items], empty="no saga matches"
    )
    if len(items) == limit and output is Format.TABLE:
        typer.echo(f"({limit} shown; --limit shows more)", err=True)


def _of_view(name: str, query: str | None, server: str) -> str | None:
    """Return the query of a view, and of another one beside it."""
    from saga_cli.client import Client
    from saga_cli.exits import CommandFailed, ExitCode

    with Client(server) as client:
        found = next((view for view in client.get("/v1/views")["items"] if view["name"] == name), None)
    if found is None:
        raise CommandFailed("there is no saved view of this name; `saga view list` shows them", ExitCode.NOT_FOUND)
    both = [one for one in (found["query"], query) if one]
    return " and ".join(f"({one})" for one in both) if len(both) > 1 else (both or [None])[0]


def _count(asked: Mapping[str, str | None], output: Format, server: str) -> None:
    from saga_cli.client import Client
    from saga_cli.output import print_object

    with Client(server) as client:
        found = client.get("/v1/sagas/count", asked)
    line = f"{'more than ' if found['more'] else ''}{found['count']}"
    print_object(found, output, line=line, ids=[line])


def _list_attention(output: Format, server: str) -> None:
    from saga_cli.client import Client
    from saga_cli.show.attention import print_attention

    with Client(server) as client:
        print_attention(client.get("/v1/attention"), output)


def _list_participants(output: Format, server: str) -> None:
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.participants import COLUMNS, horizon, row

    with Client(server) as client:
        found = client.get("/v1/participants")
    items = found["items"]
    names = [item["name"] for item in items]
    print_table(items, output, columns=COLUMNS, rows=map(row, items), ids=names, empty="no definition names a participant")
    if output is Format.TABLE:
        typer.echo(horizon(found), err=True)


def _list_instances(output: Format, server: str) -> None:
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.instances import COLUMNS, row

    with Client(server) as client:
        items = client.get("/v1/instances")["items"]
    names = [item["name"] for item in items]
    print_table(items, output, columns=COLUMNS, rows=map(row, items), ids=names, empty="no instance is registered")


_OTHERS: Final = {PARTICIPANTS: _list_participants, INSTANCES: _list_instances}


def show(
    saga: SagaReference,
    journal: Annotated[bool, typer.Option("--journal", help="Every transition, one after the other.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Show a saga: its steps, what it waits for, since when and what will move it, and the way out
    of each attention."""
    from saga_cli.client import Client
    from saga_cli.show.saga import print_journal, print_saga

    with Client(server) as client:
        found = client.saga(saga)
        if journal and output is Format.TABLE:
            print_journal(found, client.journal(found["id"]))
        else:
            print_saga(found, output, lambda: client.journal(found["id"]))


def cancel(
    saga: SagaReference,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")],
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Cancel a saga: what was done is undone. Refused (5) past its point of no return."""
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object

    with Client(server) as client:
        saga_id = client.saga_id(saga)
        _, answer = client.post(f"/v1/sagas/{saga_id}/cancel", {"reason": reason, "actor": actor()})
    print_object(answer, output, line=f"cancelling {saga_id}; `saga show {saga_id}` tells how far it is", ids=[saga_id])
