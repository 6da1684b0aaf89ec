"""Where an exception was raised, for a log line: places and never its text, which may quote a payload."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

_KIT: Final = Path(__file__).parents[1]
_FRAMES: Final = 6


def where(error: BaseException) -> str:
    """Where an exception came from, without its text: `ledger.py:5 write < payment.py:12 charge`, innermost first, and what it came of.

    The kit's own frames are left out where there are others; of very many the outermost and the innermost are shown.
    """
    told = _frames(error)
    if error.__cause__ is not None:
        told += f", from {type(error.__cause__).__name__} at {_frames(error.__cause__)}"
    return told


def _frames(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    shown = [frame for frame in frames if _KIT not in Path(frame.filename).parents] or list(frames)
    if len(shown) > 2 * _FRAMES:
        shown = [*shown[:_FRAMES], *shown[-_FRAMES:]]
    return " < ".join(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in reversed(shown)) or "an unknown place"
