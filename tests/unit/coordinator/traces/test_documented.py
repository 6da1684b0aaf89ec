"""docs/tracing.md names every attribute and every event that our spans can have, and no other."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from saga_coordinator.engine.copying import changed
from saga_coordinator.engine.facts import SagaChanged, Started
from saga_coordinator.traces import attempt_parts, projection
from saga_coordinator.traces.projection import MAX_EVENTS, JournalFacts, spans_of
from saga_coordinator.traces.spans import Span
from saga_messaging.broker import Record
from saga_participant.barrier.answers import Answer, failure
from saga_participant.telemetry import tracing
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.paths import DOCS
from support.spans import ORDER, TRACED, journal_of
from unit.coordinator.engine.sagas import play

PAGE = (DOCS / "tracing.md").read_text()
SCRIPTS = [
    "took:0.2,0.5 reserve:IN_PROGRESS wait:1 reserve:SUCCEEDED wait:1 charge:SUCCEEDED ship:SUCCEEDED",
    "reserve:IN_PROGRESS wait:1 reserve:FAILED wait:1 reserve:SUCCEEDED charge:SUCCEEDED ship:SUCCEEDED",
    "reserve:SUCCEEDED charge:SUCCEEDED ship:REJECTED charge:FAILED wait:1 charge:FAILED retry:charge charge:UNDONE reserve:UNDONE",
    "reserve:SUCCEEDED charge:SUCCEEDED ship:REJECTED charge:FAILED wait:1 charge:FAILED waive!:charge reserve:UNDONE",
    "reserve:SUCCEEDED charge:SUCCEEDED cancel ship:FENCED charge:UNDONE reserve:UNDONE",
    "wait:5 wait:26 wait:40 wait:40 reserve:UNDONE",
    "cancel " + " ".join(["wait:60"] * 50) + " reserve:UNDONE",
    "pause! reserve:SUCCEEDED resume! limits:charge,attempts=9 terminate",
]
ACTING = ("operating", "pausing", "termination", "limits")
"""Modules of the engine in which persons' acts stand."""
PARKED = JournalFacts(1, 1_700_000_000_000_001, (SagaChanged(row="bug", changes={"attention": "engine_error"}),))
"""A bug, for each event that could not be applied."""


def table(heading: str) -> dict[str, str]:
    """The rows of the one table under a heading, by the name in their first column."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", section, re.MULTILINE))


ATTRIBUTES, EVENTS = table("Attributes"), table("Events")


def by_the_coordinator() -> Iterator[Span]:
    for script in SCRIPTS:
        yield from spans_of(replace(TRACED, key="o-17"), journal_of(play(ORDER, script)))
    first, *rest = journal_of(play(ORDER, SCRIPTS[0]))
    started, *others = first.facts
    assert isinstance(started, Started)
    of_a_tick = replace(first, facts=(changed(started, {"tick": "settlement@2027-01-01T00:00:00Z"}), *others))
    yield from spans_of(TRACED, [of_a_tick, *rest])
    yield from spans_of(TRACED, [first, *[PARKED] * (MAX_EVENTS + 1), *rest])


@pytest.fixture
def by_a_participant() -> dict[str, object]:
    """The attributes of its span of one command, which it refuses: none has more."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    command = CommandHeaders(
        message_id="c-1", source="/test", record="t.Do", time_us=1, saga_id=UUID("0198c1a2-0000-7000-8000-000000000001"), step="one",
        kind=Kind.ACTION, run=1, attempt=1, incarnation=1, version=1, tenant="default", definition_hash="0" * 64, expiry_us=1, token="t",
    )  # fmt: skip
    record = Record(topic="saga.cmd.one", partition=3, offset=7, timestamp_ms=1, key=b"k", value=b"v", headers=())
    with tracing.Tracing("one", "saga.one", provider).process(command, record) as processing:
        processing.answered([Answer(to=command, outcome=Outcome.REJECTED, content=failure("no_carrier"))], command)
    (span,) = exporter.get_finished_spans()
    assert not span.events
    return dict(span.attributes or {})


def test_every_attribute_is_on_the_page_with_the_spans_it_is_on(by_a_participant: dict[str, object]) -> None:
    found: dict[str, set[str]] = {}
    for span in by_the_coordinator():
        where = "started" if span.name == "started" else "root" if "saga.step" not in span.attributes else "attempt"
        for name in span.attributes:
            found.setdefault(name, set()).add(where)
    for name in by_a_participant:
        found.setdefault(name, set()).add("process")
    everywhere = {"root", "started", "attempt", "process"}
    written = {name: row.partition(" | ")[0] for name, row in ATTRIBUTES.items()}
    assert {name: everywhere if on == "all" else set(on.split(", ")) for name, on in written.items()} == found


def test_every_event_is_on_the_page_with_its_attributes() -> None:
    found: dict[str, set[str]] = {}
    for span in by_the_coordinator():
        for event in span.events:
            found.setdefault(event.name, set()).update(event.attributes)
    assert {name: set(re.findall(r"`([a-z_.]+)`", row.split(" | ")[1])) for name, row in EVENTS.items()} == found


def test_no_name_in_the_code_is_missing_on_the_page() -> None:
    """Those that no script above leads to."""
    code = "".join(inspect.getsource(module) for module in (projection, attempt_parts, tracing))
    named = set(re.findall(r'"((?:saga|messaging|error)\.[a-z_.]+)"', code))
    acting = "".join(inspect.getsource(import_module(f"saga_coordinator.engine.{name}")) for name in ACTING)
    acts = re.findall(r'Acted\(act="([a-z_]+)"', acting)
    assert len(acts) >= 7 and len(named) > 20
    named |= {f"saga.{act}" for act in acts}
    assert named <= ATTRIBUTES.keys() | EVENTS.keys()


def test_every_kind_of_span_is_on_the_page() -> None:
    section = PAGE.partition("\n## The tree\n")[2].partition("\n## ")[0]
    for name in ("`started`", "`undo` and the step", "`resolve` and the step", "`process` and the record", "the step's name"):
        assert f"| {name} |" in section
    words = {span.name.rpartition(" ")[0] for span in by_the_coordinator()}
    assert words == {"", "undo", "resolve"}
