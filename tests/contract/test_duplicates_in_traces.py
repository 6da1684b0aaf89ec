"""`saga.duplicate` of the `process` span says what the barrier found, not what the command says of
itself: on every database and by each kind of connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from contract.barrier_shop import Way
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_schemas.outcomes import Kind
from support.till.shop import Told, make_till
from support.till.wire import command, new_saga, send, until


class Traced:
    """A till on one database, whose spans are kept."""

    def __init__(self, way: Way) -> None:
        self.exporter, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.broker = MemoryBroker()
        self.told: Told
        self.till, self.told = make_till(way.url, handle=way.handle, tracer_provider=provider)

    async def spans(self, *records: Outgoing) -> list[ReadableSpan]:
        """The spans of these commands, one after the other."""
        for record in records:
            before = len(self.exporter.get_finished_spans())
            await send(self.broker, record)
            await until(partial(self._has_more_than, before))
        return list(self.exporter.get_finished_spans())[-len(records) :]

    def _has_more_than(self, spans: int) -> bool:
        return len(self.exporter.get_finished_spans()) > spans

    async def duplicates(self, *records: Outgoing) -> list[bool]:
        return [(span.attributes or {})["saga.duplicate"] is True for span in await self.spans(*records)]


@pytest.fixture
async def traced(way: Way) -> AsyncIterator[Traced]:
    made = Traced(way)
    async with made.till.served(made.broker):
        yield made


async def test_a_command_that_was_answered_before_is_a_duplicate_whatever_its_attempt_says(traced: Traced) -> None:
    saga = new_saga()
    first = command(saga)

    assert await traced.duplicates(first) == [False]
    assert await traced.duplicates(first, command(saga, attempt=2), command(saga, attempt=7)) == [True, True, True]


async def test_a_later_attempt_whose_first_never_came_is_no_duplicate(traced: Traced) -> None:
    assert await traced.duplicates(command(attempt=2), command(attempt=5, mode="reject")) == [False, False]


async def test_a_rejection_is_remembered_and_a_failure_is_not(traced: Traced) -> None:
    rejected, failed = new_saga(), new_saga()

    assert await traced.duplicates(command(rejected, mode="reject"), command(rejected, attempt=2)) == [False, True]
    assert await traced.duplicates(command(failed, mode="fail"), command(failed, attempt=2)) == [False, False], "it runs again"


async def test_a_compensation_is_a_duplicate_once_it_has_undone(traced: Traced) -> None:
    saga = new_saga()
    undo = command(saga, Kind.COMPENSATION)

    assert await traced.duplicates(command(saga), undo, undo) == [False, False, True]
    assert await traced.duplicates(command(saga, attempt=2)) == [True], "the action had run before it was undone"


async def test_an_action_behind_its_fence_never_ran_and_is_no_duplicate(traced: Traced) -> None:
    saga = new_saga()
    undo = command(saga, Kind.COMPENSATION)

    assert await traced.duplicates(undo, undo) == [False, True]
    assert await traced.duplicates(command(saga), command(saga, attempt=2)) == [False, False]


async def test_work_that_was_accepted_is_told_of_again(traced: Traced) -> None:
    saga = new_saga()

    assert await traced.duplicates(command(saga, mode="accept"), command(saga, attempt=2)) == [False, True]
    undo = command(saga, Kind.COMPENSATION)
    assert await traced.duplicates(undo, undo) == [False, True], "its wish was noted by the first"


async def test_a_no_is_an_error_of_the_span_with_its_code_and_without_its_words(traced: Traced) -> None:
    (rejected, failed, broken) = await traced.spans(command(mode="reject"), command(mode="fail"), command(mode="break"))

    for span, outcome, code in ((rejected, "REJECTED", "no"), (failed, "FAILED", "later"), (broken, "FAILED", "value_error")):
        attributes = span.attributes or {}
        assert (attributes["error.type"], attributes["saga.outcome"], attributes["saga.code"]) == (outcome, outcome, code)
        assert span.status.description == f"{outcome}: {code}"
        assert not span.events
        for words in ("not today", "try again", "4111 1111"):
            assert words not in span.to_json()
