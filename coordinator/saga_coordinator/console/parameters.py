"""What stands behind the `?` of a page's address: read strictly, and written."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request

from saga_coordinator.api.problems import Problem
from saga_schemas.ids import parse_number

MOST_CHARS: Final = 255
_UUID_CHARS: Final = 36


def text(request: Request, name: str, most: int = MOST_CHARS) -> str:
    """A parameter without the space around it; empty when it is absent. Raises Problem."""
    value = request.query_params.get(name, "").strip()
    if len(value) > most or not value.isprintable():
        raise _bad(name, f"at most {most} printable characters")
    return value


def number(request: Request, name: str) -> int | None:
    """A whole number from 0; None when it is absent. Raises Problem."""
    value = request.query_params.get(name, "")
    found = parse_number(value) if value else None
    if value and found is None:
        raise _bad(name, "a whole number")
    return found


def identifier(request: Request, name: str) -> UUID | None:
    """A UUID; None when it is absent. Raises Problem."""
    value = request.query_params.get(name, "")
    found = uuid_of(value)
    if value and found is None:
        raise _bad(name, "an id (a UUID)")
    return found


def uuid_of(value: str) -> UUID | None:
    """The UUID in its one spelling; None for any other text."""
    if len(value) != _UUID_CHARS or not value.isascii():
        return None
    try:
        found = UUID(value)
    except ValueError:
        return None
    return found if str(found) == value.lower() else None


def address(path: str, **parameters: object) -> str:
    """A path with these parameters; those that are None or empty are left out."""
    given = [(name.rstrip("_"), str(value)) for name, value in parameters.items() if value not in (None, "")]
    return f"{path}?{urlencode(given)}" if given else path


def _bad(name: str, expected: str) -> Problem:
    return Problem("request_invalid", f"{name}: expected {expected}.", field=name, expected=expected)
