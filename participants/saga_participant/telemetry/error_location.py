"""Where an exception was raised, for a log line.

Its text is left out, since it may quote a payload.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

_KIT: Final = Path(__file__).parents[1]
_FRAMES: Final = 6


def one_line(error: BaseException) -> str:
    """The class of an exception and where it was raised: `KeyError at payment.py:12 charge`."""
    return f"{type(error).__name__} at {error_location(error)}"


def error_location(error: BaseException) -> str:
    """Where an exception was raised: `ledger.py:5 write < payment.py:12 charge`, innermost first.

    The location of its cause follows. The kit's own frames are left out where there are others. Of
    very many frames the outermost and the innermost are shown.
    """
    location = _frames(error)
    if error.__cause__ is not None:
        location += f", from {type(error.__cause__).__name__} at {_frames(error.__cause__)}"
    return location


def _frames(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    shown = [frame for frame in frames if _KIT not in Path(frame.filename).parents] or list(frames)
    if len(shown) > 2 * _FRAMES:
        shown = [*shown[:_FRAMES], *shown[-_FRAMES:]]
    return " < ".join(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in reversed(shown)) or "an unknown place"
