"""`/v1/dead-letters`: records the coordinator could not read."""

from __future__ import annotations

import base64
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from saga_coordinator.api.answers import DeadLetterLine, DeadLetterPage, DeadLetterShown, HeaderShown, letter_line
from saga_coordinator.api.bodies import Page, RedriveBody
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.inbound.dead_letters import decode_headers
from saga_coordinator.views.batches import RedriveView, redrive_view

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], route_class=StrictRoute)


@router.get("", responses=problems())
async def list_dead_letters(coordinator: CoordinatorDep, wanted: Annotated[Page, Query()]) -> DeadLetterPage:
    """Newest first."""
    before = None
    if wanted.cursor is not None:
        before = _uuid(wanted.cursor)
        if before is None:
            raise bad_cursor()
    letters = await coordinator.store.dead_letters(before=before, limit=wanted.limit)
    redriven = await coordinator.store.redrives([letter.id for letter in letters])
    items = [DeadLetterLine(**letter_line(letter, redriven.get(letter.id))) for letter in letters]
    return DeadLetterPage(items=items, next=items[-1].id if len(items) == wanted.limit else None)


@router.get("/{letter_id}", responses=problems("dead_letter_unknown"))
async def show_dead_letter(coordinator: CoordinatorDep, letter_id: str) -> DeadLetterShown:
    """One record as it came, cut to a bound."""
    letter = await coordinator.store.dead_letter(_id(letter_id))
    if letter is None:
        raise Problem("dead_letter_unknown")
    redriven = (await coordinator.store.redrives([letter.id])).get(letter.id)
    headers = [HeaderShown(name=name, value=_readable(value or b"")) for name, value in decode_headers(letter.headers)]
    return DeadLetterShown(**letter_line(letter, redriven), key=_base64(letter.key), value=_base64(letter.value), headers=headers)


@router.post(
    "/{letter_id}/redrive",
    responses=problems(
        "dead_letter_unknown",
        "not_redrivable",
        "dead_letter_cut",
        "topic_gone",
        "redriven",
        "redrive_under_way",
        "redrive_refused",
        "redrive_unknown",
        "broker_unavailable",
        *WITH_BODY,
    ),
)
async def redrive_dead_letter(coordinator: CoordinatorDep, letter_id: str, body: RedriveBody) -> RedriveView:
    """Send its very bytes again to where it came from, once."""
    return redrive_view(await coordinator.redrive_dead_letter(_id(letter_id), body.reason, body.actor, again=body.again))


def _id(text: str) -> UUID:
    found = _uuid(text)
    if found is None:
        raise Problem("dead_letter_unknown")
    return found


def _uuid(text: str) -> UUID | None:
    if len(text) != 36 or not text.isascii():
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _readable(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
    return text if text.isprintable() else base64.b64encode(value).decode()


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
