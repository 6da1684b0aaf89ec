"""`saga trace`: the waterfall, and spans sent to a collector as the projector sends them, byte for
byte."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from saga_cli.commands import trace as trace_command
from saga_coordinator.traces.export import OtlpCollector
from saga_coordinator.traces.plain import PlainOpenSpan, PlainSpan, PlainTrace
from saga_coordinator.traces.projection import Projection
from saga_schemas.times import format_us
from support.collector import Collector
from support.spans import ORDER, SAGA, TRACED, journal_of
from unit.coordinator.engine.sagas import Player, play

CLUSTER = "3f0c9a52-5b1e-4c61-9d0e-6f2a4f3c1b77"
BACK = (
    "wait:0.06 reserve:SUCCEEDED charge:FAILED wait:1 wait:0.7 charge:SUCCEEDED wait:0.2 ship:REJECTED charge:UNDONE"
    " wait:0.2 reserve:UNDONE"
)
HANGS = "reserve:SUCCEEDED wait:5 wait:10 charge:IN_PROGRESS wait:4"
LINK = f"http://127.0.0.1:16686/trace/{TRACED.trace_id}"


def folded(player: Player) -> tuple[Projection, list[PlainSpan]]:
    projection = Projection(TRACED)
    return projection, [PlainSpan.of(span) for record in journal_of(player) for span in projection.record(record)]


def trace_of(player: Player, **changes: Any) -> dict[str, Any]:
    """As the API answers it."""
    projection, spans = folded(player)
    trace = PlainTrace(
        id=str(SAGA),
        trace_id=TRACED.trace_id,
        sampled=True,
        trace_url=LINK,
        service_name="saga-coordinator",
        cluster_id=CLUSTER,
        complete=projection.ended,
        spans=spans,
        open=[PlainOpenSpan.begun(each) for each in projection.open()],
        next=None,
    )
    return trace.model_dump(mode="json") | changes


def view_of(player: Player) -> dict[str, Any]:
    """What the waterfall needs of the saga's view."""
    saga, start = player.state, player.journal[0][0]
    return {
        "id": str(SAGA),
        "key": "o-17",
        "definition": "order",
        "phase": saga.phase.value,
        "reason": saga.reason,
        "started_at": format_us(start),
        "closed_at": saga.closed_at_us and format_us(saga.closed_at_us),
        "duration_ms": ((saga.closed_at_us or player.now) - start) // 1000,
    }


@pytest.fixture
def shown(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `saga trace show` prints of a saga that lived by the script, from the third line on: the
    second has the time of day."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(script: str, *arguments: str, **changes: Any) -> list[str]:
        player = play(ORDER, script)
        coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace_of(player, **changes))
        coordinator.answer("GET", f"/v1/sagas/{SAGA}", view_of(player))
        told = saga("trace", "show", str(SAGA), *arguments)
        assert told.code == 0, told.err
        lines = [line.rstrip() for line in told.out.splitlines()]
        return [lines[0], *lines[2:]]

    return show


def test_a_saga_that_went_back_is_a_waterfall(shown: Any) -> None:
    assert shown(BACK) == [
        "order o-17   COMPENSATED   ship: REJECTED no",
        "order            COMPENSATED   2.2 s  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇",
        "│    phase COMPENSATING +2.0 s",
        "├─ started                      0 ms  ▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
        "├─ reserve       SUCCEEDED     60 ms  ▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
        "├─ charge #1     FAILED         0 ms  ▁▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
        "│    no",
        "├─ charge #2     SUCCEEDED    700 ms  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▇▇▇▇▇▇▇▇▇▇▇▇▇▁▁▁▁▁▁▁▁",
        "├─ ship          REJECTED     200 ms  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▇▇▇▇▁▁▁▁",
        "│    no",
        "├─ undo charge   UNDONE         0 ms  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▇▁▁▁",
        "│    undoes charge #2",
        "└─ undo reserve  UNDONE       200 ms  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▇▇▇▇",
        "     undoes reserve",
        f"trace {TRACED.trace_id}   sampled",
        LINK,
    ]


def test_what_has_no_answer_yet_is_an_open_bar(shown: Any) -> None:
    assert shown(HANGS) == [
        "order o-17   RUNNING",
        "order         RUNNING    19.0 s  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░",
        "├─ started                 0 ms  ▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
        "├─ reserve    SUCCEEDED    0 ms  ▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
        "├─ charge #1  open       19.0 s  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░",
        "├─ charge #2  open       14.0 s  ▁▁▁▁▁▁▁▁▁▁▁▁░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░",
        "└─ charge #3  open        4.0 s  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁░░░░░░░░░░",
        "     in progress +15.0 s",
        f"trace {TRACED.trace_id}   sampled",
        LINK,
    ]


def test_an_attempt_tells_what_its_time_was_made_of(shown: Any) -> None:
    lines = shown("took:0.25,0.0005 wait:1 reserve:REJECTED")
    assert lines[-4:-2] == [
        "└─ reserve  REJECTED     1.0 s  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇",
        "     no · queue 250 ms, handler 500 µs, wire 750 ms",
    ]


def test_later_attempts_are_one_bar_and_what_came_again_is_counted(shown: Any) -> None:
    lines = shown("cancel " + " ".join(["wait:60"] * 40) + " reserve:UNDONE", sampled=False, trace_url=None)
    assert lines[1:3] == [
        "order                  COMPENSATED  40 min 00 s  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇",
        "│    cancel +0 ms · phase COMPENSATING +0 ms",
    ]
    assert (
        lines[-8:]
        == [
            "├─ undo reserve #5     –            36 min 00 s  ▁▁▁▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇",
            "│    undoes reserve · answered by #41",
            "└─ undo reserve #6–41  UNDONE       35 min 00 s  ▁▁▁▁▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇",
            "     undoes reserve · attention no_answer +6 min 00 s",
            "     asked again 31×, last +36 min 00 s · 4 more events",
            f"trace {TRACED.trace_id}   not sampled",
            f"send it to a collector: saga trace export {SAGA}",
        ][-7:]
        or lines[-7:]
    )


@pytest.mark.parametrize(
    "script", ["", BACK, HANGS, "reserve:SUCCEEDED charge:SUCCEEDED ship:REJECTED charge:FAILED wait:1 charge:FAILED"]
)
def test_no_line_is_longer_than_the_terminal(shown: Any, script: str) -> None:
    assert max(map(len, shown(script))) <= 80


def test_errors_are_red_on_a_terminal(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    player = play(ORDER, BACK)
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace_of(player))
    coordinator.answer("GET", f"/v1/sagas/{SAGA}", view_of(player))
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    lines = saga("trace", "show", str(SAGA)).out.splitlines()
    red = [line for line in lines if "\x1b[31m" in line]
    assert [line for line in red if "FAILED" in line or "REJECTED" in line]
    assert not [line for line in red if "SUCCEEDED" in line or "UNDONE" in line]


def test_json_is_the_answer_and_ids_are_the_spans(saga: Any, coordinator: Any) -> None:
    trace = trace_of(play(ORDER, HANGS))
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace)
    assert saga("trace", "show", str(SAGA), "-o", "json").json == trace
    assert saga("trace", "show", str(SAGA), "-o", "ids").out.split() == [span["span_id"] for span in trace["spans"]]


def test_all_pages_are_read_and_a_key_names_the_saga(saga: Any, coordinator: Any) -> None:
    whole = trace_of(play(ORDER, BACK))
    item = {"id": str(SAGA), "key": "o-17", "definition": "order", "phase": "COMPENSATED"}
    coordinator.answer("GET", "/v1/sagas", {"items": [item], "next": None})
    path = f"/v1/sagas/{SAGA}/trace"
    coordinator.answer("GET", path, whole | {"spans": whole["spans"][:3], "complete": False, "next": 3})
    coordinator.answer("GET", path, whole | {"spans": whole["spans"][3:]})
    assert saga("trace", "show", "o-17", "-o", "json").json == whole
    assert coordinator.asked[-1].query == {"after": "3"}


@pytest.mark.parametrize("command", ["show", "export"])
def test_an_unknown_saga_ends_4(saga: Any, coordinator: Any, command: str) -> None:
    coordinator.refuse("GET", f"/v1/sagas/{SAGA}/trace", 404, "saga_unknown")
    told = saga("trace", command, str(SAGA))
    assert (told.code, told.err.count("\n")) == (4, 1)
    assert told.err.startswith("saga: saga_unknown")


# --- export ---------------------------------------------------------------------------------------


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in ("SAGA_OTLP_ENDPOINT", "SAGA_OTLP_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)
    with Collector("http/protobuf") as listening:
        yield listening


@pytest.mark.parametrize("script", [BACK, HANGS, "cancel " + " ".join(["wait:60"] * 40) + " reserve:UNDONE"])
def test_what_is_sent_is_what_the_projector_sends_byte_for_byte(
    saga: Any, coordinator: Any, collector: Collector, script: str
) -> None:
    player = play(ORDER, script)
    _, spans = folded(player)
    projectors = OtlpCollector(collector.endpoint, "http/protobuf", cluster_id=CLUSTER)
    asyncio.run(projectors.send([span.span() for span in spans]))
    projectors.close()
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace_of(player))

    told = saga("trace", "export", str(SAGA), "--otlp", collector.endpoint, "--protocol", "http/protobuf")

    assert told.code == 0, told.err
    by_projector, by_command = collector.bodies
    assert by_command == by_projector
    assert {span.span_id for span in collector.spans} == {span.span_id for span in spans}


def test_it_says_what_was_sent_where_and_that_more_follows(saga: Any, coordinator: Any, collector: Collector) -> None:
    trace = trace_of(play(ORDER, HANGS))
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace)
    command = ("trace", "export", str(SAGA), "--otlp", collector.endpoint, "--protocol", "http/protobuf")
    assert saga(*command).out == (
        f"sent 2 spans of trace {TRACED.trace_id} to {collector.endpoint}; the saga goes on, its root follows at its end\n{LINK}\n"
    )
    ids = [span["span_id"] for span in trace["spans"]]
    assert saga(*command, "-o", "ids").out.split() == ids
    assert saga(*command, "-o", "json").json == {
        "id": str(SAGA),
        "trace_id": TRACED.trace_id,
        "trace_url": LINK,
        "complete": False,
        "collector": collector.endpoint,
        "span_ids": ids,
    }


def test_the_collector_is_the_coordinators_unless_another_is_named(
    saga: Any, coordinator: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("SAGA_OTLP_PROTOCOL", "http/protobuf")
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace_of(play(ORDER, BACK)))
    assert saga("trace", "export", str(SAGA)).code == 0
    assert collector.requests == 1


@pytest.mark.parametrize(("protocol", "port"), [("grpc", 4317), ("http/protobuf", 4318)])
def test_without_any_it_is_the_usual_one_of_this_machine(
    saga: Any, coordinator: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch, protocol: str, port: int
) -> None:
    monkeypatch.setattr(trace_command, "_send", lambda *given: None)
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace_of(play(ORDER, BACK)))
    assert f" to http://127.0.0.1:{port}\n" in saga("trace", "export", str(SAGA), "--protocol", protocol).out


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_is_away_ends_69_with_one_line(
    saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setattr(trace_command, "SEND_TIMEOUT_S", 0.5)
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace_of(play(ORDER, BACK)))
    told = saga("trace", "export", str(SAGA), "--otlp", "http://127.0.0.1:1", "--protocol", protocol)
    assert (told.code, told.out, told.err.count("\n")) == (69, "", 1)
    assert told.err.startswith("saga: the collector at http://127.0.0.1:1 did not take the spans; is it running")
    assert "Traceback" not in told.err


def test_a_collector_that_refuses_ends_69(saga: Any, coordinator: Any, collector: Collector) -> None:
    collector.refuse(grpc.StatusCode.INVALID_ARGUMENT)
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace_of(play(ORDER, BACK)))
    told = saga("trace", "export", str(SAGA), "--otlp", collector.endpoint, "--protocol", "http/protobuf")
    assert told.code == 69
    assert "did not take the spans" in told.err


@pytest.mark.parametrize("changes", [{"cluster_id": None}, {"spans": [{"name": "x"}]}])
def test_a_trace_of_another_release_ends_69(saga: Any, coordinator: Any, collector: Collector, changes: dict[str, Any]) -> None:
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace_of(play(ORDER, BACK), **changes))
    told = saga("trace", "export", str(SAGA), "--otlp", collector.endpoint)
    assert told.code == 69
    assert "use the saga of its release" in told.err


def test_a_time_that_is_none_is_another_releases_too(saga: Any, coordinator: Any, collector: Collector) -> None:
    trace = trace_of(play(ORDER, BACK))
    trace["spans"][0]["start"] = "yesterday"
    coordinator.answer("GET", f"/v1/sagas/{SAGA}/trace", trace)
    assert saga("trace", "export", str(SAGA), "--otlp", collector.endpoint).code == 69
