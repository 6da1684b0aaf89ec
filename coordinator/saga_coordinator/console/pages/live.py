"""Where a live page listens."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from saga_coordinator.console.console import Console
from saga_coordinator.console.live import MOST_LISTENERS
from saga_coordinator.console.routing import PageRoute

_TOPIC_CHARS: Final = 100
_SEEN: Final = re.compile(r"[0-9a-f]{1,40}")


async def listen(console: Console, request: Request) -> Response:
    """A stream of changes of one topic.

    204 tells a browser not to come again: there is no such topic, or too many listen.
    """
    seen = request.headers.get("last-event-id") or request.query_params.get("seen", "")
    live, name = console.live, request.query_params.get("topic", "")
    topic = live.topic(name) if len(name) <= _TOPIC_CHARS else None
    if topic is None or live.listeners >= MOST_LISTENERS:
        return Response(status_code=204)
    return StreamingResponse(
        live.events(name, topic, seen if _SEEN.fullmatch(seen) else ""),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


ROUTES = [PageRoute(path="/live", handler=listen)]
