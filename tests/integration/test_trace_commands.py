"""`saga trace` against a whole coordinator: what it shows, what the API answers and what the
projector sent are the same spans."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from saga_cli.dev.services import Jaeger
from saga_coordinator.server import serve
from saga_messaging.background import end_one
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.limits import INT64_MAX
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.times import FIRST_US
from support.collector import Collector
from support.coordinators import opened, register, settings_for
from support.jaeger import JaegerClient
from support.processes import SAGA
from support.scripted import DONE, FENCED, UNDONE, Answer, ScriptedParticipant, catalog_of, until

DEFINITION = """
saga: traced
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do, retry: {attempts: 9, first: 1ms, cap: 1ms}}
  - {name: two, participant: one, command: t.Do, compensation: none}
"""
CATALOG = catalog_of("t.Input", "t.Do")
JAEGER = "http://127.0.0.1:16686"


def no_to_two(command: CommandHeaders) -> Sequence[Answer]:
    """The first step succeeds at its second attempt and is undone, because the second step is
    refused. Of its first attempt's time it tells a lie."""
    if command.kind is Kind.ACTION and command.step == "one" and command.attempt == 1:
        return [Answer(outcome=Outcome.FAILED, code="busy", taken_at_us=FIRST_US, handler_us=INT64_MAX)]
    if command.kind is Kind.ACTION and command.step == "two":
        return [Answer(outcome=Outcome.REJECTED, code="no")]
    return [{Kind.ACTION: DONE, Kind.COMPENSATION: UNDONE, Kind.RESOLVE: FENCED}[command.kind]]


@dataclass(frozen=True, slots=True)
class Home:
    """A coordinator that listens, its participant, and the collector that its spans go to."""

    http: httpx.AsyncClient
    server: str
    participant: ScriptedParticipant
    collector: Collector

    async def started(self) -> str:
        answer = await self.http.post("/v1/sagas", json={"definition": "traced", "input": {"id": "x"}, "key": "x-1"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def get(self, path: str, **query: object) -> dict[str, Any]:
        answer = await self.http.get(f"/v1/sagas/{path}", params={name: str(value) for name, value in query.items()})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def saga(self, *arguments: str) -> str:
        """What the command prints."""
        process = await asyncio.create_subprocess_exec(
            SAGA, *arguments, "--server", self.server, env={"COLUMNS": "80", "NO_COLOR": "1"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()


@pytest.fixture
async def home(sqlite_url: str) -> AsyncIterator[Home]:
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
    broker, stop = MemoryBroker(), asyncio.Event()
    participant = ScriptedParticipant(broker, "one", no_to_two)
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with Collector("http/protobuf") as collector:
        settings = settings_for(
            sqlite_url, otlp_endpoint=collector.endpoint, otlp_protocol="http/protobuf", jaeger_url=JAEGER, token_keys=None
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(settings, ready=listening.set_result, stop=stop, broker=broker))
            answering = group.create_task(participant.run())
            server = f"http://127.0.0.1:{await listening}"
            async with httpx.AsyncClient(base_url=server, timeout=30, trust_env=False) as http:
                yield Home(http, server, participant, collector)
            stop.set()
            await end_one(answering)


async def test_what_is_shown_answered_and_sent_are_the_same_spans(home: Home) -> None:
    saga_id = await home.started()
    assert (await home.get(saga_id, wait_s=20))["phase"] == "COMPENSATED"
    trace = await home.get(f"{saga_id}/trace")
    ids = [span["span_id"] for span in trace["spans"]]
    assert [span["name"] for span in trace["spans"]] == ["started", "one", "one", "two", "undo one", "traced"]
    assert trace["complete"]

    lines = (await home.saga("trace", "show", "x-1")).splitlines()
    labels = [line[: len(line) - len(line.lstrip("├└─ "))] + line.lstrip("├└─ ").split("  ")[0] for line in lines if "▇" in line]
    assert labels == ["traced", "├─ started", "├─ one #1", "├─ one #2", "├─ two", "└─ undo one"]
    assert lines[lines.index("     undoes one #2") - 1].startswith("└─ undo one  UNDONE")
    assert lines[-1] == f"{JAEGER}/trace/{trace['trace_id']}" == trace["trace_url"]
    assert (await home.saga("show", "x-1")).splitlines()[-1] == lines[-1]
    assert (await home.saga("trace", "show", saga_id, "-o", "ids")).split() == ids
    assert json.loads(await home.saga("trace", "show", saga_id, "-o", "json")) == trace

    await until(lambda: {span.span_id for span in home.collector.spans} == set(ids))
    sent = {span.encoded for span in home.collector.spans}
    home.collector.forget()
    told = await home.saga("trace", "export", "x-1", "--otlp", home.collector.endpoint, "--protocol", "http/protobuf")
    assert told.startswith(f"sent 6 spans of trace {trace['trace_id']} to {home.collector.endpoint}\n")
    assert len(sent) == 6, "resource, scope and span of what was sent twice: the very same bytes"
    assert {span.encoded for span in home.collector.spans} == sent


async def test_what_a_participant_says_of_its_time_is_shown_as_far_as_it_fits_the_attempt(home: Home) -> None:
    saga_id = await home.started()
    saga = await home.get(saga_id, wait_s=20)
    span = next(span for span in (await home.get(f"{saga_id}/trace"))["spans"] if span["attributes"].get("saga.code") == "busy")
    first, second = saga["steps"][0]["attempts"][:2]
    length_us = first["handler_us"]
    assert (first["queue_us"], length_us // 1000, first["wire_us"]) == (0, first["duration_ms"], 0)
    assert [span["attributes"][f"saga.{part}_us"] for part in ("queue", "handler", "wire")] == [0, length_us, 0]
    assert [(event["name"], event["at"]) for event in span["events"]] == [
        ("saga.taken", span["start"]),
        ("saga.handled", span["end"]),
    ]
    assert (second["queue_us"], second["handler_us"], second["wire_us"]) == (None, None, None)
    assert "(queue 0 µs, handler " in await home.saga("show", saga_id)
    assert "busy · queue 0 µs, handler " in await home.saga("trace", "show", saga_id)
    said = [
        fact
        for record in (await home.get(f"{saga_id}/journal"))["items"]
        for fact in record["facts"]
        if fact.get("code") == "busy"
    ]
    assert [(fact["taken_at"], fact["handler_us"]) for fact in said if fact["fact"] == "reply"] == [
        ("0001-01-01T00:00:00.000000Z", INT64_MAX)
    ]


async def test_sent_to_a_real_jaeger_twice_by_hand_it_is_one_trace(home: Home, jaeger_service: Jaeger) -> None:
    saga_id = await home.started()
    await home.get(saga_id, wait_s=20)
    trace = await home.get(f"{saga_id}/trace")
    for _ in range(2):
        await home.saga("trace", "export", saga_id, "--otlp", jaeger_service.otlp_grpc)
    seen = await JaegerClient(jaeger_service.query_url).wait_for(trace["trace_id"], lambda seen: len(seen.spans) >= 6)
    assert sorted(span.span_id for span in seen.spans) == sorted(span["span_id"] for span in trace["spans"])
    assert not [warning for span in seen.spans for warning in span.warnings], "no length is a negative one to Jaeger"
    (root,) = seen.roots
    assert (root.operation, root.service, root.resource["saga.cluster.id"]) == ("traced", "saga-coordinator", trace["cluster_id"])
    assert {span.operation for span in seen.children(root)} == {"started", "one", "two", "undo one"}
    assert [span.failed for span in seen.named("one")] == [True, False]
    assert [link.span_id for link in seen.span("undo one").links] == [seen.named("one")[1].span_id]


async def test_of_a_running_saga_the_open_command_is_a_bar_too(home: Home) -> None:
    home.participant.answering = False
    saga_id = await home.started()
    await until(lambda: len(home.participant.seen) == 1)
    trace = await home.get(f"{saga_id}/trace")
    assert [span["name"] for span in trace["spans"]] == ["started"]
    command, _ = home.participant.seen[0]
    root, one = trace["open"]
    assert (root["name"], one["name"], trace["complete"]) == ("traced", "one", False)
    assert command.traceparent == f"00-{trace['trace_id']}-{one['span_id']}-01", "what the participant's span hangs below"
    assert "└─ one      open" in await home.saga("trace", "show", saga_id)
    home.participant.answering = True
    await home.http.post(f"/v1/sagas/{saga_id}/cancel", json={"reason": "over"})
    assert (await home.get(saga_id, wait_s=30))["closed_at"] is not None
