"""Large graphs in little room: steps that stand alike become one box.

Columns are taken together until there are few. In each, the steps that ask to be seen keep a box of
their own, as long as there are few; of the others each state becomes one box that says how many
they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from saga_coordinator.console.drawing.layers import Edge, columns
from saga_schemas.record_class import record

SINGLE_MOST: Final = 40
"""A graph of so many steps is drawn step by step."""
_COLUMNS: Final = 10
_SEEN_MOST: Final = 4
"""So many steps of a column keep a box of their own."""


@record
class Bunch:
    """A box: one step, or several that stand alike."""

    key: str
    column: int
    steps: tuple[str, ...]


@record
class Bunches:
    """A graph as it is drawn."""

    boxes: tuple[Bunch, ...]
    edges: tuple[Edge, ...]
    """Between boxes, by their keys; each to a later column."""


def bunches(direct: Mapping[str, Sequence[str]], state: Mapping[str, str], seen: frozenset[str]) -> Bunches:
    """The boxes of a graph.

    Args:
        direct: Of each step those it waits for directly, in an order in which they stand before it.
        state: Of each step the word by which steps are alike.
        seen: The steps that ask to be seen.
    """
    column = columns(list(direct), direct)
    if len(direct) > SINGLE_MOST:
        each = -(-(max(column.values()) + 1) // _COLUMNS)
        column = {name: number // each for name, number in column.items()}
        of = _keys(column, state, seen)
    else:
        of = {name: name for name in direct}
    members: dict[str, list[str]] = {}
    for name, key in of.items():
        members.setdefault(key, []).append(name)
    boxes = tuple(Bunch(key=key, column=column[names[0]], steps=tuple(names)) for key, names in members.items())
    place = {box.key: box.column for box in boxes}
    edges = dict.fromkeys((of[before], of[name]) for name, befores in direct.items() for before in befores)
    return Bunches(boxes=boxes, edges=tuple((a, b) for a, b in edges if place[a] < place[b]))


def _keys(column: Mapping[str, int], state: Mapping[str, str], seen: frozenset[str]) -> dict[str, str]:
    """Of each step the key of its box."""
    single: dict[int, int] = {}
    found: dict[str, str] = {}
    for name, number in column.items():
        if name in seen and single.get(number, 0) < _SEEN_MOST:
            single[number] = single.get(number, 0) + 1
            found[name] = name
        else:
            found[name] = f"{number}/{state[name]}"  # no step is called so: names have no slash
    return found
