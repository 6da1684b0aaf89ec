"""Bars that show when something was under way.

All lines of a drawing share the same cells, so their bars line up.
"""

from __future__ import annotations

from collections.abc import Sequence

BUSY, IDLE = "▇", "▁"

Interval = tuple[float, float]
"""Start and end, in seconds since the drawing's beginning."""


def bars(busy: Sequence[Interval], length_s: float, cells: int, mark: str = BUSY) -> str:
    """Draw one bar.

    A cell is marked when something was under way at the cell's middle. Every interval marks at
    least one cell.

    Args:
        busy: Intervals within the drawing.
        length_s: Time that the bar covers; 0 gives an empty bar.
        cells: Width of the bar.
        mark: Character of a marked cell.
    """
    if length_s <= 0:
        return IDLE * cells
    drawn = [IDLE] * cells
    for start_s, end_s in busy:
        middle = min(cells - 1, int((start_s + end_s) / 2 / length_s * cells))
        drawn[middle] = mark
        for cell in range(cells):
            if start_s <= (cell + 0.5) * length_s / cells <= end_s:
                drawn[cell] = mark
    return "".join(drawn)
