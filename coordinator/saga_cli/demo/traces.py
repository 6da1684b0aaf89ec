"""The demo's traces: whether a collector answers, an SDK for each service, and that all spans have left before a link is shown."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from saga_cli.demo.plan import Plan
from saga_cli.exits import CommandFailed, ExitCode
from saga_cli.otlp import Otlp

if TYPE_CHECKING:
    from saga_cli.participant_spans import ParticipantSpans

USUAL_PORT: Final = 4317
"""Where collectors take OTLP by gRPC."""
EXPORTED_LIMIT_S: Final = 10.0
_ANSWER_LIMIT_S: Final = 3.0
_POLL_INTERVAL_S: Final = 0.1
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def require_collector(otlp: Otlp) -> None:
    """Raises CommandFailed (69) when none answers: before anything is started, since at the end it would be too late."""
    parts = urlsplit(otlp.endpoint)
    why = "nobody listens there"
    if _listens(parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]):
        why = f"it does not take spans by {otlp.protocol} (--otlp-protocol)"
        if _takes_spans(otlp):
            return
    raise CommandFailed(
        f"no collector answers at {otlp.endpoint}: {why}; start Jaeger (`saga dev jaeger`), or name another with --otlp",
        ExitCode.NO_SERVER,
    )


def collector_listens() -> bool:
    """Where one usually does."""
    return _listens("127.0.0.1", USUAL_PORT)


@asynccontextmanager
async def participant_spans_of(plan: Plan) -> AsyncIterator[Mapping[str, ParticipantSpans]]:
    """An SDK for each service, by its name, since all run in this one process; none without a collector."""
    if plan.otlp is None:
        yield {}
        return
    from saga_cli.participant_spans import ParticipantSpans

    spans = {name: ParticipantSpans(name, plan.otlp, own_process=False) for name in plan.service_urls}
    try:
        yield spans
    finally:
        await asyncio.gather(*(asyncio.to_thread(each.close) for each in spans.values()))


async def all_exported(plan: Plan, spans: Mapping[str, ParticipantSpans]) -> bool:
    """Wait until the collector has the services' spans and everything the coordinator owes; False when that takes too long."""
    flushing = [asyncio.to_thread(each.flush, EXPORTED_LIMIT_S) for each in spans.values()]
    return all(await asyncio.gather(_coordinator_exported_all(plan.coordinator_url), *flushing))


async def _coordinator_exported_all(coordinator_url: str) -> bool:
    """What the coordinator has still to export is a row of its database; False when some are left at the end."""
    from sqlalchemy import exists, select
    from sqlalchemy.ext.asyncio import create_async_engine

    from saga_coordinator.store.schema import span_due

    engine = create_async_engine(coordinator_url)
    any_due = select(exists(select(span_due.c.saga_id)))
    try:
        async with engine.connect() as connection, asyncio.timeout(EXPORTED_LIMIT_S):
            while (await connection.execute(any_due)).scalar_one():
                await connection.rollback()  # the next look is a new one
                await asyncio.sleep(_POLL_INTERVAL_S)
    except TimeoutError:
        return False
    finally:
        await engine.dispose()
    return True


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_ANSWER_LIMIT_S).close()
    except OSError:
        return False
    return True


def _takes_spans(otlp: Otlp) -> bool:
    """An export without a span."""
    from opentelemetry.sdk.trace.export import SpanExportResult

    from saga_coordinator.traces.export import span_exporter
    from saga_coordinator.traces.exporter_errors import ExporterErrors

    errors = ExporterErrors("traces", "span")  # what the exporter has to say is said in our line
    exporter = span_exporter(otlp.endpoint, otlp.protocol, _ANSWER_LIMIT_S)
    try:
        return exporter.export([]) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()
        errors.close()
