"""Visits of a browser to the console, watched: what must not happen on any page is kept, and is the
test's to deny.

Faults are requests to anybody else, dialogs, errors of scripts, errors on the console (what the
content security policy refuses is one), and answers of 5xx.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, Response, Route, expect

PATIENCE_MS: Final = 60_000
"""A machine may be busy: a wait ends when what is waited for is there."""
DESK: Final = (1440, 900)
PHONE: Final = (390, 844)
TABLETS: Final = ((768, 1024), (1024, 768))
_SHIFTS: Final = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@dataclass
class Visits:
    """The pages that one test opens."""

    browser: Browser
    server: str
    """The coordinator's address; nobody else may be asked."""
    faults: list[str] = field(default_factory=list)
    tolerated: list[re.Pattern[str]] = field(default_factory=list)
    """Faults that the test causes itself."""
    _contexts: list[BrowserContext] = field(default_factory=list)

    def page(
        self,
        path: str | None = None,
        *,
        size: tuple[int, int] = DESK,
        scheme: Literal["light", "dark"] = "light",
        javascript: bool = True,
    ) -> Page:
        """A page of a browser that knows nothing yet; it shows `path` of the console if given."""
        context = self.browser.new_context(
            base_url=self.server,
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            java_script_enabled=javascript,
            reduced_motion="reduce",
            timezone_id="UTC",
            locale="en-GB",
        )
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if javascript:
            context.add_init_script(_SHIFTS)
        context.route(re.compile(f"^(?!{re.escape(self.server)}/)"), self._elsewhere)
        context.on("console", self._said)
        context.on("weberror", lambda error: self._fault(f"script: {error.error}"))
        context.on("dialog", self._asked)
        context.on("response", self._answered)
        page = context.new_page()
        if path is not None:
            go(page, path)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def tolerate(self, pattern: str) -> None:
        """Faults that match are the test's own doing."""
        self.tolerated.append(re.compile(pattern))

    @property
    def unwanted(self) -> list[str]:
        """What happened and must not."""
        return [fault for fault in self.faults if not any(pattern.search(fault) for pattern in self.tolerated)]

    def _fault(self, what: str) -> None:
        self.faults.append(what)

    def _elsewhere(self, route: Route, request: Request) -> None:
        self._fault(f"asked elsewhere: {request.method} {request.url}")
        route.abort()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._fault(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _asked(self, dialog: Dialog) -> None:
        self._fault(f"dialog: {dialog.type} {dialog.message}")
        dialog.dismiss()

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self._fault(f"answer: {response.status} {response.url}")


@contextmanager
def watched(browser: Browser, server: str) -> Iterator[Visits]:
    """Visits whose faults fail the block's test."""
    visits = Visits(browser, server)
    try:
        yield visits
    finally:
        visits.close()
    if visits.unwanted:
        raise AssertionError("must not happen on any page: " + "\n".join(visits.unwanted))


def go(page: Page, path: str) -> None:
    """Open a page of the console, `/sagas` for example. A live page never falls silent, so its load
    is what is waited for."""
    page.goto(f"/console{path}", wait_until="load", timeout=PATIENCE_MS)


def act(page: Page, within: Locator, words: str, button: str, *, why: str, who: str = "grace") -> None:
    """Open the act of these words, say why and who, press its button, and wait for what is told."""
    form = within.locator("details.act").filter(has=page.locator("summary").filter(has_text=words))
    form.locator("summary").click()
    form.get_by_label("Why").fill(why)
    form.get_by_label("Who you are").fill(who)
    form.get_by_role("button", name=button).click()
    expect(page.locator(".told.good")).to_be_visible()


def shifted(page: Page) -> float:
    """How much the layout has shifted since the page was loaded (Cumulative Layout Shift)."""
    return float(page.evaluate("window.shifted"))


def overflow_px(page: Page) -> int:
    """By how much the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
