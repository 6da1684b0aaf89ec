"""An OTLP collector over HTTP on a loopback port: keeps every request as it came over the wire."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.loopback import LoopbackServer


@dataclass(slots=True)
class OtlpCollector(LoopbackServer):
    """`requests` are the bodies with spans, `metrics` those with metrics; `status` is what the next ones are answered with."""

    requests: list[bytes] = field(default_factory=list)
    metrics: list[bytes] = field(default_factory=list)
    status: int = 200

    def spans(self) -> dict[str, bytes]:
        """By span id: the span with its resource and scope, encoded; a second one of an id has to be the same."""
        found: dict[str, bytes] = {}
        for request in map(ExportTraceServiceRequest.FromString, self.requests):
            for of_resource in request.resource_spans:
                for of_scope in of_resource.scope_spans:
                    about = of_resource.resource.SerializeToString() + of_scope.scope.SerializeToString()
                    for span in of_scope.spans:
                        encoded = about + span.SerializeToString()
                        assert found.setdefault(span.span_id.hex(), encoded) == encoded
        return found

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return _handler(self)


def _handler(collector: OtlpCollector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            kept = {"/v1/traces": collector.requests, "/v1/metrics": collector.metrics}.get(self.path)
            if collector.status == 200 and kept is not None:
                kept.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
