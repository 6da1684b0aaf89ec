"""The list of sagas: by a query, with the columns that one wants, page by page, and as files."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import CODES, Problem
from saga_coordinator.batches.acts import ACTS as BATCH_ACTS
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.downloads import MOST_LINES, PAGE_LINES, csv_file, json_file
from saga_coordinator.console.formatting import PHASES
from saga_coordinator.console.pages.saved_views import address_of
from saga_coordinator.console.routing import PageRoute
from saga_coordinator.console.saga_columns import (
    FILE_COLUMNS,
    NUMBERS,
    QUICK,
    QueryTrouble,
    as_parameter,
    chosen,
    duration_ms,
    file_line,
    offered,
    trouble,
)
from saga_coordinator.query import Query, QueryRefused, parse
from saga_coordinator.store.port import Listed, ListFilter, QueryTooSlow
from saga_schemas.record_class import record

LINES: Final = 50
COUNTED: Final = 1_000
_QUERY_CHARS: Final = 2_000
_COLUMNS_ASKED: Final = 50
_CURSOR_CHARS: Final = 256


@record
class Asked:
    """What a page's address asks for."""

    text: str
    query: Query | None
    refused: QueryTrouble | None
    columns: Sequence[str]
    cursor: str | None

    def address(self, path: str = "/sagas", **more: object) -> str:
        """Another page of the same question."""
        return parameters.address(path, query=self.text, columns=as_parameter(self.columns), **more)


async def show(console: Console, request: Request) -> Response:
    """A page of sagas."""
    asked = _asked(request)
    lines, following, count, slow = await _found(console, asked)
    now_us = time.time_ns() // 1000
    views = await console.coordinator.store.saved_views(console.coordinator.settings.tenant)
    here = asked.address()
    return await console.page(
        request,
        "sagas.html",
        section="sagas",
        title="Sagas",
        live="sagas" if asked.cursor is None and asked.refused is None else None,
        status=422 if asked.refused is not None or slow else 200,
        asked=asked,
        acts=BATCH_ACTS.values(),
        columns=as_parameter(asked.columns),
        address=parameters.address,
        slow=slow,
        quick=QUICK,
        views=[(view, address_of(view)) for view in views],
        view=next((view for view in views if address_of(view) == here), None),
        all_columns=offered(asked.columns, lines),
        numbers=NUMBERS,
        phases=PHASES,
        lines=[(line, duration_ms(line, now_us)) for line in lines],
        count=count,
        counted=COUNTED,
        most_lines=MOST_LINES,
        newest=asked.address() if asked.cursor is not None else None,
        older=asked.address(cursor=following) if following is not None else None,
    )


async def as_csv(console: Console, request: Request) -> Response:
    """The list as a file for spreadsheets."""
    asked = _asked_of_a_file(request)
    lines = _Lines(console, asked.query)
    await lines.begin()
    return csv_file(_file_name(), FILE_COLUMNS, lines.pages())


async def as_json(console: Console, request: Request) -> Response:
    """The list as a file for programs."""
    asked = _asked_of_a_file(request)
    lines = _Lines(console, asked.query)
    await lines.begin()
    return json_file(_file_name(), {"query": asked.text}, lines.pages(), lambda: lines.is_cut)


class _Lines:
    """The lines of a file, read page by page. The first is read before the answer begins, so that
    what is wrong is still told as a page."""

    def __init__(self, console: Console, query: Query | None) -> None:
        self._console = console
        self._query = query
        self._first: Sequence[Listed] = ()
        self._cursor: str | None = None
        self.is_cut = False

    async def begin(self) -> None:
        try:
            self._first, self._cursor = await self._page(None)
        except QueryTooSlow:
            raise Problem("query_too_slow") from None

    async def pages(self) -> AsyncIterator[Sequence[dict[str, Any]]]:
        page, written = self._first, 0
        while page:
            now_us = time.time_ns() // 1000
            yield [file_line(line, now_us) for line in page]
            written += len(page)
            self.is_cut = self._cursor is not None and written >= MOST_LINES
            if self._cursor is None or self.is_cut:
                return
            page, self._cursor = await self._page(self._cursor)

    async def _page(self, cursor: str | None) -> tuple[Sequence[Listed], str | None]:
        coordinator = self._console.coordinator
        wanted = ListFilter(tenant=coordinator.settings.tenant, query=self._query, limit=PAGE_LINES, cursor=cursor)
        return await coordinator.store.list_sagas(wanted)


def _asked(request: Request) -> Asked:
    text = request.query_params.get("query", "").strip()[:_QUERY_CHARS]
    query, refused = None, None
    try:
        query = parse(text) if text else None
    except QueryRefused as error:
        refused = trouble(error)
    cursor = request.query_params.get("cursor")
    if cursor is not None and len(cursor) > _CURSOR_CHARS:
        raise _bad_cursor()
    columns = chosen(request.query_params.getlist("columns")[:_COLUMNS_ASKED])
    return Asked(text=text, query=query, refused=refused, columns=columns, cursor=cursor)


def _asked_of_a_file(request: Request) -> Asked:
    asked = _asked(request)
    if asked.refused is not None:
        raise Problem("query_invalid", f"{asked.refused.message}. {asked.refused.hint}")
    return asked


async def _found(console: Console, asked: Asked) -> tuple[Sequence[Listed], str | None, int, str | None]:
    """The lines, the next cursor, the count, and why there are none."""
    if asked.refused is not None:
        return [], None, 0, None
    store, tenant = console.coordinator.store, console.coordinator.settings.tenant
    try:
        lines, following = await store.list_sagas(ListFilter(tenant=tenant, query=asked.query, limit=LINES, cursor=asked.cursor))
        if following is None and asked.cursor is None:
            return lines, None, len(lines), None
        return lines, following, await store.count_sagas(tenant, asked.query, COUNTED), None
    except QueryTooSlow:
        return [], None, 0, CODES["query_too_slow"][1]
    except ValueError:
        raise _bad_cursor() from None


def _bad_cursor() -> Problem:
    return Problem("request_invalid", "The place in the list is none that a page before gave.")


def _file_name() -> str:
    return f"sagas-{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"


ROUTES = [
    PageRoute(path="/sagas", handler=show),
    PageRoute(path="/sagas.csv", handler=as_csv),
    PageRoute(path="/sagas.json", handler=as_json),
]
