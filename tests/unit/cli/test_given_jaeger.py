"""A given Jaeger is one address for three: what it may say, and one line for what it may not or
where nothing answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from saga_cli.dev.process import ServiceFailed
from saga_cli.dev.services import resolve_jaeger

SERVICES = b'{"data": ["shop"], "total": 1}'
PAGE = b'<script>JAEGER_VERSION = {"gitCommit":"","gitVersion":"v2.13.0","buildDate":""};</script>'


@pytest.fixture
def served(coordinator: Any) -> Any:
    """A server of canned answers that plays the query API."""
    return coordinator


@pytest.fixture
def listening() -> Iterator[int]:
    """A port that accepts."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_the_ports_of_otlp_are_named_behind_the_address(served: Any, listening: int) -> None:
    served.answer("GET", "/api/services", SERVICES)
    served.answer("GET", "/", PAGE)

    with resolve_jaeger(f"{served.url}/?otlp={listening}&otlp_http={urlsplit(served.url).port}") as jaeger:
        assert jaeger.query_url == served.url
        assert jaeger.otlp_grpc == f"http://127.0.0.1:{listening}"
        assert jaeger.otlp_http == served.url
        assert jaeger.version == "2.13.0"


def test_a_jaeger_below_a_path_is_asked_there(served: Any, listening: int) -> None:
    served.answer("GET", "/jaeger/api/services", SERVICES)
    served.answer("GET", "/jaeger/", b"<html>another page</html>")

    jaeger = resolve_jaeger(f"{served.url}/jaeger?otlp={listening}&otlp_http={listening}")

    assert jaeger.query_url == f"{served.url}/jaeger"
    assert jaeger.otlp_grpc == f"http://127.0.0.1:{listening}"
    assert jaeger.version == "of unknown release"


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "127.0.0.1:16686",
        "ftp://127.0.0.1:16686",
        "http://",
        "http://:16686",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://me:secret@127.0.0.1:16686",
        "http://127.0.0.1:16686#top",
        "http://127.0.0.1:16686?grpc=4317",
        "http://127.0.0.1:16686?otlp",
        "http://127.0.0.1:16686?otlp=",
        "http://127.0.0.1:16686?otlp=x",
        "http://127.0.0.1:16686?otlp=0",
        "http://127.0.0.1:16686?otlp=65536",
        "http://127.0.0.1:16686?otlp_http=http://127.0.0.1:4318",
    ],
)
def test_what_is_no_address_of_a_jaeger_is_one_line_with_the_syntax(address: str) -> None:
    with pytest.raises(ServiceFailed, match=r"is not the address of a Jaeger.*: write http://host:16686, or http://") as failure:
        resolve_jaeger(address)

    assert "\n" not in str(failure.value)
    assert "secret" not in str(failure.value)


def test_where_nothing_answers_is_one_line() -> None:
    with pytest.raises(ServiceFailed, match=r"^no Jaeger answers at http://127\.0\.0\.1:1: ") as failure:
        resolve_jaeger("http://127.0.0.1:1")

    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("services", [None, b"<html>", b"[]", b"7", b'"data"', b"null", b'{"traces": []}', b"\xff"])
def test_what_answers_there_but_is_no_jaeger_is_told_apart(served: Any, services: bytes | None) -> None:
    served.answer("GET", "/", PAGE)
    if services is not None:
        served.answer("GET", "/api/services", services)

    with pytest.raises(ServiceFailed, match=rf"^no Jaeger answers at {served.url}: ") as failure:
        resolve_jaeger(served.url)

    assert "\n" not in str(failure.value)


def test_a_jaeger_that_takes_no_otlp_where_it_should_is_told(served: Any, listening: int) -> None:
    served.answer("GET", "/api/services", SERVICES)
    served.answer("GET", "/", PAGE)

    with pytest.raises(ServiceFailed, match=r"takes no OTLP at 127\.0\.0\.1:1 \(otlp_http\): write"):
        resolve_jaeger(f"{served.url}?otlp={listening}&otlp_http=1")
