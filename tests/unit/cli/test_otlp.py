"""Where participants' spans go: what is typed goes before what is set, what cannot be meant is one
line, and nothing loads without."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer

from saga_cli.otlp import Otlp, Protocol, collector
from saga_messaging.errors import ConfigurationError

SET = {"SAGA_OTLP_ENDPOINT": "http://set:4318", "SAGA_OTLP_PROTOCOL": "http/protobuf"}
NOT_URLS = ["127.0.0.1:4317", "ftp://h:1", "http://", "http://h:port", "http://h:99999", "http://h:1 2", "http://h:4317?x=1"]


@pytest.mark.parametrize(
    ("endpoint", "protocol", "environ", "found"),
    [
        (None, None, {}, None),
        (None, None, {"SAGA_OTLP_ENDPOINT": ""}, None),
        (None, None, {"SAGA_OTLP_ENDPOINT": "http://set:4317"}, Otlp(endpoint="http://set:4317")),
        (None, None, SET, Otlp(endpoint="http://set:4318", protocol="http/protobuf")),
        ("https://typed", None, SET, Otlp(endpoint="https://typed", protocol="http/protobuf")),
        ("http://typed:1", Protocol.GRPC, SET, Otlp(endpoint="http://typed:1")),
    ],
)
def test_what_is_typed_goes_before_what_is_set(
    endpoint: str | None, protocol: Protocol | None, environ: dict[str, str], found: Otlp | None
) -> None:
    assert collector(endpoint, protocol, environ) == found


@pytest.mark.parametrize("url", NOT_URLS)
def test_what_is_no_url_names_where_it_was_said(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SAGA_OTLP_ENDPOINT: write http://HOST:PORT"):
        collector(None, None, {"SAGA_OTLP_ENDPOINT": url})
    with pytest.raises(typer.BadParameter, match="write http://HOST:PORT"):
        collector(url, None, {})


@pytest.mark.parametrize("command", [("participant", "run", "json:loads"), ("demo",)])
def test_a_bad_option_ends_2_with_one_line(saga: Any, command: tuple[str, ...]) -> None:
    for options in (("--otlp", "nowhere"), ("--otlp-protocol", "grpc"), ("--otlp", "http://h:1", "--otlp-protocol", "thrift")):
        told = saga(*command, *options)
        assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), told.err
        assert "--otlp" in told.err


@pytest.mark.parametrize(
    ("name", "value"), [("SAGA_OTLP_ENDPOINT", "nowhere:4317"), ("SAGA_OTLP_PROTOCOL", "thrift"), ("SAGA_OTLP_PROTOCOL", "GRPC")]
)
def test_a_bad_setting_ends_78_with_one_line(saga: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("SAGA_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    monkeypatch.setenv(name, value)

    told = saga("participant", "run", "json:loads")

    assert (told.code, told.out, told.err.count("\n")) == (78, "", 1), told.err
    assert name in told.err


def test_a_demo_whose_collector_does_not_answer_ends_69_and_says_how_to_start_one(
    saga: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)

    told = saga("demo", "--otlp", "http://127.0.0.1:1")

    assert told.code == 69
    assert told.err == (
        "saga: no collector answers at http://127.0.0.1:1: nobody listens there; "
        "start Jaeger (`saga dev jaeger`), or name another with --otlp\n"
    )
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_without_a_collector_neither_sdk_nor_exporter_is_loaded() -> None:
    script = """
import sys
from saga_cli.commands.participant import _exporting
from saga_cli.object_loader import load_object
from saga_cli.otlp import collector
from saga_participant import Participant
with _exporting(load_object("saga_demo.payment:payment", Participant, example="").name, collector(None, None, {})):
    print([name for name in ("opentelemetry.sdk", "opentelemetry.exporter", "grpc", "google.protobuf") if name in sys.modules])
import saga_cli.demo.demo_run
print([name for name in ("opentelemetry.exporter", "grpc", "google.protobuf") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n[]\n"
