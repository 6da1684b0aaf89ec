"""`saga demo --otlp`: the shown order's trace as a collector gets it, whole before its link is
printed; and a collector that goes wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from saga_cli.demo import traces
from saga_coordinator.settings import OtlpProtocol
from support.collector import Collector, Span

SAGA = Path(sys.executable).with_name("saga")
LIMIT_S = 120.0
LEDGER = "INSERT effect_ledger"
SHAPE = {
    "started": {},
    "reserve": {"process shop.ReserveStock": {"UPDATE stock", "INSERT reservations", LEDGER}},
    "charge": {"process shop.ChargeCard": {"INSERT charges", LEDGER}},
    "ship": {"process shop.BookCarrier": set[str]()},
    "undo charge": {"process shop.RefundCard": {"UPDATE charges", LEDGER}},
    "undo reserve": {"process shop.ReleaseStock": {"UPDATE reservations", "UPDATE stock", LEDGER}},
}
"""Below the root. What fills a bin or opens an account comes once a product and customer, and not
in every order."""
ONCE = {"INSERT stock", "INSERT accounts"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


def demo(folder: Path, collector: Collector, *options: str) -> subprocess.CompletedProcess[str]:
    command = [SAGA, "demo", "--otlp", collector.endpoint, "--otlp-protocol", collector.protocol, *options]
    found = {**os.environ, "PATH": f"{SAGA.parent}{os.pathsep}{os.environ['PATH']}"}  # as with an activated environment
    return subprocess.run(command, cwd=folder, env=found, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def children(spans: list[Span], parent: Span | None) -> list[Span]:
    return [span for span in spans if span.parent_id == (parent.span_id if parent is not None else None)]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_shown_orders_trace_is_one_tree_from_its_root_to_the_services_own_writes(
    tmp_path: Path, protocol: OtlpProtocol
) -> None:
    with Collector(protocol) as collector:
        done = demo(tmp_path, collector, "--jaeger-url", "http://jaeger:16686/")
        taken = list(collector.spans)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        link = re.search(r"^  trace http://jaeger:16686/trace/([0-9a-f]{32})$", done.stdout, re.MULTILINE)
        assert link, done.stdout
        spans = collector.trace(link[1])

    (root,) = children(spans, None)
    assert (root.name, root.service) == ("order", "saga-coordinator")
    assert {
        span.name: {below.name: names(spans, below) for below in children(spans, span)} for span in children(spans, root)
    } == SHAPE
    by_name = {span.name: span for span in spans}
    for name, parts in SHAPE.items():
        for process in parts:
            assert (by_name[name].kind, by_name[process].kind) == ("PRODUCER", "CONSUMER")
            assert by_name[process].attributes["saga.duplicate"] is False
    assert {name: span.service for name, span in by_name.items() if name.startswith("process")} == {
        "process shop.ReserveStock": "inventory",
        "process shop.ReleaseStock": "inventory",
        "process shop.ChargeCard": "payment",
        "process shop.RefundCard": "payment",
        "process shop.BookCarrier": "shipping",
    }
    assert by_name["ship"].error == by_name["process shop.BookCarrier"].error == "REJECTED: no_carrier"
    assert by_name["undo charge"].links == (by_name["charge"].span_id,)
    for name, parts in SHAPE.items():
        for process in parts:
            _is_split(by_name[name], by_name[process])
    assert len({span.trace_id for span in taken if span.name == "order"}) == 20, "every order's root"


def _is_split(attempt: Span, process: Span) -> None:
    """The kit says when it began and how long the handler took, and the attempt is split by that.

    All is on one machine, so the participant's own span shows whether it is true.
    """
    queue_us, handler_us, wire_us = (attempt.attributes[f"saga.{part}_us"] for part in ("queue", "handler", "wire"))
    assert queue_us + handler_us + wire_us == (attempt.end_ns - attempt.start_ns) // 1000
    assert {"saga.taken", "saga.handled"} <= set(attempt.events)
    assert 0 < handler_us <= (process.end_ns - process.start_ns) // 1000, "the handler alone, within the participant's span"
    taken_ns = attempt.start_ns + queue_us * 1000
    assert taken_ns <= process.start_ns, "it was begun when the command had its turn, before its span"


def names(spans: list[Span], parent: Span) -> set[str]:
    return {span.name for span in children(spans, parent)} - ONCE


def test_the_closing_lines_say_how_to_see_all_and_what_to_type_next(tmp_path: Path, collector: Collector) -> None:
    done = demo(tmp_path, collector, "--orders", "5")

    lines = done.stdout.splitlines()
    assert re.fullmatch(r"  trace http://127\.0\.0\.1:16686/trace/[0-9a-f]{32}", lines[-3])
    assert lines[-2] == "  all   http://127.0.0.1:16686/search?service=saga-coordinator&operation=order&limit=5"
    assert re.fullmatch(
        rf"  next: saga demo --keep --otlp {collector.endpoint}     "
        r"\(then: the console, saga list, saga show (o-5-\w{3}), saga trace show \1\)",
        lines[-1],
    )


def test_a_collector_that_stops_taking_spans_changes_nothing_but_the_last_lines(tmp_path: Path, collector: Collector) -> None:
    collector.refuse(after=1)  # it was well when the demo began

    done = demo(tmp_path, collector, "--orders", "5")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "4 COMPLETED  1 COMPENSATED   stock, money and parcels agree" in done.stdout
    assert re.search(r"^  trace http://\S+   \(the collector does not have all spans yet\)$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("how", [Collector.refuse, Collector.hang])
def test_a_collector_that_takes_no_spans_at_the_start_is_one_line(tmp_path: Path, collector: Collector, how: object) -> None:
    how(collector)  # type: ignore[operator]

    done = demo(tmp_path, collector)

    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == (
        f"saga: no collector answers at {collector.endpoint}: it does not take spans by grpc (--otlp-protocol); "
        "start Jaeger (`saga dev jaeger`), or name another with --otlp\n"
    )


def test_without_the_option_a_collector_that_listens_is_noticed(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "USUAL_PORT", int(collector.endpoint.rpartition(":")[2]))
    assert traces.collector_listens()
    collector.stop()
    assert not traces.collector_listens()
