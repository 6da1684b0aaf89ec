"""`saga participant …`: one participant as a process of its own, and what it speaks.

`saga participant check` is in participant_check.py.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from saga_cli.commands import participant_check
from saga_cli.commands.groups import HELP_OPTIONS, TopicPrefix, checked_prefix, examples, group
from saga_cli.garbage import loading
from saga_cli.otlp import Otlp, ProtocolOption, collector

Target = Annotated[str, typer.Argument(metavar="MODULE:OBJECT", help="Where the Participant is found.", show_default=False)]
_EXAMPLE = "shop.payment:payment"


def register(app: typer.Typer, panel: str) -> None:
    participant = group(app, "participant", "A service that takes part in sagas.", panel)
    participant.command(
        "run",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "SAGA_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 saga participant run shop.payment:payment",
            "saga participant run saga_demo.payment:payment --bootstrap-servers 127.0.0.1:9092 --health-port 8711",
            "saga participant run shop.payment:payment --otlp http://127.0.0.1:4317",
        ),
    )(run)
    participant.command(
        "asyncapi",
        context_settings=HELP_OPTIONS,
        epilog=examples("saga participant asyncapi shop.payment:payment > payment.asyncapi.json"),
    )(asyncapi)
    participant_check.register(participant)


def run(
    target: Target,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,…", help="Kafka; else SAGA_KAFKA_BOOTSTRAP_SERVERS.")
    ] = None,
    health_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /healthz, /readyz and /metrics on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    instance: Annotated[str | None, typer.Option(help="Static group membership under this name; else SAGA_INSTANCE.")] = None,
    otlp: Annotated[
        str | None, typer.Option(metavar="URL", help="The OTLP collector its spans go to; else SAGA_OTLP_ENDPOINT, else none.")
    ] = None,
    otlp_protocol: ProtocolOption = None,
) -> None:
    """Run a participant until SIGTERM or Ctrl-C. The module is looked for in the current folder
    too."""
    with loading():
        from saga_cli.object_loader import load_object
        from saga_cli.signals import run_until_signal
        from saga_participant import Participant
        from saga_participant.settings import ParticipantSettings

    environ = dict(os.environ)
    if bootstrap_servers is not None:
        environ["SAGA_KAFKA_BOOTSTRAP_SERVERS"] = bootstrap_servers
    spans_to = collector(otlp, otlp_protocol, environ)
    settings = ParticipantSettings.from_env(environ, instance=instance)
    settings.configure_logs(environ, alone=True)
    with loading():
        participant = load_object(target, Participant, example=_EXAMPLE)
    with _exporting(participant.name, spans_to):
        run_until_signal(lambda stop: participant.serve_as(settings, stop=stop, health_port=health_port))


def asyncapi(
    target: Target,
    topic_prefix: TopicPrefix = "",
    version: Annotated[str, typer.Option(help="The service's own version, as the document says it.")] = "1",
) -> None:
    """Print a participant's AsyncAPI 3 document: its topics and messages.

    It is made from its handlers and schemas; nothing is connected to.
    """
    from saga_cli.object_loader import load_object
    from saga_cli.output import print_json
    from saga_participant import Participant

    participant = load_object(target, Participant, example=_EXAMPLE)
    print_json(participant.asyncapi(topic_prefix=checked_prefix(topic_prefix), version=version))


def _exporting(name: str, otlp: Otlp | None) -> AbstractContextManager[None]:
    """Send spans while the block runs. Without a collector OpenTelemetry's SDK is not loaded."""
    if otlp is None:
        return nullcontext()
    from saga_cli.participant_spans import exporting

    return exporting(name, otlp)
