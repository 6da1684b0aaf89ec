"""What is owed is exported, once it is acknowledged forgotten, and never lost: crashes, collectors
that are away or refuse."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from saga_coordinator.loops import projector as projector_module
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.projector import Projector
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import SPANS_DUE_MOST, BadRow, SagaRow, Store
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.traces import reading
from saga_coordinator.traces.collector import SpansRefused
from saga_coordinator.traces.projection import Projection
from saga_coordinator.traces.reading import read_spans, traced_saga
from saga_coordinator.traces.sampling import Sampling
from saga_coordinator.traces.spans import Span, root_span_id, started_span_id
from saga_coordinator.wiring import Instance
from saga_messaging.background import end, end_one
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.topics import Topics
from support.coordinators import closed, opened, register, running, settings_for, start
from support.scripted import DONE, FENCED, UNDONE, Answer, ScriptedParticipant, catalog_of, until

DEFINITION = """
saga: traced
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do, retry: {attempts: 100, first: 1ms, cap: 1ms}}
  - {name: two, participant: one, command: t.Do, compensation: none}
"""
CATALOG = catalog_of("t.Input", "t.Do")


def no_to_two(command: CommandHeaders) -> Sequence[Answer]:
    if command.kind is Kind.ACTION and command.step == "two":
        return [Answer(outcome=Outcome.REJECTED, code="no")]
    return [{Kind.ACTION: DONE, Kind.COMPENSATION: UNDONE, Kind.RESOLVE: FENCED}[command.kind]]


@dataclass
class Collected:
    """A collector that keeps what it is sent, and refuses when it is told to."""

    spans: list[Span] = field(default_factory=list)
    refuses: Callable[[Sequence[Span]], bool] = lambda batch: False
    calls: int = 0
    closed: bool = False

    async def send(self, batch: Sequence[Span]) -> None:
        self.calls += 1
        if self.refuses(batch):
            raise SpansRefused("no room")
        self.spans += batch

    def close(self) -> None:
        self.closed = True

    def ids(self) -> Counter[str]:
        return Counter(span.span_id for span in self.spans)


@dataclass(frozen=True)
class Home:
    """A coordinator whose projector is in the test's hand."""

    store: Store
    instance: Instance
    participant: ScriptedParticipant
    collector: Collected
    definitions: DefinitionCache

    def projector(self, collector: Collected | None = None) -> Projector:
        return Projector(
            store=self.store,
            lookout=Lookout(self.store, "default", frozenset(), SystemClock()),
            definitions=self.definitions,
            collector=collector or self.collector,
            topics=Topics(),
            clock=SystemClock(),
            instruments=Instruments(),
        )

    async def saga(self) -> UUID:
        saga_id = await start(self.instance, "traced", {"id": "x"})
        assert await closed(self.instance, saga_id) == "COMPENSATED"
        return saga_id

    async def owed(self) -> list[tuple[UUID, int]]:
        return await self.store.spans_due(after=None, limit=10_000)

    async def spans_of(self, saga_id: UUID) -> list[Span]:
        row = await self.store.saga(saga_id)
        assert row is not None
        saga = traced_saga(row, await self.definitions.get(row.definition_id), Topics())
        return [span async for span in read_spans(self.store, Projection(saga))]

    async def all_of(self, sagas: Sequence[UUID]) -> Counter[str]:
        return Counter([span.span_id for saga_id in sagas for span in await self.spans_of(saga_id)])


def but_the_projector(url: str, **more: object) -> Settings:
    roles = "api,replies,starts,timers,sweeper,watchdog"
    return settings_for(url, **{"otlp_endpoint": "http://127.0.0.1:9", "roles": roles, **more})


@asynccontextmanager
async def home(store: Store, settings: Settings) -> AsyncIterator[Home]:
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "one", no_to_two)
    definitions = DefinitionCache(store, "default")
    await definitions.refresh()
    async with running(store, broker, settings) as instance:
        answering = asyncio.create_task(participant.run())
        yield Home(store, instance, participant, Collected(), definitions)
        await end_one(answering)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "database_url"}[request.param]))


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        yield store


@pytest.fixture
async def at_home(url: str, store: Store) -> AsyncIterator[Home]:
    async with home(store, but_the_projector(url)) as found:
        yield found


async def test_what_is_owed_is_exported_once_and_then_forgotten(at_home: Home) -> None:
    sagas = [await at_home.saga() for _ in range(3)]
    projector = at_home.projector()
    while await projector.export_some():
        pass
    assert at_home.collector.ids() == await at_home.all_of(sagas)
    assert set(at_home.collector.ids().values()) == {1}
    assert {span.name for span in at_home.collector.spans} == {"started", "one", "two", "undo one", "traced"}
    assert await at_home.owed() == []


async def test_a_running_saga_is_named_before_it_ends_and_nothing_comes_twice(at_home: Home) -> None:
    at_home.participant.answering = False
    saga_id = await start(at_home.instance, "traced", {"id": "x"})
    await until(lambda: len(at_home.participant.seen) == 1)
    projector = at_home.projector()
    await projector.export_some()
    assert [span.span_id for span in at_home.collector.spans] == [started_span_id(saga_id)]
    await at_home.instance.coordinator.cancel(saga_id, "test", "test")
    at_home.participant.answering = True
    assert await closed(at_home.instance, saga_id) == "COMPENSATED"
    while await projector.export_some():
        pass
    assert at_home.collector.ids() == await at_home.all_of([saga_id])
    assert root_span_id(saga_id) in at_home.collector.ids()


async def test_a_crash_after_the_export_sends_the_very_same_spans_again(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    sagas = [await at_home.saga() for _ in range(2)]
    owed = await at_home.owed()
    with monkeypatch.context() as patched:
        patched.setattr(at_home.store, "transaction", _crashing_here(at_home.store.transaction))
        with pytest.raises(Crash):
            await at_home.projector().export_some()
    first, at_home.collector.spans = at_home.collector.spans, []
    assert await at_home.owed() == owed, "nothing was forgotten"
    await at_home.projector().export_some()
    assert at_home.collector.spans == first
    assert at_home.collector.ids() == await at_home.all_of(sagas)


class Crash(Exception):
    pass


def _crashing_here(transaction: Callable[..., Any]) -> Callable[..., Any]:
    """For this task alone: the instance's own loops use the same store, and delete an outbox row
    any moment."""
    here = asyncio.current_task()

    def begun(**options: Any) -> Any:
        if asyncio.current_task() is here:
            raise Crash
        return transaction(**options)

    return begun


async def test_a_collector_that_is_away_costs_nothing_and_gets_everything_later(at_home: Home) -> None:
    at_home.collector.refuses = lambda batch: True
    with capture_logs() as logs:
        exporting = asyncio.create_task(at_home.projector().run())
        sagas = [await at_home.saga() for _ in range(5)]
        await until(lambda: at_home.collector.calls >= 2)
        assert len({saga for saga, _ in await at_home.owed()}) == 5
        at_home.collector.refuses = lambda batch: False
        await until(lambda: len(at_home.collector.ids()) == 25)
        async with asyncio.timeout(30):
            while await at_home.owed():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await end((exporting,))
    assert at_home.collector.closed
    assert at_home.collector.ids() == await at_home.all_of(sagas)
    assert [log["event"] for log in logs].count("spans_delayed") == 1, "an outage is told once"


async def test_spans_that_are_refused_for_good_keep_nobody_elses_back(at_home: Home) -> None:
    sagas = [await at_home.saga() for _ in range(4)]
    bad = sagas[1]
    at_home.collector.refuses = lambda batch: any(span.attributes["saga.id"] == str(bad) for span in batch)
    projector = at_home.projector()
    for _ in range(60):
        with contextlib.suppress(SpansRefused):
            await projector.export_some()
    assert {saga for saga, _ in await at_home.owed()} == {bad}
    assert set(at_home.collector.ids()) == set(await at_home.all_of([saga for saga in sagas if saga != bad]))
    at_home.collector.refuses = lambda batch: False
    for _ in range(3):
        await projector.export_some()
    assert await at_home.owed() == []
    assert set(at_home.collector.ids()) == set(await at_home.all_of(sagas))


async def test_what_was_passed_over_comes_again_though_new_sagas_never_cease(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = await at_home.saga()
    at_home.collector.refuses = lambda batch: any(span.attributes["saga.id"] == str(bad) for span in batch)
    projector = at_home.projector()
    for _ in range(8):
        with contextlib.suppress(SpansRefused):
            await projector.export_some()
        await at_home.saga()
    at_home.collector.refuses = lambda batch: False
    monkeypatch.setattr(projector_module, "AGAIN_S", 0.0)
    await at_home.saga()
    await projector.export_some()
    assert set(await at_home.all_of([bad])) <= set(at_home.collector.ids()), "before the page was ever empty"


async def test_a_long_journal_is_paged(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector_module, "SHORT_JOURNAL", 3)
    monkeypatch.setattr(reading, "PAGE", 3)
    outcomes = iter([Outcome.FAILED] * 7)

    def at_last(command: CommandHeaders) -> Sequence[Answer]:
        if command.kind is Kind.ACTION and command.step == "one":
            return [Answer(outcome=next(outcomes, Outcome.SUCCEEDED), code="busy")]
        return no_to_two(command)

    at_home.participant.script = at_last
    saga_id = await at_home.saga()
    row = await at_home.store.saga(saga_id)
    assert row is not None
    assert row.version > 10
    projector = at_home.projector()
    while await projector.export_some():
        pass
    assert at_home.collector.ids() == await at_home.all_of([saga_id])
    assert len([span for span in at_home.collector.spans if span.name == "one"]) == 6, "the first five, and the last"


async def test_one_instance_at_a_time_exports(at_home: Home) -> None:
    if at_home.store.dialect != "postgresql":
        return  # one process, by its file lock
    await at_home.saga()
    async with at_home.store.projector_lock():
        assert await at_home.projector().export_some() is False
    assert at_home.collector.calls == 0
    await at_home.projector().export_some()
    assert at_home.collector.calls == 1


async def test_a_saga_that_was_sampled_out_is_told_in_full_when_it_fails(url: str, store: Store) -> None:
    async with home(store, but_the_projector(url, trace_sampling=0.0, trace_sample_on_failure=True)) as found:
        failed = await found.saga()
        found.participant.script = lambda command: [DONE]
        went_well = await start(found.instance, "traced", {"id": "y"})
        assert await closed(found.instance, went_well) == "COMPLETED"
        assert {saga for saga, _ in await found.owed()} == {failed}
        await found.projector().export_some()
        assert found.collector.ids() == await found.all_of([failed])
        assert {(command.traceparent or "")[-3:] for command, _ in found.participant.seen} == {"-00"}, "decided once, obeyed"


def test_with_more_owed_than_the_bound_no_further_saga_is_sampled() -> None:
    sampling = Sampling.of(but_the_projector("sqlite+aiosqlite:///x"))
    assert sampling.begin(UUID(int=1), None).flags == 1
    sampling.owed(SPANS_DUE_MOST)
    assert sampling.begin(UUID(int=1), None).flags == 0
    sampling.owed(SPANS_DUE_MOST - 1)
    assert sampling.begin(UUID(int=1), None).flags == 1


@pytest.mark.parametrize("fault", [KeyError("a bug"), BadRow("table saga: edited by hand")], ids=["a bug", "a bad row"])
async def test_a_saga_whose_spans_cannot_be_made_holds_up_no_others(
    at_home: Home, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    guilty, other = await at_home.saga(), await at_home.saga()
    read = reading.traced_saga

    def making(row: SagaRow, *about: Any) -> Any:
        if row.id == guilty:
            raise fault
        return read(row, *about)

    monkeypatch.setattr(projector_module, "traced_saga", making)
    projector = at_home.projector()
    for _ in range(10):
        with contextlib.suppress(type(fault)):
            await projector.export_some()
    assert at_home.collector.ids() == await at_home.all_of([other])
    assert {saga_id for saga_id, _ in await at_home.owed()} == {guilty}
