"""`saga start`: a saga begins; with `--wait` the command stays until it has ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.commands.start_time import At, In, start_asked, start_words
from saga_cli.output import Format

_DEFAULT_WAIT_S = 60
MAX_INPUT_BYTES = 1024 * 1024
_BYTE_ORDER_MARK = "\ufeff"


class OnOpen(StrEnum):
    """What happens to a start whose key an open saga has."""

    RETURN_EXISTING = "return_existing"
    REJECT = "reject"


class OnClosed(StrEnum):
    """What happens to a start whose key a finished saga has."""

    REJECT = "reject"
    ALLOW = "allow"


class _WaitMayStandAlone(TyperCommand):
    """Lets `--wait` stand without a value, beside `--wait=5` and `--wait 5`; the parser alone
    requires a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, wait_with_seconds(args))


def wait_with_seconds(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a bare `--wait` given its default seconds."""
    made: list[str] = []
    for place, argument in enumerate(arguments):
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        bare = argument == "--wait" and "--" not in arguments[:place]
        made.append(f"--wait={_DEFAULT_WAIT_S}" if bare and not following.replace(".", "", 1).isdigit() else argument)
    return made


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "start",
        cls=_WaitMayStandAlone,
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga start order --input @order.json",
            "saga start order --input @order.json --label customer=c-1 --label vip=true",
            "cat order.json | saga start order --input - --wait",
            """saga start order --input '{"order_id": "o-17", …}' --wait=5 -o json""",
            "saga start order --input @order.json --at 2027-01-01T09:30:00Z",
        ),
    )(start)


def start(
    definition: Annotated[str, typer.Argument(help="Name of a registered definition.", show_default=False)],
    input: Annotated[
        str, typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="The input record: JSON, a file, or standard input.")
    ],
    key: Annotated[str | None, typer.Option(help="Business key, for a definition that does not compute it.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Starting twice under one request id is starting once.")] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="[SECONDS]", min=0, max=86_400, help=f"Stay until it has ended; {_DEFAULT_WAIT_S} s without a number."
        ),
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="A registered version; without it the active one.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="What it is found by later; may be given again. A number, true and false are meant so."
        ),
    ] = None,
    on_open: Annotated[OnOpen | None, typer.Option(help="When an open saga holds the key.")] = None,
    on_closed: Annotated[OnClosed | None, typer.Option(help="When a finished saga holds the key.")] = None,
    at: At = None,
    after: In = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Start a saga. Ends 3 when --wait saw it end other than COMPLETED, 75 when the wait ran
    out."""
    from uuid import uuid4

    from saga_cli.client import Client

    body: dict[str, Any] = {"definition": definition, "version": version, "input": read_input(input), "key": key}
    body |= {"on_open": on_open and on_open.value, "on_closed": on_closed and on_closed.value}
    body["labels"] = read_labels(label) if label else None
    body |= start_asked(at, after)
    body = {name: value for name, value in body.items() if value is not None}
    headers = {"Idempotency-Key": request_id or str(uuid4())}
    with Client(server) as client:
        status, started = client.post("/v1/sagas", body, headers=headers, retry=True)
        later = start_words(at, after) if at is not None or after is not None else None
        _told(started, created=status == 201, output=output, waiting=wait is not None, later=later)
        if wait is not None:
            _stay(client, str(started["id"]), wait, output)


def read_input(given: str, option: str = "--input", fields: str = "the fields of the input record") -> dict[str, Any]:
    """Parse an object, such as the input of a start.

    Args:
        given: JSON, `@file`, or `-` for standard input.
        option: Where it was given, for the message.
        fields: What it holds, for the message.

    Raises:
        typer.BadParameter: The message says what is wrong and where.
    """
    from saga_schemas import strict_json

    text = _text(given, option)
    if len(text) > MAX_INPUT_BYTES:
        raise typer.BadParameter(f"larger than {MAX_INPUT_BYTES} bytes", param_hint=option)
    try:
        value = strict_json.parse(text)
    except strict_json.JsonMalformed as malformed:
        raise typer.BadParameter(f"{malformed}; a file is given as @FILE", param_hint=option) from None
    except strict_json.JsonInvalid as invalid:
        raise typer.BadParameter(str(invalid), param_hint=option) from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"a JSON object is wanted: {fields}", param_hint=option)
    return value


def read_labels(given: Sequence[str]) -> dict[str, Any]:
    """Parse labels, each `NAME=VALUE`: a value that is JSON of a number, a flag or a text is that.

    Raises:
        typer.BadParameter: The message says which is none.
    """
    from saga_schemas import strict_json
    from saga_schemas.labels import LabelInvalid, labels_of, plain_labels

    found: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or name in found:
            raise typer.BadParameter("each is NAME=VALUE, and has another name", param_hint="--label")
        try:
            value = strict_json.parse(text)
        except strict_json.JsonInvalid:
            value = text
        found[name] = value if isinstance(value, str | int | float) else text
    try:
        return plain_labels(labels_of(found))
    except LabelInvalid as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--label") from None


def _text(given: str, option: str) -> str:
    try:
        if given == "-":
            return sys.stdin.read(MAX_INPUT_BYTES + 1).removeprefix(_BYTE_ORDER_MARK)
        return Path(given[1:]).read_text(encoding="utf-8-sig") if given.startswith("@") else given
    except UnicodeDecodeError:
        raise typer.BadParameter("not UTF-8", param_hint=option) from None
    except OSError as error:
        raise typer.BadParameter(f"{error.filename}: {error.strerror}", param_hint=option) from None


def _told(started: dict[str, Any], *, created: bool, output: Format, waiting: bool, later: str | None) -> None:
    """`later`: when it begins, as it was asked for."""
    from saga_cli.output import print_object

    if waiting and output is not Format.IDS:
        return  # the saga as it ended says it all, and JSON is one document
    word = "was there already:" if not created else "started" if later is None else "accepted"
    when = f"; it begins {later}" if created and later is not None else ""
    print_object(started, output, line=f"{word} {started['id']}{when}", ids=[started["id"]])


def _stay(client: Any, saga_id: str, wait_s: float, output: Format) -> None:
    from saga_cli.client import FINAL_PHASES
    from saga_cli.exits import CommandFailed, ExitCode
    from saga_cli.show.saga import print_saga

    saga = client.wait_until_final(saga_id, wait_s)
    if output is not Format.IDS:
        print_saga(saga, output, lambda: client.journal(saga["id"]))
    if saga["phase"] not in FINAL_PHASES:
        message = f"{saga_id} is {saga['phase']} after {wait_s:g} s and goes on; `saga show {saga_id}` tells what it waits for"
        raise CommandFailed(message, ExitCode.WAIT_OVER)
    if saga["phase"] != "COMPLETED":
        raise typer.Exit(ExitCode.NOT_COMPLETED)
