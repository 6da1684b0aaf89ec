"""The page of one saga, and what a person may do to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.api.saga_paths import stored_row
from saga_coordinator.api.saga_routes import CONTAINER_TYPE
from saga_coordinator.api.start_times import needed_start_time_us
from saga_coordinator.archive.container import write_container
from saga_coordinator.console.console import Console
from saga_coordinator.console.formatting import absolute
from saga_coordinator.console.forms import ActForm
from saga_coordinator.console.rendering import path_part
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.console.saga.exchanges import asked_at, chosen, exchanges
from saga_coordinator.console.saga.page import Wanted, all_sides, attempts_context, chosen_step, page_context
from saga_coordinator.console.saga.reading import (
    dead_letters,
    diagnosed,
    journal_page,
    read_story,
    records_of,
    what_would_happen,
    whole,
)
from saga_coordinator.console.schedule.reading import started_by
from saga_coordinator.definitions.fields import parsed_duration
from saga_coordinator.query import quoted
from saga_coordinator.views.journal_words import journal_words
from saga_coordinator.views.preview import PreviewedAct
from saga_schemas.ids import parse_saga_id, valid_business_key, valid_step

_JOURNAL_PAGE: Final = 25
Doing = Callable[[UUID, ActForm], Awaitable[str]]
_DIRECTIONS: Final = frozenset({"action", "compensation", "resolve"})


async def show(console: Console, request: Request) -> Response:
    """All there is to say of one saga."""
    text = request.path_params["id"]
    wanted = _wanted(request)
    story = await read_story(console.coordinator, text)
    sides = all_sides(story)
    step = chosen_step(sides, story, wanted)
    found = exchanges(step.view, records_of(console.coordinator, story, step.view)) if step is not None else []
    latest = chosen(found, wanted.direction or ("compensation" if step is not None and step.undo is not None else "action"))
    before = story.version + 1 if wanted.before is None else min(wanted.before, story.version + 1)
    records = await journal_page(console.coordinator, story, before=before, limit=_JOURNAL_PAGE)
    base = console.url(f"/sagas/{path_part(story.id)}")
    view = story.view
    return await console.page(
        request,
        "saga.html",
        section="sagas",
        title=f"{view.key or view.id} · {view.definition or 'saga'}",
        live=None if view.closed_at is not None else f"saga/{story.id}",
        seen=str(view.version),
        by_schedule=await started_by(console.coordinator, story.id, view.labels),
        **page_context(story, sides, step, wanted, base),
        **attempts_context(found, latest, step),
        journal=journal_words(records, story.plans, asked_at(view))[::-1],
        journal_older=before - _JOURNAL_PAGE if before - _JOURNAL_PAGE > 1 else None,
        journal_newest=wanted.before is None,
        letters=await dead_letters(console.coordinator, story),
        diagnosis=await diagnosed(console.coordinator, story),
        preview=await what_would_happen(console.coordinator, story, wanted.preview) if wanted.preview is not None else None,
        preview_act=wanted.preview,
    )


def _wanted(request: Request) -> Wanted:
    asked = request.query_params
    step, direction, before = asked.get("step"), asked.get("direction"), asked.get("before", "")
    return Wanted(
        step=step if step and len(step) <= 64 else None,
        direction=direction if direction in _DIRECTIONS else None,
        before=int(before) if before.isascii() and before.isdigit() and 0 < len(before) <= 18 else None,
        all_steps=asked.get("steps") == "all",
        preview=next((act for act in PreviewedAct if act == asked.get("preview")), None),
    )


async def find(console: Console, request: Request) -> Response:
    """An id, a key or `definition/key` leads to its saga; all else to the list, as a query."""
    asked = request.query_params.get("q", "").strip()[:2_000]
    saga_id = parse_saga_id(asked.lower())
    if saga_id is not None:
        return _to(console, f"/sagas/{saga_id}")
    definition, slash, key = asked.partition("/")
    tries = [(None, asked), *([(definition, key)] if slash and definition else [])]
    for name, wanted in tries:
        if not valid_business_key(wanted):
            continue
        found = await console.coordinator.store.sagas_by_key(console.coordinator.settings.tenant, wanted, name)
        if len(found) == 1:
            return _to(console, f"/sagas/{found[0].id}")
        if found:
            of = "" if name is None else f" and definition = {quoted(name)}"
            return _to(console, f"/sagas?{urlencode({'query': f'key = {quoted(wanted)}{of}'})}")
    return _to(console, f"/sagas?{urlencode({'query': asked})}" if asked else "/sagas")


def _to(console: Console, path: str) -> Response:
    return RedirectResponse(console.url(path), status_code=303)


async def download(console: Console, request: Request) -> Response:
    """What `saga show -o json` prints, as a file."""
    story = await read_story(console.coordinator, request.path_params["id"])
    content = json.dumps(await whole(console.coordinator, story), ensure_ascii=False, indent=1)
    return _file(content.encode("utf-8", "replace"), "application/json", f"saga-{story.id}.json")


async def export(console: Console, request: Request) -> Response:
    """A finished saga as an Avro file, to be imported elsewhere."""
    row = await stored_row(console.coordinator, request.path_params["id"])
    if row.closed_at_us is None:
        raise Problem("not_finished")
    content = await asyncio.to_thread(write_container, [await console.coordinator.entries.stored(row)])
    return _file(content, CONTAINER_TYPE, f"saga-{row.id}.avro")


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})


# --- acts -----------------------------------------------------------------------------------------


async def cancel(console: Console, request: Request) -> Response:
    """Go back."""

    async def doing(saga_id: UUID, form: ActForm) -> str:
        await console.coordinator.cancel(saga_id, form.reason, form.actor)
        return "It goes back: what was done is undone."

    return await _act(console, request, doing)


async def pause(console: Console, request: Request) -> Response:
    """Hold what is due."""

    async def doing(saga_id: UUID, form: ActForm) -> str:
        await console.coordinator.pause(saga_id, form.reason, form.actor)
        return "It is paused: answers are taken in, nobody is asked, and no limit counts the time."

    return await _act(console, request, doing)


async def resume(console: Console, request: Request) -> Response:
    """End the saga's own pause."""

    async def doing(saga_id: UUID, form: ActForm) -> str:
        await console.coordinator.resume(saga_id, form.reason, form.actor)
        return "It goes on: what was due goes out at once."

    return await _act(console, request, doing)


async def move_start(console: Console, request: Request) -> Response:
    """Let it begin at another time."""

    async def doing(saga_id: UUID, form: ActForm) -> str:
        given = form.get("start")
        at, after = (None, given) if parsed_duration(given) is not None else (given, None)
        start_at_us = await needed_start_time_us(at, after, console.coordinator.store.now_us)
        await console.coordinator.move_start(saga_id, start_at_us, form.reason, form.actor)
        return f"It begins at {absolute(start_at_us)}."

    return await _act(console, request, doing)


async def terminate(console: Console, request: Request) -> Response:
    """End it as it is."""

    async def doing(saga_id: UUID, form: ActForm) -> str:
        await console.coordinator.terminate(saga_id, form.reason, form.actor)
        return "It is ended as it was: nobody is asked any more. What stays of it is listed below."

    return await _act(console, request, doing)


async def restart(console: Console, request: Request) -> Response:
    """Start a finished saga anew; the browser goes on to the new one."""
    began: list[UUID] = []

    async def doing(saga_id: UUID, form: ActForm) -> str:
        result = await console.coordinator.restart(saga_id, form.reason, form.actor)
        began.append(result.saga_id)
        return (
            f"This is the new saga; {saga_id} stays as it ended." if result.created else "It was restarted before: as this saga."
        )

    response = await _act(console, request, doing)
    if began:
        response.headers["location"] = console.url(f"/sagas/{began[0]}")
    return response


async def retry(console: Console, request: Request) -> Response:
    """Ask again now."""

    async def doing(saga_id: UUID, form: ActForm) -> str:
        step = _step(request)
        await console.coordinator.retry_step(saga_id, step, form.reason, form.actor)
        return f"{step} is asked again now."

    return await _act(console, request, doing)


async def waive(console: Console, request: Request) -> Response:
    """Go on without a step."""

    async def doing(saga_id: UUID, form: ActForm) -> str:
        step, unsafe = _step(request), form.get("unsafe") == "yes"
        await console.coordinator.waive_step(saga_id, step, form.reason, form.actor, unsafe)
        if unsafe:
            return f"{step} is waived. The saga goes on without it, and ends FORCED."
        return f"The participant is asked what became of {step}; then the saga goes on without it, and ends FORCED."

    return await _act(console, request, doing)


async def _act(console: Console, request: Request, doing: Doing) -> Response:
    text = request.path_params["id"]

    async def done(form: ActForm) -> str:
        return await doing((await stored_row(console.coordinator, text)).id, form)

    return await console.act(request, f"/sagas/{path_part(text)}", done)


def _step(request: Request) -> str:
    name: str = request.path_params["step"]
    if not valid_step(name):
        raise Problem("step_unknown")
    return name


ROUTES = [
    PageRoute(path="/find", handler=find),
    PageRoute(path="/sagas/{id}", handler=show),
    PageRoute(path="/sagas/{id}/saga.json", handler=download),
    PageRoute(path="/sagas/{id}/saga.avro", handler=export),
    PageRoute(path="/sagas/{id}/cancel", handler=cancel, methods=ACTS),
    PageRoute(path="/sagas/{id}/pause", handler=pause, methods=ACTS),
    PageRoute(path="/sagas/{id}/resume", handler=resume, methods=ACTS),
    PageRoute(path="/sagas/{id}/start-time", handler=move_start, methods=ACTS),
    PageRoute(path="/sagas/{id}/terminate", handler=terminate, methods=ACTS),
    PageRoute(path="/sagas/{id}/restart", handler=restart, methods=ACTS),
    PageRoute(path="/sagas/{id}/steps/{step}/retry", handler=retry, methods=ACTS),
    PageRoute(path="/sagas/{id}/steps/{step}/waive", handler=waive, methods=ACTS),
]
