"""`GET /v1/sagas/{id}/trace`: the very spans that are exported, from the journal alone; and where a
saga's view links to."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import pytest

from saga_coordinator.engine.encoding import decode_facts
from saga_coordinator.engine.events import WakeUp
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.port import AttentionRow, Meta, SagaRow
from saga_coordinator.traces.plain import PlainTrace
from saga_coordinator.traces.projection import JournalFacts, spans_of
from saga_coordinator.traces.reading import PAGE, traced_saga
from saga_coordinator.traces.spans import Span, root_span_id
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.topics import Topics
from support.saga_rows import SAGA
from unit.coordinator.api.conftest import OTHER, UNKNOWN, ScriptedCoordinator
from unit.coordinator.api.stored import COMPILED, Stored, started

JAEGER = "http://127.0.0.1:16686/"
TRACE = "0" * 31 + "1"
LINK = f"http://127.0.0.1:16686/trace/{TRACE}"


class Kept:
    """A store that holds one saga: what the route asks of it.

    What happens to the saga is told to `stored`.
    """

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.journal, self.schemas, self.now_us = stored.journal, stored.schemas, stored.now_us
        self.attention_of, self.definition_rows = stored.attention_of, stored.definition_rows
        self.labels_of, self.pause_rows = stored.labels_of, stored.pause_rows
        self.dead_letters_of = stored.dead_letters_of
        self.outbox_older_than = stored.outbox_older_than
        self.pause_rows, self.restarted_as = stored.pause_rows, stored.restarted_as

    async def imported(self, tenant: str, ids: object) -> dict[UUID, object]:
        return {}

    async def saga(self, saga_id: UUID) -> SagaRow | None:
        row = self.stored.row
        return {SAGA: row, OTHER: replace(row, id=OTHER, tenant="another")}.get(saga_id)

    async def meta(self) -> Meta:
        return Meta(
            cluster_id="the-cluster", kafka_cluster_id=None, incarnation=1, feature_level=1, schema_rev="1", token_key=None
        )


@pytest.fixture
def kept(coordinator: ScriptedCoordinator) -> Stored:
    """A saga whose first step has been asked; the API's store holds it."""
    stored = started()
    store: Any = Kept(stored)
    coordinator.store, coordinator.definitions = store, DefinitionCache(store, "default")
    return stored


def spans_in(kept: Stored) -> list[Span]:
    """As the projector makes them."""
    saga = traced_saga(kept.row, COMPILED, Topics())
    return list(spans_of(saga, [JournalFacts(row.version, row.at_us, decode_facts(row.facts)) for row in kept.records]))


async def trace_of(http: httpx.AsyncClient, query: str = "") -> PlainTrace:
    answer = await http.get(f"/v1/sagas/{SAGA}/trace{query}")
    assert answer.status_code == 200, answer.text
    return PlainTrace.model_validate(answer.json())


def undone(kept: Stored) -> Stored:
    """The first step succeeded, the second was refused, the first was undone."""
    kept.answered("reserve", Outcome.SUCCEEDED).answered("charge", Outcome.REJECTED)
    kept.answered("reserve", Outcome.UNDONE, kind=Kind.COMPENSATION)
    assert kept.row.phase == "COMPENSATED"
    return kept


async def test_a_finished_saga_has_all_its_spans_and_nothing_open(http: httpx.AsyncClient, kept: Stored) -> None:
    trace = await trace_of(http, query=f"?limit={len(spans_in(undone(kept)))}")
    assert [span.span() for span in trace.spans] == spans_in(kept)
    assert [span.name for span in trace.spans] == ["started", "reserve", "charge", "undo reserve", "order"]
    assert (trace.complete, trace.open, trace.next) == (True, [], None)
    assert (trace.id, trace.trace_id, trace.service_name, trace.cluster_id) == (
        str(SAGA),
        TRACE,
        "saga-coordinator",
        "the-cluster",
    )


async def test_a_running_saga_has_what_is_open_apart(http: httpx.AsyncClient, kept: Stored) -> None:
    kept.answered("reserve", Outcome.SUCCEEDED).happens(WakeUp(), after_s=400)
    trace = await trace_of(http)
    assert [span.name for span in trace.spans] == ["started", "reserve"]
    assert [(each.name, each.attributes.get("saga.attempt")) for each in trace.open] == [
        ("order", None),
        ("charge", 1),
        ("charge", 2),
    ]
    assert trace.open[0].span_id == root_span_id(SAGA)
    assert (trace.complete, trace.next) == (False, None)


async def test_pages_together_are_the_whole_and_part_no_transition(http: httpx.AsyncClient, kept: Stored) -> None:
    for _ in range(PAGE + 20):
        kept.happens(WakeUp(), after_s=700)
    undone(kept)
    assert len(kept.records) > PAGE, "more records than are read at once"
    pages = [await trace_of(http, "?limit=1")]
    while (after := pages[-1].next) is not None:
        assert (pages[-1].complete, pages[-1].open) == (False, [])
        pages.append(await trace_of(http, f"?limit=1&after={after}"))
    assert [span.span() for page in pages for span in page.spans] == spans_in(kept)
    assert len(pages) == len({span.completed_by for span in spans_in(kept)}) > 2
    assert pages[-1].complete
    versions = [{span.completed_by for span in page.spans} for page in pages]
    assert all(not before & behind for before, behind in pairwise(versions))


async def test_a_record_that_cannot_be_read_hides_no_other(http: httpx.AsyncClient, kept: Stored) -> None:
    undone(kept)
    kept.records[1] = replace(kept.records[1], facts=b"[[")
    trace = await trace_of(http)
    assert trace.complete
    assert [span.name for span in trace.spans] == ["started", "reserve", "undo reserve", "order"]


@pytest.mark.parametrize(("path", "status", "code"), [
    (f"{UNKNOWN}/trace", 404, "saga_unknown"),
    (f"{OTHER}/trace", 404, "saga_unknown"),
    ("o-17/trace", 404, "saga_unknown"),
    (f"{SAGA}/trace?limit=0", 422, "request_invalid"),
    (f"{SAGA}/trace?limit=501", 422, "request_invalid"),
    (f"{SAGA}/trace?after=-1", 422, "request_invalid"),
    (f"{SAGA}/trace?spans=all", 422, "request_invalid"),
])  # fmt: skip
async def test_what_is_refused(http: httpx.AsyncClient, kept: Stored, path: str, status: int, code: str) -> None:
    answer = await http.get(f"/v1/sagas/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_without_its_definition_a_saga_has_no_spans(http: httpx.AsyncClient, kept: Stored) -> None:
    kept.without_definition = True
    answer = await http.get(f"/v1/sagas/{SAGA}/trace")
    assert (answer.status_code, answer.json()["code"]) == (503, "definition_missing")


# --- the link -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("jaeger", [JAEGER, None])
async def test_a_traced_saga_links_to_jaeger_where_that_is_known(
    http: httpx.AsyncClient, kept: Stored, coordinator: ScriptedCoordinator, sampled: bool, jaeger: str | None
) -> None:
    coordinator.settings.jaeger_url = jaeger
    kept.row = replace(kept.row, trace_flags=int(sampled))
    expected = LINK if sampled and jaeger else None
    trace = await trace_of(http)
    assert (trace.trace_url, trace.sampled) == (expected, sampled)
    assert (await http.get(f"/v1/sagas/{SAGA}")).json()["trace_url"] == expected


@pytest.mark.parametrize("on_failure", [True, False])
@pytest.mark.parametrize("how", ["went back", "needs a person", "goes well"])
async def test_one_that_is_sent_because_it_failed_links_too(
    http: httpx.AsyncClient, kept: Stored, coordinator: ScriptedCoordinator, how: str, on_failure: bool
) -> None:
    coordinator.settings.jaeger_url, coordinator.settings.trace_sample_on_failure = JAEGER, on_failure
    if how == "went back":
        undone(kept)
    elif how == "needs a person":
        kept.attention = [AttentionRow(saga_id=SAGA, step="reserve", reason="no_answer", since_us=1, note="")]
    assert (await trace_of(http)).trace_url == (LINK if how != "goes well" and on_failure else None)
