"""When things were under way, as a bar of one line: every line of a drawing has the same cells, so they stand below each other."""

from __future__ import annotations

from collections.abc import Sequence

BUSY, IDLE = "▇", "▁"

Interval = tuple[float, float]
"""From and to, in seconds since the drawing's beginning."""


def bars(busy: Sequence[Interval], length_s: float, cells: int, mark: str = BUSY) -> str:
    """`cells` cells over `length_s` seconds; a cell stands where something was under way at its middle, and anything shows once."""
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
