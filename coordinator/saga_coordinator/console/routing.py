"""How a page says where it stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.console.console import Console
from saga_schemas.record_class import record

Handler = Callable[[Console, Request], Awaitable[Response]]
READS: Final = ("GET",)
ACTS: Final = ("POST",)


@record
class PageRoute:
    """One page or act. `path` begins below `/console`, as `/sagas/{id}`."""

    path: str
    handler: Handler
    methods: Sequence[str] = READS
