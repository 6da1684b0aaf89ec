"""`/v1/dead-letters`: records the coordinator could not read."""

from __future__ import annotations

import base64
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from saga_coordinator.api.answers import DeadLetterLine, DeadLetterPage, DeadLetterShown, HeaderShown, letter_line
from saga_coordinator.api.bodies import Page
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.inbound.dead_letters import decode_headers

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
    items = [DeadLetterLine(**letter_line(letter)) for letter in letters]
    return DeadLetterPage(items=items, next=items[-1].id if len(items) == wanted.limit else None)


@router.get("/{letter_id}", responses=problems("dead_letter_unknown"))
async def show_dead_letter(coordinator: CoordinatorDep, letter_id: str) -> DeadLetterShown:
    """One record as it came, cut to a bound."""
    known = _uuid(letter_id)
    letter = await coordinator.store.dead_letter(known) if known is not None else None
    if letter is None:
        raise Problem("dead_letter_unknown")
    headers = [HeaderShown(name=name, value=_readable(value or b"")) for name, value in decode_headers(letter.headers)]
    return DeadLetterShown(**letter_line(letter), key=_base64(letter.key), value=_base64(letter.value), headers=headers)


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
