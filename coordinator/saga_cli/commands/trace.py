"""`saga trace show|export`: the coordinator's spans of a saga, from its journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, group
from saga_cli.commands.sagas import SagaReference
from saga_cli.otlp import Protocol, given_url
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_coordinator.traces.plain import PlainTrace
    from saga_coordinator.traces.spans import Span

SEND_TIMEOUT_S: Final = 5.0
"""Somebody waits for it, and may type it again."""


_COLLECTORS: Final = {Protocol.GRPC: "http://127.0.0.1:4317", Protocol.HTTP: "http://127.0.0.1:4318"}
_OTLP: Final = (
    f"The OTLP collector; {_COLLECTORS[Protocol.GRPC]} when not given ({_COLLECTORS[Protocol.HTTP]} for http/protobuf)."
)


def register(app: typer.Typer, panel: str) -> None:
    trace = group(app, "trace", "A saga's trace, from its journal.", panel)
    trace.command(
        "show",
        context_settings=HELP_OPTIONS,
        epilog=examples("saga trace show o-17", "saga trace show order/o-17 -o json", "saga trace show o-17 -o ids"),
    )(show)
    trace.command(
        "export",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga trace export o-17",
            "saga trace export o-17 --otlp http://127.0.0.1:4318 --protocol http/protobuf",
        ),
    )(export)


def show(saga: SagaReference, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Show a saga's spans as a waterfall, also of one that is not sampled; what has no answer yet
    is drawn open."""
    from saga_cli.client import Client
    from saga_cli.output import console, print_ids, print_json
    from saga_cli.show.trace import trace_lines

    with Client(server) as client:
        saga_id = client.saga_id(saga)
        trace = client.trace(saga_id)
        if output is Format.JSON:
            print_json(trace)
        elif output is Format.IDS:
            print_ids(span["span_id"] for span in trace["spans"])
        else:
            out = console()
            for line in trace_lines(client.saga(saga_id), trace, out.width):
                out.print(line)


def export(
    saga: SagaReference,
    otlp: Annotated[str | None, typer.Option(metavar="URL", envvar="SAGA_OTLP_ENDPOINT", help=_OTLP)] = None,
    protocol: Annotated[
        Protocol, typer.Option(envvar="SAGA_OTLP_PROTOCOL", help="How the collector is spoken to.")
    ] = Protocol.GRPC,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Send a saga's spans to a collector: the very ones that the coordinator sends, so doing it
    again adds nothing.

    For a collector that has forgotten them, and for sagas that were not sampled. A saga that goes
    on gets its root at its end.
    """
    from saga_cli.client import Client
    from saga_cli.output import print_object

    collector = given_url(otlp or _COLLECTORS[protocol], "--otlp")
    with Client(server) as client:
        trace = client.trace(client.saga_id(saga))
    _send(*_checked(trace, server), collector, protocol)
    ids = [span["span_id"] for span in trace["spans"]]
    export = {name: trace[name] for name in ("id", "trace_id", "trace_url", "complete")} | {
        "collector": collector,
        "span_ids": ids,
    }
    print_object(export, output, line=_sent(trace, collector), ids=ids)


def _checked(trace: dict[str, Any], server: str) -> tuple[PlainTrace, list[Span]]:
    from saga_cli.exits import CommandFailed, ExitCode
    from saga_coordinator.traces.plain import PlainTrace

    try:
        plain = PlainTrace.model_validate(trace)
        return plain, [span.span() for span in plain.spans]
    except ValueError:
        message = f"the coordinator at {server} answers with a trace that this release cannot read: use the saga of its release"
        raise CommandFailed(message, ExitCode.NO_SERVER) from None


def _send(trace: PlainTrace, spans: list[Span], url: str, protocol: Protocol) -> None:
    import asyncio

    from saga_cli.exits import CommandFailed, ExitCode
    from saga_coordinator.traces.collector import SpansRefused, batches
    from saga_coordinator.traces.export import OtlpCollector

    collector = OtlpCollector(
        url, protocol.value, cluster_id=trace.cluster_id, service_name=trace.service_name, timeout_s=SEND_TIMEOUT_S
    )
    try:
        for batch in batches(spans):
            asyncio.run(collector.send(batch))
    except SpansRefused as refused:
        why = " ".join(str(refused).split())
        message = f"the collector at {url} did not take the spans; is it running, and does it speak {protocol.value}? ({why})"
        raise CommandFailed(message, ExitCode.NO_SERVER) from None
    finally:
        collector.close()


def _sent(trace: dict[str, Any], collector: str) -> str:
    goes_on = "" if trace["complete"] else "; the saga goes on, its root follows at its end"
    link = f"\n{trace['trace_url']}" if trace["trace_url"] else ""
    return f"sent {len(trace['spans'])} spans of trace {trace['trace_id']} to {collector}{goes_on}{link}"
