"""The error of a text that is no query."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class QueryRefused(ValueError):
    """A text is no query; the message says in one line what is wrong, and repeats nothing of it.

    Attributes:
        text: The whole text.
        position: Where in it, in characters from 0. It is the text's length where something is
            missing at the end.
        hint: What to write instead; may be empty.
    """

    def __init__(self, message: str, text: str, position: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.text = text
        self.position = position
        self.hint = hint


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean phase? `, or nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}? " if close else ""
