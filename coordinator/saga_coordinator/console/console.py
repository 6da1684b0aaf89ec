"""What every page is given: the coordinator, the templates, and how an act is done."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from saga_coordinator.api.facade import Facade
from saga_coordinator.api.problems import CODES, Problem
from saga_coordinator.confirmations.gate import ConfirmationNeeded
from saga_coordinator.console.address import root_of
from saga_coordinator.console.badges import Badges
from saga_coordinator.console.forms import ActForm, FormRefused, read_form
from saga_coordinator.console.live import Live
from saga_coordinator.console.rendering import Templates
from saga_coordinator.console.told import Told, read_told, write_told
from saga_coordinator.console.who import ACTOR_COOKIE, CSRF_COOKIE, YEAR_S, remembered_actor, remembered_token
from saga_coordinator.engine.events import Refused
from saga_coordinator.query import QueryRefused
from saga_coordinator.starts.requests import SagaUnknown, StartRefused
from saga_coordinator.store.port import StoreError
from saga_messaging.broker import BrokerError

TOLD_COOKIE: Final = "saga_told"
_TOLD_S: Final = 60
Doing = Callable[[ActForm], Awaitable[str]]
"""An act: it returns the sentence that says what was done."""


class Console:
    """The console of one instance. `prefix` is what a proxy puts before `/console`."""

    def __init__(self, coordinator: Facade, *, prefix: str = "") -> None:
        self.coordinator = coordinator
        self.root = root_of(prefix)
        self._templates = Templates(self.root)
        self.assets = self._templates.assets
        self._badges = Badges(coordinator)
        self.live = Live(coordinator)

    def url(self, path: str) -> str:
        """The path as the browser sees it; `path` begins with a slash."""
        return self.root + path

    async def page(
        self,
        request: Request,
        template: str,
        *,
        section: str,
        title: str,
        live: str | None = None,
        seen: str = "",
        status: int = 200,
        **context: Any,
    ) -> Response:
        """Draw a page.

        Args:
            request: The browser's request.
            template: A file in `templates/`.
            section: Which entry of the navigation is lit.
            title: What stands in the window's title.
            live: The topic whose changes draw the page anew; None: it is drawn once.
            seen: What that topic shows on this page, where it is known: no change is missed then.
            status: The HTTP status.
            context: What the template reads.
        """
        token = remembered_token(request) or secrets.token_urlsafe(24)
        told = read_told(request.cookies.get(TOLD_COOKIE)) if _is_opened(request) else None
        html = self._templates.render(
            template,
            section=section,
            title=title,
            live=live,
            seen=seen,
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            actor=remembered_actor(request),
            csrf=token,
            told=told,
            attention_count=await self._badges.attention(),
            **context,
        )
        response = Response(html, status, media_type="text/html; charset=utf-8")
        if remembered_token(request) is None:
            self._set(response, CSRF_COOKIE, token, YEAR_S)
        if told is not None:
            response.delete_cookie(TOLD_COOKIE, path=self.root)
        return response

    async def act(self, request: Request, back: str | Callable[[], str], doing: Doing) -> Response:
        """Do what a form asks for, and send the browser back to the page `back`.

        What the coordinator refuses is told on that page, in its words. Where the page is what was
        made, `back` is asked for it afterwards.
        """
        form: ActForm | None = None
        try:
            form = await read_form(request)
            told = Told(text=await doing(form), good=True)
        except ConfirmationNeeded:
            told = Told(text="Not done yet: it waits for a second person, under Batches, Confirmations.", good=True)
        except (FormRefused, Refused, StartRefused, Problem, SagaUnknown, QueryRefused, BrokerError) as error:
            told = Told(text=refusal(error), good=False)
        except (StoreError, TimeoutError):
            told = Told(text="The database does not answer: nothing is known to be done. Look, and try again.", good=False)
        response = RedirectResponse(self.url(back if isinstance(back, str) else back()), status_code=303)
        self._set(response, TOLD_COOKIE, write_told(told), _TOLD_S)
        if form is not None:
            self._set(response, ACTOR_COOKIE, form.actor_as_cookie, YEAR_S)
        return response

    def _set(self, response: Response, name: str, value: str, age_s: int) -> None:
        response.set_cookie(name, value, max_age=age_s, path=self.root, httponly=True, samesite="strict")


def _is_opened(request: Request) -> bool:
    """Whether somebody opens the page. A live page that draws itself anew, perhaps in another tab,
    must not take away what is told behind an act."""
    return "hx-request" not in request.headers and request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def refusal(error: Exception) -> str:
    """Why something was not done, as a sentence."""
    if isinstance(error, SagaUnknown):
        return CODES["saga_unknown"][1]
    if isinstance(error, Problem):
        return error.explanation or CODES[error.code][1]
    if isinstance(error, Refused | StartRefused):
        return f"Not done: {error.detail}"
    return f"Not done: {error}"


def guarded(response: Response) -> Response:
    """The response with the headers that keep a page to itself."""
    headers = MutableHeaders(raw=response.raw_headers)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    return response


_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
