"""A participant's spans on their way to a collector: whose they are, which leave, and what an
outage of the collector costs."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from saga_cli.otlp import Otlp
from saga_cli.participant_spans import ParticipantSpans
from saga_coordinator.settings import OtlpProtocol
from support.collector import Collector

FEW_MS = "50"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", FEW_MS)
    return monkeypatch


@contextmanager
def spans_to(collector: Collector, *, own_process: bool = True) -> Iterator[ParticipantSpans]:
    with ExitStack() as closed:
        spans = ParticipantSpans(
            "payment", Otlp(endpoint=collector.endpoint, protocol=collector.protocol), own_process=own_process
        )
        closed.callback(spans.close)
        yield spans


def caller(*, sampled: bool) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return trace.set_span_in_context(NonRecordingSpan(SpanContext(7, 7, is_remote=True, trace_flags=flags)))


def make(spans: ParticipantSpans, name: str, context: Context | None = None) -> None:
    with spans.provider.get_tracer("tests").start_as_current_span(name, context=context):
        pass


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """By us. pytest also shows what the exporters said, to a logger that hands nothing on."""
    return [record for record in caplog.records if not record.name.startswith("opentelemetry.exporter.")]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_spans_arrive_by_either_protocol(clean: pytest.MonkeyPatch, protocol: OtlpProtocol) -> None:
    with Collector(protocol) as collector, spans_to(collector) as spans:
        make(spans, "one")
        (span,) = collector.until(lambda found: len(found) == 1)

    assert (span.name, span.service, span.scope) == ("one", "payment", "tests")
    assert {"process.pid", "process.runtime.version", "service.instance.id", "telemetry.sdk.version"} <= set(span.resource)
    assert "process.command_line" not in span.resource


@pytest.mark.parametrize(
    ("variable", "text"), [("OTEL_SERVICE_NAME", "mine"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,deployment=x")]
)
def test_the_environment_names_the_service_of_a_process_of_its_own(
    clean: pytest.MonkeyPatch, collector: Collector, variable: str, text: str
) -> None:
    clean.setenv(variable, text)
    with spans_to(collector) as own, spans_to(collector, own_process=False) as shared:
        make(own, "own")
        make(shared, "shared")
        found = collector.until(lambda found: len(found) == 2)

    assert {span.name: span.service for span in found} == {"own": "mine", "shared": "payment"}


def test_the_callers_decision_is_obeyed(clean: pytest.MonkeyPatch, collector: Collector) -> None:
    with spans_to(collector) as spans:
        make(spans, "not sampled", caller(sampled=False))
        make(spans, "sampled", caller(sampled=True))
        make(spans, "nobody decided")

    assert [span.name for span in collector.spans] == ["sampled", "nobody decided"]


def test_the_standard_variable_chooses_another_sampler(clean: pytest.MonkeyPatch, collector: Collector) -> None:
    clean.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    with spans_to(collector) as spans:
        make(spans, "nobody decided")
        make(spans, "sampled", caller(sampled=True))

    assert [span.name for span in collector.spans] == ["sampled"]


def test_what_has_not_left_leaves_at_the_end(clean: pytest.MonkeyPatch, collector: Collector) -> None:
    clean.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    with spans_to(collector) as spans:
        make(spans, "last")

    assert [span.name for span in collector.spans] == ["last"]


def test_a_flush_says_whether_the_collector_has_them(clean: pytest.MonkeyPatch, collector: Collector) -> None:
    clean.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    with spans_to(collector) as spans:
        make(spans, "one")
        assert spans.flush(30)
        collector.hang()
        make(spans, "two")
        assert not spans.flush(0.1)
        collector.accept()


@pytest.mark.parametrize("goes_wrong", [Collector.refuse, Collector.stop])
def test_an_outage_is_one_warning_and_afterwards_spans_arrive_again(
    clean: pytest.MonkeyPatch, collector: Collector, caplog: pytest.LogCaptureFixture, goes_wrong: Callable[[Collector], None]
) -> None:
    for name, seconds in (("EXPORT_TIMEOUT_S", 0.3), ("BATCH_LIMIT_S", 0.0), ("_RETRY_S", 0.01)):
        clean.setattr(f"saga_cli.participant_spans.{name}", seconds)
    caplog.set_level(logging.INFO)
    with spans_to(collector) as spans:
        goes_wrong(collector)
        for name in ("lost", "lost too", "and this"):
            make(spans, name)
            assert not spans.flush(30)
        (warning,) = told(caplog)
        assert warning.levelname == "WARNING"
        assert f"spans do not reach the collector at {collector.endpoint}" in warning.getMessage()
        collector.accept() if goes_wrong is Collector.refuse else collector.start()
        make(spans, "arrives")
        assert spans.flush(30)

    assert [record.levelname for record in told(caplog)] == ["WARNING", "INFO"]
    assert "again; 3 were dropped" in told(caplog)[1].getMessage()
    assert [span.name for span in collector.spans] == ["arrives"]


@pytest.mark.parametrize("goes_wrong", [Collector.refuse, Collector.stop])
def test_what_waited_through_a_short_outage_arrives(
    clean: pytest.MonkeyPatch, collector: Collector, goes_wrong: Callable[[Collector], None]
) -> None:
    clean.setattr("saga_cli.participant_spans.EXPORT_TIMEOUT_S", 0.3)
    with spans_to(collector) as spans:
        goes_wrong(collector)
        make(spans, "one")
        assert not spans.flush(1.0)
        make(spans, "two")
        collector.accept() if goes_wrong is Collector.refuse else collector.start()
        assert spans.flush(60)

    assert [span.name for span in collector.spans] == ["one", "two"]


def test_the_queue_is_bounded_and_says_nothing_of_its_own(
    clean: pytest.MonkeyPatch, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    clean.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    clean.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    collector.hang()
    with spans_to(collector) as spans:
        make(spans, "on its way")
        collector.until_asked(1)
        for number in range(100):
            make(spans, f"n-{number}")
        collector.accept()

    assert [span.name for span in collector.spans] == ["on its way", "n-96", "n-97", "n-98", "n-99"]
    assert caplog.text == ""


def test_an_sdk_that_the_module_installed_itself_stays() -> None:
    script = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
own = TracerProvider()
trace.set_tracer_provider(own)
from saga_cli.otlp import Otlp
from saga_cli.participant_spans import exporting
with exporting("payment", Otlp(endpoint="http://127.0.0.1:1")):
    assert trace.get_tracer_provider() is own
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stderr == "payment configured OpenTelemetry itself: its spans go where it says, not to http://127.0.0.1:1\n"
