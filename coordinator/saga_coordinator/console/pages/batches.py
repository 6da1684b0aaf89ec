"""Batches: what one act would do to all sagas of a query, begin it, see how far it is, stop it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import CODES, Problem
from saga_coordinator.batches.acts import ACTS as BATCH_ACTS
from saga_coordinator.batches.jobs import FOUND_MOST, RATE, RATE_MOST, BatchPreview
from saga_coordinator.batches.outcomes import Outcomes, Reason
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.formatting import PHASES, STATUSES
from saga_coordinator.console.forms import ActForm, FormRefused
from saga_coordinator.console.parameters import uuid_of
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.console.saga_columns import QueryTrouble, trouble
from saga_coordinator.engine.events import Refused
from saga_coordinator.query import QueryRefused
from saga_coordinator.store.port import BatchRow, QueryTooSlow
from saga_schemas.ids import parse_number
from saga_schemas.record_class import record

_SECTION: Final = "batches"
LINES: Final = 50
QUERY_CHARS: Final = 2_000
TICKED_MOST: Final = 50
_RUNNING: Final = "running"


@record
class Progress:
    """How far a batch is."""

    tried: int
    share: float
    left_s: float | None
    """How long it still takes at its rate; None: it is over."""


async def show_all(console: Console, request: Request) -> Response:
    """Batches, newest first."""
    before = parameters.identifier(request, "before")
    rows = await console.coordinator.batches(before=before, limit=LINES + 1)
    shown = rows[:LINES]
    return await console.page(
        request,
        "batches.html",
        section=_SECTION,
        title="Batches",
        live="list" if before is None else None,
        lines=[(row, progress(row)) for row in shown],
        pending=len(await console.coordinator.confirmations(pending=True, limit=LINES)),
        newest="/batches" if before is not None else None,
        older=parameters.address("/batches", before=shown[-1].id) if len(rows) > LINES else None,
    )


async def prepare(console: Console, request: Request) -> Response:
    """What a batch would do; nothing is changed."""
    text, act = _query(request), parameters.text(request, "act")
    if act and act not in BATCH_ACTS:
        raise Problem("act_unknown")
    preview: BatchPreview | None = None
    refused: QueryTrouble | None = None
    slow: str | None = None
    if text and act:
        try:
            preview = await console.coordinator.dry_run_batch(text, act)
        except QueryRefused as error:
            refused = trouble(error)
        except QueryTooSlow:
            slow = CODES["query_too_slow"][1]
    return await console.page(
        request,
        "batch_new.html",
        section=_SECTION,
        title="A batch",
        status=422 if refused is not None or slow is not None else 200,
        query=text,
        act=act,
        acts=BATCH_ACTS.values(),
        preview=preview,
        refused=refused,
        slow=slow,
        found_most=FOUND_MOST,
        rate=RATE,
        rate_most=RATE_MOST,
        phases=PHASES,
        statuses=STATUSES,
        list_path=parameters.address("/sagas", query=text),
    )


async def create(console: Console, request: Request) -> Response:
    """Begin it."""
    made: list[BatchRow] = []

    async def doing(form: ActForm) -> str:
        rate = parse_number(form.get("rate") or str(RATE))
        if rate is None or not 1 <= rate <= RATE_MOST:
            raise FormRefused(f"say a rate from 1 to {RATE_MOST} sagas a second")
        row = await console.coordinator.create_batch(form.get("query"), form.get("act"), form.reason, form.actor, rate=rate)
        made.append(row)
        return f"It has begun: {row.act} of {row.found:,} sagas."

    return await console.act(request, lambda: f"/batches/{made[0].id}" if made else "/batches", doing)


async def show(console: Console, request: Request) -> Response:
    """One batch, live while it runs."""
    try:
        row = await console.coordinator.batch(_id(request))
    except Refused:
        raise Problem("batch_unknown") from None
    outcomes = Outcomes.read(row.outcomes)
    return await console.page(
        request,
        "batch.html",
        section=_SECTION,
        title=f"{row.act} of {row.found:,} sagas",
        live="list" if row.status == _RUNNING else None,
        row=row,
        progress=progress(row),
        means=BATCH_ACTS[row.act].means if row.act in BATCH_ACTS else "",
        refusals=_often_first(outcomes.refused),
        failures=_often_first(outcomes.failed),
        titles={code: title for code, (_, title) in CODES.items()},
        list_path=parameters.address("/sagas", query=row.query),
    )


async def stop(console: Console, request: Request) -> Response:
    """Let it do nothing more."""

    async def doing(form: ActForm) -> str:
        row = await console.coordinator.stop_batch(_id(request), form.reason, form.actor)
        return f"It is stopped after {row.done + row.refused + row.failed:,} of {row.found:,} sagas. What it has done stays."

    return await console.act(request, f"/batches/{request.path_params['batch_id']}", doing)


def progress(row: BatchRow) -> Progress:
    """How far it is, by its counts."""
    tried = row.done + row.refused + row.failed
    left = max(0, row.found - tried)
    return Progress(
        tried=tried,
        share=1.0 if row.status == "done" else min(1.0, tried / max(1, row.found)),
        left_s=left / row.rate if row.status == _RUNNING else None,
    )


def _often_first(reasons: Mapping[str, Reason]) -> list[tuple[str, Reason]]:
    return sorted(reasons.items(), key=lambda item: (-item[1].count, item[0]))


def _query(request: Request) -> str:
    """The query of the address; of sagas that were ticked one that finds them."""
    ids = [found for text in request.query_params.getlist("id")[:TICKED_MOST] if (found := uuid_of(text)) is not None]
    if ids:
        return f"id in ({', '.join(map(str, ids))})"
    return request.query_params.get("query", "").strip()[:QUERY_CHARS]


def _id(request: Request) -> UUID:
    found = uuid_of(request.path_params["batch_id"])
    if found is None:
        raise Problem("batch_unknown")
    return found


ROUTES = [
    PageRoute(path="/batches", handler=show_all),
    PageRoute(path="/batches", handler=create, methods=ACTS),
    PageRoute(path="/batches/new", handler=prepare),
    PageRoute(path="/batches/{batch_id}", handler=show),
    PageRoute(path="/batches/{batch_id}/stop", handler=stop, methods=ACTS),
]
