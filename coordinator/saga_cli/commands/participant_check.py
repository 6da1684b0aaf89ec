"""`saga participant check`: whether a participant keeps to docs/wire.md."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saga_cli.commands.groups import HELP_OPTIONS, examples
from saga_cli.exits import ExitCode

if TYPE_CHECKING:
    from saga_cli.conformance.case import Case, Result
    from saga_cli.conformance.given import Given, Part
    from saga_cli.conformance.outside import Shell
    from saga_messaging.settings import KafkaSettings

_BODY = "[RECORD=]@FILE"


class ReportFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


def register(participant: typer.Typer) -> None:
    participant.command(
        "check",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga participant check --participant payment --schemas schemas --action shop.ChargeCard=@ok.json "
            "--compensation shop.RefundCard=@undo.json --kafka 127.0.0.1:9092 --prefix check.",
            "saga participant check … --reject @no.json --fail @once.json --accept @later.json --output junit > check.xml",
            "saga participant check … --only 'barrier.done.*' --only 'echo.*'",
        ),
    )(check)


def check(
    participant: Annotated[
        str, typer.Option(metavar="NAME", help="Its name, as in the names of its topics.", show_default=False)
    ],
    action: Annotated[str, typer.Option(metavar="RECORD=@FILE", help="An action that is done.", show_default=False)],
    reject: Annotated[str | None, typer.Option(metavar=_BODY, help="An action that is REJECTED.")] = None,
    fail: Annotated[str | None, typer.Option(metavar=_BODY, help="An action that is FAILED, at least the first time.")] = None,
    accept: Annotated[
        str | None, typer.Option(metavar=_BODY, help="An action that is accepted, and done by itself a second or more later.")
    ] = None,
    compensation: Annotated[str | None, typer.Option(metavar="RECORD=@FILE", help="What undoes these actions.")] = None,
    reject_compensation: Annotated[str | None, typer.Option(metavar=_BODY, help="A compensation that is REJECTED.")] = None,
    fail_compensation: Annotated[str | None, typer.Option(metavar=_BODY, help="A compensation that is FAILED.")] = None,
    kill_command: Annotated[
        str | None, typer.Option(metavar="CMD", help="Kills the participant's process with SIGKILL.", show_default=False)
    ] = None,
    start_command: Annotated[
        str | None, typer.Option(metavar="CMD", help="Starts it again; may stay in front.", show_default=False)
    ] = None,
    effects_query: Annotated[
        str | None,
        typer.Option(
            metavar="CMD",
            help="Prints how often the action and the compensation took effect; {saga_id} and {unique} are replaced.",
            show_default=False,
        ),
    ] = None,
    schemas: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The .avsc files; without it they are read from the topic of schemas.")
    ] = None,
    kafka: Annotated[str | None, typer.Option(metavar="HOST:PORT,…", help="Kafka; else SAGA_KAFKA_BOOTSTRAP_SERVERS.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Before the name of every topic; else SAGA_TOPIC_PREFIX.")] = None,
    reply_limit: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, max=600, help="Waits so long for one answer.")] = 20,
    later_limit: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=600, help="Waits so long for the end of accepted work.")
    ] = 60,
    beside_coordinator: Annotated[
        bool, typer.Option("--beside-coordinator", help="Play although a coordinator's topics have this prefix.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Only cases of that name, such as 'echo.*'.")] = None,
    output: Annotated[ReportFormat, typer.Option("-o", "--output", help="table for people, json and junit for programs.")] = (
        ReportFormat.TABLE
    ),
) -> None:
    """Play the coordinator against a running participant, and compare its answers with the page
    that defines the wire. Ends 1 when a case failed."""
    from saga_cli.conformance.given import Part

    texts = (action, reject, fail, accept, compensation, reject_compensation, fail_compensation)
    parts = dict(zip(Part, texts, strict=True))
    given = _given(participant, parts, reply_limit, later_limit)
    outside = _outside(kill_command, start_command, effects_query)
    cases, settings = _cases(only or []), _settings(kafka, prefix)
    results = asyncio.run(_checked(settings, given, cases, schemas, outside, beside_coordinator))
    _print(results, output, participant)
    if any(result.status.value == "FAILED" for result in results):
        raise typer.Exit(ExitCode.FINDINGS)


def _given(participant: str, parts: Mapping[Part, str | None], reply_limit: float, later_limit: float) -> Given:
    from saga_cli.conformance.given import Given, Patience
    from saga_cli.conformance.options import read_bodies
    from saga_schemas.ids import valid_name

    if not valid_name(participant):
        raise typer.BadParameter("a participant's name matches [a-z][a-z0-9-]{0,62}", param_hint="--participant")
    patience = Patience(reply_s=reply_limit, later_s=later_limit)
    return Given(participant=participant, bodies=read_bodies(parts), patience=patience)


def _outside(kill_command: str | None, start_command: str | None, effects_query: str | None) -> Shell:
    from saga_cli.conformance.outside import Shell

    if (kill_command is None) != (start_command is None):
        raise typer.BadParameter("--kill-command and --start-command belong together", param_hint="--kill-command")
    return Shell(kill_command=kill_command, start_command=start_command, effects_query=effects_query)


def _cases(only: Sequence[str]) -> list[Case]:
    from saga_cli.conformance.cases.every_case import chosen, every_case

    cases = chosen(every_case(), only)
    if not cases:
        raise typer.BadParameter("no case has such a name; docs/conformance.md lists the groups", param_hint="--only")
    return cases


def _settings(kafka: str | None, prefix: str | None) -> KafkaSettings:
    from saga_messaging.settings import PREFIX, TOPIC_PREFIX_VARIABLE, KafkaSettings

    given = {PREFIX + "BOOTSTRAP_SERVERS": kafka, TOPIC_PREFIX_VARIABLE: prefix}
    return KafkaSettings.from_env(dict(os.environ) | {name: text for name, text in given.items() if text is not None})


async def _checked(
    settings: KafkaSettings, given: Given, cases: Sequence[Case], schemas: Path | None, outside: Shell, beside: bool
) -> list[Result]:
    from saga_cli.conformance.check import check as run_check
    from saga_messaging.kafka import KafkaBroker, SidewaysProducer
    from saga_schemas.files import read_schemas
    from saga_schemas.topics import Topics

    broker, sideways = KafkaBroker(settings), SidewaysProducer(settings)
    topics = Topics(settings.topic_prefix)
    known = None if schemas is None else read_schemas(schemas)
    await broker.start()
    try:
        async with outside:
            return await run_check(
                broker,
                topics,
                given,
                cases,
                schemas=known,
                sideways=sideways,
                outside=outside,
                beside_coordinator=beside,
                told=_told,
            )
    finally:
        await sideways.stop()
        await broker.stop()


def _told(result: Result) -> None:
    """Each failure at once on stderr, for whoever waits."""
    if result.status.value == "FAILED":
        print(f"FAILED {result.case.name}", file=sys.stderr, flush=True)


def _print(results: Sequence[Result], output: ReportFormat, participant: str) -> None:
    from saga_cli.conformance import report
    from saga_cli.output import print_json

    if output is ReportFormat.JSON:
        print_json(report.as_json(results))
    elif output is ReportFormat.JUNIT:
        print(report.as_junit(results, participant), flush=True)
    else:
        print(report.as_table(results), flush=True)
