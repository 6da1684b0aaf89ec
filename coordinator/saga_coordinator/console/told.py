"""The sentence that an act leaves for the next page, in a cookie."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from saga_schemas.record_class import record

_MOST_CHARS: Final = 600


@record
class Told:
    """What became of an act."""

    text: str
    good: bool


def write_told(told: Told) -> str:
    """As the cookie's value: printable ASCII, bounded."""
    text = told.text if len(told.text) <= _MOST_CHARS else told.text[: _MOST_CHARS - 1] + "…"
    return ("+" if told.good else "-") + quote(text, safe=" ").replace(" ", "+")


def read_told(value: str | None) -> Told | None:
    """The sentence; None where there is none."""
    if not value or value[0] not in "+-" or len(value) > 9 * _MOST_CHARS:
        return None
    text = unquote(value[1:].replace("+", " "), errors="replace")[:_MOST_CHARS]
    return Told(text=text, good=value[0] == "+")
