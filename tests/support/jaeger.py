"""What a Jaeger has taken in, read back through its query API.

Asked is `/api/traces`, which the web page is drawn from, not `/api/v3/traces`: only the former can
search by tags, and both of its questions answer in one shape. It costs what v3 would show besides:
the attributes of links, and times below a microsecond.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

WAIT_LIMIT_S = 60.0
_ASK_AGAIN_S = 0.1
_TIMEOUT_S = 30.0
_ALL_TIMES_US = {"start": 1, "end": 1 << 53}
"""Left out, it would be the last two days: a test's clock may stand elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A span that another one refers to besides its parent."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A span's event; its name is the field `event`."""

    at_us: int
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span as Jaeger shows it. Ids are lowercase hexadecimal, times microseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str | None
    links: tuple[Link, ...]
    operation: str
    service: str
    kind: str
    """internal, server, client, producer or consumer; empty where the sender left it open."""
    start_us: int
    duration_us: int
    tags: Mapping[str, object]
    """Attributes, and Jaeger's own: `error` and `otel.status_description` when it failed. Lists are
    JSON in a string."""
    resource: Mapping[str, object]
    logs: tuple[Log, ...]
    warnings: tuple[str, ...]

    @property
    def end_us(self) -> int:
        return self.start_us + self.duration_us

    @property
    def failed(self) -> bool:
        return self.tags.get("error") is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All spans of one trace, by their start."""

    trace_id: str
    spans: tuple[Span, ...]

    def span(self, operation: str) -> Span:
        """The one span of this name."""
        (found,) = self.named(operation)
        return found

    def named(self, operation: str) -> list[Span]:
        return [span for span in self.spans if span.operation == operation]

    def children(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if span.parent_id == parent.span_id]

    @property
    def roots(self) -> list[Span]:
        """Spans whose parent is none or not among them: one in a whole trace."""
        known = {span.span_id for span in self.spans}
        return [span for span in self.spans if span.parent_id not in known]


class JaegerClient:
    """Asks the query API at `query_url`."""

    def __init__(self, query_url: str) -> None:
        self._url = query_url

    async def trace(self, trace_id: str) -> Trace | None:
        """The trace as far as its spans have come; None while there is none."""
        answer = await self._ask(f"/api/traces/{trace_id}")
        return None if answer is None else _trace(answer[0])

    async def find(
        self, service: str, operation: str | None = None, tags: Mapping[str, str] | None = None, *, limit: int = 1000
    ) -> list[Trace]:
        """Traces that hold a span of this service, name and tags (values as text), the newest
        first."""
        query: dict[str, str | int] = {"service": service, "limit": limit, **_ALL_TIMES_US}
        if operation is not None:
            query["operation"] = operation
        if tags:
            query["tags"] = json.dumps(tags)
        return [_trace(found) for found in await self._ask("/api/traces", query) or ()]

    async def wait_for(
        self, trace_id: str, holds: Callable[[Trace], bool] = lambda _: True, limit_s: float = WAIT_LIMIT_S
    ) -> Trace:
        """The trace once it is there and `holds` is true of it; AssertionError with the spans that
        were there instead."""
        deadline = time.monotonic() + limit_s
        while True:
            seen = await self.trace(trace_id)
            if seen is not None and holds(seen):
                return seen
            if time.monotonic() > deadline:
                shown = [f"{span.service}: {span.operation}" for span in seen.spans] if seen else "no span"
                raise AssertionError(f"trace {trace_id} is not as expected after {limit_s:.0f} s: {shown}")
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _ask(self, path: str, query: Mapping[str, str | int] | None = None) -> list[dict[str, Any]] | None:
        async with httpx.AsyncClient(base_url=self._url, timeout=_TIMEOUT_S, trust_env=False) as http:
            answer = await http.get(path, params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found: list[dict[str, Any]] | None = answer.raise_for_status().json()["data"]
        return found


def _trace(told: dict[str, Any]) -> Trace:
    spans = [_span(span, told["processes"][span["processID"]]) for span in told["spans"]]
    in_order = sorted(
        spans, key=lambda span: (span.start_us, -span.duration_us, span.span_id)
    )  # whatever order Jaeger tells them in
    return Trace(trace_id=told["traceID"], spans=tuple(in_order))


def _span(told: dict[str, Any], process: dict[str, Any]) -> Span:
    parents = [to for to in told["references"] if to["refType"] == "CHILD_OF" and to["traceID"] == told["traceID"]]
    others = [to for to in told["references"] if to not in parents[:1]]
    tags = _values(told["tags"])
    return Span(
        trace_id=told["traceID"],
        span_id=told["spanID"],
        parent_id=parents[0]["spanID"] if parents else None,
        links=tuple(Link(trace_id=to["traceID"], span_id=to["spanID"]) for to in others),
        operation=told["operationName"],
        service=process["serviceName"],
        kind=str(tags.get("span.kind", "")),
        start_us=told["startTime"],
        duration_us=told["duration"],
        tags=tags,
        resource=_values(process["tags"]),
        logs=tuple(Log(at_us=log["timestamp"], fields=_values(log["fields"])) for log in told["logs"]),
        warnings=tuple(told["warnings"] or ()),
    )


def _values(told: list[dict[str, Any]]) -> dict[str, object]:
    return {entry["key"]: entry["value"] for entry in told}
