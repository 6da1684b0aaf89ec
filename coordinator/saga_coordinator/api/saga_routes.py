"""`/v1/sagas`: start, list, show, and what an operator may do to one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Header, Query, Request, Response

from saga_coordinator.api.answers import Accepted, JournalPage, SagaPage, Started
from saga_coordinator.api.bodies import ActBody, JournalQuery, SagaQuery, StartBody, TraceQuery, WaitQuery, WaiveBody
from saga_coordinator.api.facade import CoordinatorDep, Facade
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.query_routes import asked
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_paths import ON_SAGA, accepted, looked_up, step_name, stored_row
from saga_coordinator.api.start_times import start_time_us
from saga_coordinator.api.waiting import ACCEPTED, OF_TWO
from saga_coordinator.archive.container import write_container
from saga_coordinator.definitions.document import canonical_json
from saga_coordinator.diagnosis.view import Diagnosis, diagnosis_of
from saga_coordinator.starts.preparation import body_hash
from saga_coordinator.starts.requests import StartRequest
from saga_coordinator.store.port import ImportedSaga, ListFilter, SagaRow
from saga_coordinator.traces.plain import PlainOpenSpan, PlainSpan, PlainTrace
from saga_coordinator.traces.reading import read_page, traced_saga
from saga_coordinator.traces.sampling import caller_context
from saga_coordinator.traces.spans import SERVICE_NAME
from saga_coordinator.views.imported import imported_journal, imported_view
from saga_coordinator.views.journal import record_views
from saga_coordinator.views.listed import listed_view
from saga_coordinator.views.payloads import Payloads
from saga_coordinator.views.saga import SagaView, saga_view
from saga_coordinator.views.step_history import Journal
from saga_coordinator.views.ticks import scheduled_view
from saga_coordinator.views.trace_link import ended_badly, trace_url
from saga_schemas.ids import valid_request_id
from saga_schemas.labels import LabelInvalid, LabelValue, labels_of
from saga_schemas.limits import TEXT_CHARS
from saga_schemas.trace_context import SAMPLED, TraceContext

SOURCE: Final = "http"
"""The scope of request ids that came over HTTP."""
OF_SCHEDULE: Final = "schedule"
"""The label that names the schedule of a saga."""
_WAITERS: Final = 1_000
"""How many requests may wait for the end of a saga. One more is answered at once with the saga as
it is."""
_waiting = asyncio.Semaphore(_WAITERS)
_REFUSALS: Final = (*ON_SAGA, "past_pivot", "not_stuck", "recovering")
_ON_STEP: Final = ("step_unknown", "is_pivot")
CONTAINER_TYPE: Final = "application/avro"
_EXPORTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {CONTAINER_TYPE: {"schema": {"type": "string", "format": "binary"}}}, "description": "the file"},
    **problems("saga_unknown", "saga_archived", "not_finished", "unreadable"),
}
_STARTED: Final[dict[int | str, dict[str, Any]]] = {200: {"model": Started, "description": "known before"}}


router = APIRouter(prefix="/v1/sagas", tags=["sagas"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    responses=_STARTED
    | problems(
        "definition_unknown",
        "key_held",
        "request_reused",
        "definition_inactive",
        "input_invalid",
        "key_mismatch",
        "labels_invalid",
        "start_too_far",
        "overloaded",
        *WITH_BODY,
    ),
)
async def start_saga(
    coordinator: CoordinatorDep,
    body: StartBody,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(description="the request id; made and returned when absent")] = None,
) -> Started:
    """Start a saga, once: per request id always, per business key while it is held.

    With `start_at` or `start_in` it waits for that time, SCHEDULED, and holds its key meanwhile.
    """
    request_id = _request_id(request, idempotency_key)
    asked = StartRequest(
        tenant=coordinator.settings.tenant,
        definition=body.definition,
        version=body.version,
        input=body.input,
        key=body.key,
        labels=_labels(body.labels),
        request_id=request_id,
        source=SOURCE,
        on_open=body.on_open,
        on_closed=body.on_closed,
        trace=_trace(request, coordinator),
        baggage=",".join(request.headers.getlist("baggage")) or None,
        start_at_us=await start_time_us(body.start_at, body.start_in, coordinator.store.now_us),
        body_hash=body_hash(canonical_json(body.asked())),
    )
    result = await coordinator.start(asked)
    response.status_code = 201 if result.created else 200
    response.headers["Location"] = f"/v1/sagas/{result.saga_id}"
    response.headers["Idempotency-Key"] = request_id
    return Started(id=str(result.saga_id), created=result.created, request_id=request_id)


@router.get("", responses=problems("query_invalid", "query_too_slow"))
async def list_sagas(coordinator: CoordinatorDep, wanted: Annotated[SagaQuery, Query()]) -> SagaPage:
    """Newest first."""
    query = asked(wanted.query)
    try:
        found, following = await coordinator.store.list_sagas(
            ListFilter(
                tenant=coordinator.settings.tenant,
                query=query,
                definition=wanted.definition,
                phase=wanted.phase.value if wanted.phase else None,
                attention=wanted.attention,
                key=wanted.key,
                limit=wanted.limit,
                cursor=wanted.cursor,
            )
        )
    except ValueError:
        raise bad_cursor() from None
    return SagaPage(items=[listed_view(one) for one in found], next=following)


@router.get("/{saga_id}", responses=problems("saga_unknown", "saga_archived", "unreadable"))
async def show_saga(coordinator: CoordinatorDep, saga_id: str, wanted: Annotated[WaitQuery, Query()]) -> SagaView:
    """One saga, at once or when it has finished or the time is over."""
    row = await looked_up(coordinator, saga_id)
    if isinstance(row, ImportedSaga):
        return await asyncio.to_thread(imported_view, row)
    if wanted.wait_s > 0 and row.closed_at_us is None and not _waiting.locked():
        async with _waiting:
            row = await coordinator.wait_closed(row.id, wanted.wait_s) or row
    return await view_of(coordinator, row)


@router.get("/{saga_id}/export", response_class=Response, responses=_EXPORTED)
async def export_saga(coordinator: CoordinatorDep, saga_id: str) -> Response:
    """A finished saga as an Avro object container file with one record: docs/archive.md."""
    row = await looked_up(coordinator, saga_id)
    if isinstance(row, ImportedSaga):
        return Response(row.content, media_type=CONTAINER_TYPE)
    if row.closed_at_us is None:
        raise Problem("not_finished")
    content = await asyncio.to_thread(write_container, [await coordinator.entries.stored(row)])
    return Response(content, media_type=CONTAINER_TYPE)


@router.get("/{saga_id}/journal", responses=problems("saga_unknown", "saga_archived", "unreadable"))
async def show_journal(coordinator: CoordinatorDep, saga_id: str, wanted: Annotated[JournalQuery, Query()]) -> JournalPage:
    """Its transitions in order, facts readable."""
    row = await looked_up(coordinator, saga_id)
    if isinstance(row, ImportedSaga):
        items = await asyncio.to_thread(imported_journal, row, after=wanted.after, limit=wanted.limit)
    else:
        records = await coordinator.store.journal(row.id, after=wanted.after, limit=wanted.limit)
        items = record_views(records, Payloads(coordinator.definitions.catalog))
    return JournalPage(items=items, next=items[-1].version if len(items) == wanted.limit else None)


@router.get("/{saga_id}/diagnosis", responses=problems("saga_unknown", "saga_archived", "saga_imported"))
async def show_diagnosis(coordinator: CoordinatorDep, saga_id: str) -> Diagnosis:
    """Why it does not move, or looks wrong: named checks, each with its verdict and evidence.

    Where something was found, with the cause, the way out, and the section of the runbook.
    """
    return await diagnosis_of(coordinator, await stored_row(coordinator, saga_id))


@router.get("/{saga_id}/trace", responses=problems("saga_unknown", "saga_archived", "saga_imported", "definition_missing"))
async def show_trace(coordinator: CoordinatorDep, saga_id: str, wanted: Annotated[TraceQuery, Query()]) -> PlainTrace:
    """The coordinator's spans of the saga, made from its journal: the very ones that are exported
    when it is sampled."""
    row = await stored_row(coordinator, saga_id)
    traced = traced_saga(row, await coordinator.definitions.get(row.definition_id), coordinator.topics)
    page = await read_page(coordinator.store, traced, after=wanted.after, limit=wanted.limit)
    return PlainTrace(
        id=str(row.id),
        trace_id=row.trace_id,
        sampled=bool(row.trace_flags & SAMPLED),
        trace_url=await _trace_url(coordinator, row),
        service_name=SERVICE_NAME,
        cluster_id=(await coordinator.store.meta()).cluster_id,
        complete=page.ended,
        spans=[PlainSpan.of(span) for span in page.spans],
        open=[PlainOpenSpan.begun(span) for span in page.open],
        next=page.next,
    )


@router.post("/{saga_id}/cancel", status_code=202, responses=problems(*_REFUSALS))
async def cancel_saga(coordinator: CoordinatorDep, saga_id: str, body: ActBody) -> Accepted:
    """Go back: undo what was done. Refused past the point of no return."""
    row = await stored_row(coordinator, saga_id)
    await coordinator.cancel(row.id, body.reason, body.actor)
    return await accepted(coordinator, row)


@router.post("/{saga_id}/steps/{step}/retry", status_code=202, responses=problems(*_REFUSALS, *_ON_STEP))
async def retry_step(coordinator: CoordinatorDep, saga_id: str, step: str, body: ActBody) -> Accepted:
    """Ask a stuck or silent step again now."""
    row = await stored_row(coordinator, saga_id)
    await coordinator.retry_step(row.id, step_name(step), body.reason, body.actor)
    return await accepted(coordinator, row)


@router.post("/{saga_id}/steps/{step}/waive", status_code=202, responses=ACCEPTED | problems(*_REFUSALS, *_ON_STEP, *OF_TWO))
async def waive_step(coordinator: CoordinatorDep, saga_id: str, step: str, body: WaiveBody) -> Accepted:
    """Go on without a step, on evidence.

    The participant is asked first unless `unsafe`; the saga ends FORCED.
    """
    row = await stored_row(coordinator, saga_id)
    evidence = body.evidence if body.reason in (None, body.evidence) else f"{body.reason}: {body.evidence}"
    await coordinator.waive_step(row.id, step_name(step), evidence, body.actor, body.unsafe)
    return await accepted(coordinator, row)


def _labels(given: Mapping[str, Any]) -> dict[str, LabelValue]:
    try:
        return labels_of(given)
    except LabelInvalid as wrong:
        raise Problem("labels_invalid", str(wrong)) from None


def bad_cursor() -> Problem:
    expected = "`next` of the page before"
    return Problem("request_invalid", f"cursor: {expected}", field="cursor", expected=expected)


async def view_of(coordinator: Facade, row: SagaRow, journal: Journal | None = None) -> SagaView:
    """All that there is to show of a saga of this store. Raises StoreError."""
    no_consumer = {} if row.closed_at_us is not None else await coordinator.no_consumer()
    view = await saga_view(
        row,
        store=coordinator.store,
        definitions=coordinator.definitions,
        no_consumer=no_consumer,
        trace_url=await _trace_url(coordinator, row),
        delivery=coordinator.delivery(),
        journal=journal,
    )
    # Whatever a schedule starts has this label: nothing else is looked up.
    started = await coordinator.tick_of(row.id) if OF_SCHEDULE in view.labels else None
    return view if started is None else replace(view, schedule=scheduled_view(*started))


def _request_id(request: Request, given: str | None) -> str:
    if given is None:
        return str(uuid4())
    if not given.isascii() or not valid_request_id(given) or len(request.headers.getlist("idempotency-key")) > 1:
        expected = f"1 to {TEXT_CHARS} printable ASCII characters, once"
        raise Problem("request_invalid", f"Idempotency-Key: {expected}", field="Idempotency-Key", expected=expected)
    return given


async def _trace_url(coordinator: Facade, row: SagaRow) -> str | None:
    settings = coordinator.settings
    failed = settings.trace_sample_on_failure and await _failed(coordinator, row)
    return trace_url(row, settings.jaeger_url, failed=failed)


async def _failed(coordinator: Facade, row: SagaRow) -> bool:
    if row.closed_at_us is not None:
        return ended_badly(row)
    return bool(await coordinator.store.attention_of(row.id))


def _trace(request: Request, coordinator: Facade) -> TraceContext | None:
    """The caller's trace.

    W3C Trace Context says to ignore a malformed one, so it refuses nothing.
    """
    context, ignored = caller_context(request.headers.getlist("traceparent"), request.headers.getlist("tracestate"))
    if ignored:
        coordinator.trace_ignored()
    return context
