"""The demo's traces: the check for a collector, an SDK for each service, and the wait for all spans
before a link is shown."""

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
"""Usual port of OTLP over gRPC."""
EXPORTED_LIMIT_S: Final = 10.0
_ANSWER_LIMIT_S: Final = 3.0
_POLL_INTERVAL_S: Final = 0.1
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def require_collector(otlp: Otlp) -> None:
    """Check that the collector takes spans, before anything is started.

    Raises:
        CommandFailed: It does not (exit 69).
    """
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
    """Return whether a collector listens on the usual port."""
    return _listens("127.0.0.1", USUAL_PORT)


@asynccontextmanager
async def participant_spans_of(plan: Plan) -> AsyncIterator[Mapping[str, ParticipantSpans]]:
    """Give an SDK for each service by its name, because all share this process; none without a
    collector."""
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
    """Wait until services and coordinator have exported all spans.

    Returns False when that takes too long.
    """
    flushing = [asyncio.to_thread(each.flush, EXPORTED_LIMIT_S) for each in spans.values()]
    return all(await asyncio.gather(_coordinator_exported_all(plan.coordinator_url), *flushing))


async def _coordinator_exported_all(coordinator_url: str) -> bool:
    """Wait until no row of the coordinator's database is due for export.

    Returns False when some are left at the end.
    """
    from sqlalchemy import exists, select
    from sqlalchemy.ext.asyncio import create_async_engine

    from saga_coordinator.store.schema import span_due
    from saga_messaging.sqlite import connect_args

    engine = create_async_engine(coordinator_url, connect_args=connect_args(coordinator_url))
    any_due = select(exists(select(span_due.c.saga_id)))
    try:
        async with engine.connect() as connection, asyncio.timeout(EXPORTED_LIMIT_S):
            while (await connection.execute(any_due)).scalar_one():
                await connection.rollback()  # the next query reads anew
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
    """Return whether the collector takes an export without spans."""
    from opentelemetry.sdk.trace.export import SpanExportResult

    from saga_coordinator.traces.export import span_exporter
    from saga_coordinator.traces.exporter_errors import ExporterErrors

    errors = ExporterErrors("traces", "span")  # keeps the exporter's messages off the terminal; our line says it
    exporter = span_exporter(otlp.endpoint, otlp.protocol, _ANSWER_LIMIT_S)
    try:
        return exporter.export([]) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()
        errors.close()
