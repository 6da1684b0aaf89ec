"""Dead letters: records that could not be read, and what can be told of each."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.forms import ActForm
from saga_coordinator.console.parameters import uuid_of
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.inbound.redriving import NO_MESSAGES
from saga_coordinator.store.port import DeadLetter
from saga_coordinator.views.dead_letters import letter_view, reason_words

_SECTION: Final = "dead-letters"
LINES: Final = 50


async def show_all(console: Console, request: Request) -> Response:
    """A page of letters, newest first."""
    before = parameters.identifier(request, "before")
    letters = await console.coordinator.store.dead_letters(before=before, limit=LINES + 1)
    shown = letters[:LINES]
    sent = await console.coordinator.store.redrives([letter.id for letter in shown])
    return await console.page(
        request,
        "dead_letters.html",
        section=_SECTION,
        title="Dead letters",
        live="list" if before is None else None,
        lines=[(letter, reason_words(letter.reason)[0], _writer(console, letter), letter.id in sent) for letter in shown],
        newest="/dead-letters" if before is not None else None,
        older=parameters.address("/dead-letters", before=shown[-1].id) if len(letters) > LINES else None,
    )


async def show(console: Console, request: Request) -> Response:
    """One letter, decoded as far as it goes."""
    known = uuid_of(request.path_params["letter_id"])
    letter = None if known is None else await console.coordinator.store.dead_letter(known)
    if letter is None:
        raise Problem(
            "dead_letter_unknown", "Letters that are on their topic are kept as long as SAGA_RETENTION_DEAD_LETTERS says."
        )
    catalog = console.coordinator.definitions.catalog
    view = await asyncio.to_thread(letter_view, letter, catalog, _writer(console, letter))
    value = view.payload.value
    return await console.page(
        request,
        "dead_letter.html",
        section=_SECTION,
        title=f"Dead letter {letter.reason}",
        letter=letter,
        redrive=(await console.coordinator.store.redrives([letter.id])).get(letter.id),
        may_redrive=letter.reason not in NO_MESSAGES and letter.value is not None,
        view=view,
        value=None if value is None else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode("utf-8", "replace"),
    )


async def redrive(console: Console, request: Request) -> Response:
    """Send its very bytes again to where they came from."""

    async def doing(form: ActForm) -> str:
        known = uuid_of(request.path_params["letter_id"])
        if known is None:
            raise Problem("dead_letter_unknown")
        again = form.get("again") == "yes"
        await console.coordinator.redrive_dead_letter(known, form.reason, form.actor, again=again)
        return "It is sent again to where it came from. If it cannot be read yet, it comes back as another letter."

    return await console.act(request, f"/dead-letters/{request.path_params['letter_id']}", doing)


def _writer(console: Console, letter: DeadLetter) -> str:
    """Whose topic it came from."""
    topics = console.coordinator.topics
    participant = topics.participant_of_reply(letter.topic)
    if participant is not None:
        return participant
    return "whoever starts sagas" if letter.topic == topics.start else letter.topic


ROUTES = [
    PageRoute(path="/dead-letters", handler=show_all),
    PageRoute(path="/dead-letters/{letter_id}", handler=show),
    PageRoute(path="/dead-letters/{letter_id}/redrive", handler=redrive, methods=ACTS),
]
