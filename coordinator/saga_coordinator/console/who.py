"""Who acts: what the person typed, kept in a cookie, until there is a login."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from starlette.requests import Request

ACTOR_COOKIE: Final = "saga_actor"
CSRF_COOKIE: Final = "saga_csrf"
YEAR_S: Final = 365 * 24 * 3600
_MOST_CHARS: Final = 200
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32}")


def remembered_actor(request: Request) -> str:
    """The name that this browser gave last; empty when it gave none."""
    name = unquote(request.cookies.get(ACTOR_COOKIE, ""), errors="replace")
    return name if len(name) <= _MOST_CHARS and name.isprintable() else ""


def remembered_token(request: Request) -> str | None:
    """The token that forms of this browser must bring along, so that no page of another site can
    send one."""
    token = request.cookies.get(CSRF_COOKIE, "")
    return token if _TOKEN.fullmatch(token) else None
