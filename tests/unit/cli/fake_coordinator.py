"""A coordinator of canned answers on a real loopback port: what the commands send, and what they
make of an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from support.loopback import LoopbackServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class FakeCoordinator(LoopbackServer):
    """`answers[method, path]` is (status, body) or a list of them, used up one by one; no saga has
    a key, and anything else is a 404 problem."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any, status: int = 200) -> None:
        self.answers.setdefault((method, path), []).append((status, body))

    def refuse(self, method: str, path: str, status: int, code: str, **more: Any) -> None:
        self.answer(method, path, {"title": "No.", "status": status, "code": code, **more}, status)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return _handler(self)

    def take(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        waiting = self.answers.get((asked.method, asked.path))
        if not waiting and (asked.method, asked.path) == ("GET", "/v1/sagas"):
            return 200, {"items": [], "next": None}
        if not waiting:
            return 404, {"title": "There is nothing at this path.", "status": 404, "code": "not_found"}
        found: tuple[int, Any] = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return found


def _handler(fake: FakeCoordinator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(raw) if raw else None,
            )
            status, body = fake.take(asked)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _take

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
