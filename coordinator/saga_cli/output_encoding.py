"""Output for terminals that cannot encode every character.

Characters of our drawings become ASCII, any other becomes a question mark. A command that has done
its work must not fail while printing.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import Final

_ERRORS: Final = "saga.output_encoding"
_PLAIN: Final = str.maketrans(
    {
        "├": "|",
        "└": "`",
        "│": "|",
        "─": "-",
        "━": "=",
        "╸": "=",
        "╺": "-",
        "▇": "#",
        "▁": ".",
        "…": "...",
        "–": "-",
        "→": "->",
        "≥": ">=",
    }
)


def replace_unencodable() -> None:
    """Keep standard output and standard error from raising UnicodeEncodeError."""
    codecs.register_error(_ERRORS, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a test's or an embedder's may be something else
            stream.reconfigure(errors=_ERRORS)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded; an error handler for `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(char if char.isascii() else "?" for char in characters), error.end
