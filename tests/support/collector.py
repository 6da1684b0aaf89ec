"""An OTLP collector in this process: takes spans and metrics by gRPC or HTTP, keeps them, and goes
wrong when told to.

Knows nothing of sagas. It stands for any collector's way of answering; that spans look right in
Jaeger is asked of a real Jaeger.
"""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, Self

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from saga_coordinator.settings import OtlpProtocol

WAIT_LIMIT_S = 60.0
"""Until spans have come; a loaded machine takes its time."""
_WORKERS = 8
"""Requests answered, or hanging, at one time."""
_TRACES, _METRICS = "trace", "metrics"
_SERVICES = {signal: f"opentelemetry.proto.collector.{signal}.v1.{signal.capitalize()}Service" for signal in (_TRACES, _METRICS)}
_PATHS = {"/v1/traces": _TRACES, "/v1/metrics": _METRICS}
_TAKEN = b""
"""How a response without a partial success looks."""
_HTTP_STATUS = {grpc.StatusCode.UNAVAILABLE: 503, grpc.StatusCode.RESOURCE_EXHAUSTED: 429, grpc.StatusCode.INVALID_ARGUMENT: 400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span as it arrived. Ids are lowercase hexadecimal, times nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    """INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER."""
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    events: tuple[str, ...]
    """Their names."""
    links: tuple[str, ...]
    """The span ids they point to."""
    error: str | None
    """The description of an error status, perhaps empty; None: no error."""
    resource: Mapping[str, Any]
    scope: str
    encoded: bytes
    """Resource, scope and span, as they came: of a span that is sent again they have to be the
    same."""

    @property
    def service(self) -> str:
        return str(self.resource.get("service.name", ""))


class _Server(Protocol):
    """One way to be reached, listening from its making to its end."""

    port: int

    def close(self) -> None: ...


class Collector:
    """Listens while the block runs.

    `refuse` answers every request (or all but the next few) with an error, `hang` with nothing,
    `accept` ends both. `stop` and `start` take it from its port and put it back on the same one.
    What it took is kept through all of that, except that `forget` empties it.
    """

    def __init__(self, protocol: OtlpProtocol = "grpc") -> None:
        self.protocol = protocol
        self._serve = _GrpcServer if protocol == "grpc" else _HttpServer
        self._server: _Server | None = None
        self._port = 0
        self.bodies: list[bytes] = []
        """Every request for spans that was taken, as it came."""
        self.metrics: list[ExportMetricsServiceRequest] = []
        self._spans: list[Span] = []
        self._requests = 0
        self._refusal: grpc.StatusCode | None = None
        self._refused_from = 0
        self._changed = threading.Condition()
        self._going_on = threading.Event()
        self._going_on.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """A base URL; it stays the same through stops."""
        assert self._port, "it was never started"
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> int:
        """How many were made for spans, whatever became of them."""
        with self._changed:
            return self._requests

    @property
    def spans(self) -> list[Span]:
        """Everything taken so far, in the order of arrival; what was sent twice is there twice."""
        with self._changed:
            return list(self._spans)

    def trace(self, trace_id: str) -> list[Span]:
        """One trace's spans by their start, each once."""
        found = {span.span_id: span for span in self.spans if span.trace_id == trace_id}
        return sorted(found.values(), key=lambda span: span.start_ns)

    def until(self, enough: Callable[[list[Span]], object], limit_s: float = WAIT_LIMIT_S) -> list[Span]:
        """Block until what was taken is `enough`; give it.

        From a coroutine: `await asyncio.to_thread(collector.until, …)`.
        """
        deadline = time.monotonic() + limit_s
        with self._changed:
            while not enough(list(self._spans)):
                assert self._changed.wait(deadline - time.monotonic()), f"only these came: {[one.name for one in self._spans]}"
            return list(self._spans)

    def until_asked(self, requests: int, limit_s: float = WAIT_LIMIT_S) -> None:
        """Block until so many requests were made since the beginning."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._requests >= requests, limit_s), f"only {self._requests} requests came"

    def forget(self) -> None:
        with self._changed:
            self._spans.clear()
            self.bodies.clear()
            self.metrics.clear()

    # What goes wrong

    def refuse(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, *, after: int = 0) -> None:
        """`after`: this many requests are still taken."""
        self._refusal, self._refused_from = code, self.requests + after

    def hang(self) -> None:
        self._going_on.clear()

    def accept(self) -> None:
        self._refusal = None
        self._going_on.set()

    def stop(self) -> None:
        """Nobody listens any more; requests that hang are cut off."""
        server, self._server = self._server, None
        if server is None:
            return
        hung = not self._going_on.is_set()
        self._going_on.set()  # their threads have to end
        server.close()
        if hung:
            self._going_on.clear()

    def start(self) -> None:
        assert self._server is None, "it is running"
        self._server = self._serve(self._port, self._take)
        self._port = self._server.port

    def _take(self, signal: str, body: bytes) -> grpc.StatusCode | None:
        """One request; why it is refused."""
        with self._changed:
            number = self._requests
            self._requests += signal == _TRACES
            self._changed.notify_all()
        self._going_on.wait()
        if self._server is None:
            return grpc.StatusCode.UNAVAILABLE
        if self._refusal is not None and number >= self._refused_from:
            return self._refusal
        if signal == _METRICS:
            self.metrics.append(ExportMetricsServiceRequest.FromString(body))
            return None
        taken = [span for group in ExportTraceServiceRequest.FromString(body).resource_spans for span in _spans_of(group)]
        with self._changed:
            self._spans += taken
            self.bodies.append(body)
            self._changed.notify_all()
        return None


_Take = Callable[[str, bytes], grpc.StatusCode | None]


class _GrpcServer:
    def __init__(self, port: int, take: _Take) -> None:
        # Two servers on one port would share its connections between them.
        self._server = grpc.server(ThreadPoolExecutor(_WORKERS), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers([_grpc_service(signal, take) for signal in _SERVICES])
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def close(self) -> None:
        self._server.stop(grace=None).wait()


def _grpc_service(signal: str, take: _Take) -> grpc.GenericRpcHandler:
    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        if (refused := take(signal, body)) is not None:
            context.abort(refused, "as told")
        return _TAKEN

    return grpc.method_handlers_generic_handler(_SERVICES[signal], {"Export": grpc.unary_unary_rpc_method_handler(export)})


class _HttpServer:
    def __init__(self, port: int, take: _Take) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _http_handler(take))
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _http_handler(take: _Take) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            plain = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
            status = 404
            if self.path in _PATHS:
                refused = take(_PATHS[self.path], plain)
                status = 200 if refused is None else _HTTP_STATUS[refused]
            with contextlib.suppress(OSError):  # the client has given up
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(_TAKEN)))
                self.end_headers()

        def log_message(self, *_: object) -> None: ...

    return Handler


def _spans_of(group: ResourceSpans) -> Iterator[Span]:
    resource = _attributes(group.resource.attributes)
    for scope in group.scope_spans:
        about = group.resource.SerializeToString() + scope.scope.SerializeToString()
        for span in scope.spans:
            yield Span(
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex() or None,
                name=span.name,
                kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                attributes=_attributes(span.attributes),
                events=tuple(event.name for event in span.events),
                links=tuple(link.span_id.hex() for link in span.links),
                error=span.status.message if span.status.code == Status.STATUS_CODE_ERROR else None,
                resource=resource,
                scope=scope.scope.name,
                encoded=about + span.SerializeToString(),
            )


def _attributes(given: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in given}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind is not None else None
