"""A span for each write of a business function, below the kit's `process` span.

Names and attributes follow OpenTelemetry's semantic conventions 1.44 for database clients.
Statements and values are never attributes. No span is made where none is recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from sqlalchemy import CursorResult, Insert, Update
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_demo.settings import ServiceSettings

_SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"
_NOTHING: Final = contextlib.nullcontext()


class Spans:
    """Makes the spans of one service."""

    def __init__(self, settings: ServiceSettings) -> None:
        url = make_url(settings.database_url)
        self._tracer = trace.get_tracer("saga_demo", tracer_provider=settings.tracer_provider, schema_url=_SCHEMA)
        self._database = {"db.system.name": url.get_backend_name()}
        if url.get_backend_name() == "postgresql" and url.database:
            self._database["db.namespace"] = url.database

    async def write(
        self, db: AsyncConnection, statement: Insert | Update, values: Mapping[str, Any] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute the statement inside a span of its own, and return its result."""
        table: Any = statement.table
        with self.around("INSERT" if isinstance(statement, Insert) else "UPDATE", table.name):
            return await db.execute(statement, values)

    def around(self, operation: str, table: str) -> AbstractContextManager[None]:
        """Return a span around the block, which does `operation` to the table."""
        return self._recorded(operation, table) if trace.get_current_span().is_recording() else _NOTHING

    @contextlib.contextmanager
    def _recorded(self, operation: str, table: str) -> Iterator[None]:
        attributes = self._database | {"db.operation.name": operation, "db.collection.name": table}
        with self._tracer.start_as_current_span(
            f"{operation} {table}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,  # its text holds the statement's values
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
                raise
