"""When things were under way, as a bar of one line: every line of a drawing has the same cells, so they stand below each other."""

from __future__ import annotations

from collections.abc import Sequence

BUSY, IDLE = "▇", "▁"

Interval = tuple[float, float]
"""From and to, in seconds since the drawing's beginning."""


def bars(busy: Sequence[Interval], length: float, cells: int, mark: str = BUSY) -> str:
    """`cells` cells over `length` seconds; a cell stands where something was under way at its middle, and anything shows once."""
    if length <= 0:
        return IDLE * cells
    drawn = [IDLE] * cells
    for start, end in busy:
        middle = min(cells - 1, int((start + end) / 2 / length * cells))
        drawn[middle] = mark
        for cell in range(cells):
            if start <= (cell + 0.5) * length / cells <= end:
                drawn[cell] = mark
    return "".join(drawn)
