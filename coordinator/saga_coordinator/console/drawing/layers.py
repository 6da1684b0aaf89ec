"""Where the boxes of a graph stand: in columns from left to right, each after those it waits for.

An arrow that passes columns gets a place of its own in each, so that it crosses no box. The first
box that a box waits for gives its height, so that the main way is a straight line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from saga_schemas.record_class import record

GAP: Final = 18.0
_PASSING: Final = 10.0
"""The height of the place of a passing arrow."""
_MOST_PASSING: Final = 3_000
"""Beyond so many places arrows go straight, whatever they cross."""
_SWEEPS: Final = 4

Edge = tuple[str, str]
"""From a box to one in a later column."""


@record
class Placing:
    """What stands where, in pixels below the top."""

    top: Mapping[str, float]
    passing: Mapping[Edge, tuple[tuple[int, float], ...]]
    """Of an arrow: the columns that it passes, with the height at which it does."""
    height: float


def ordered(names: Sequence[str], after: Mapping[str, Sequence[str]]) -> list[str]:
    """Each name after those it waits for; where they wait for each other, as they were given."""
    known = set(names)
    missing = {name: {one for one in after.get(name, ()) if one in known and one != name} for name in names}
    followers: dict[str, list[str]] = {name: [] for name in names}
    for name, befores in missing.items():
        for before in befores:
            followers[before].append(name)
    ready = [name for name in names if not missing[name]]
    found: list[str] = []
    for name in ready:  # it grows while it is read
        found.append(name)
        for follower in followers[name]:
            missing[follower].discard(name)
            if not missing[follower]:
                ready.append(follower)
    done = set(found)
    return found + [name for name in names if name not in done]


def needed(order: Sequence[str], after: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Of each name those that it waits for directly.

    One that another of them waits for is left out, and so is one that does not stand before it.
    """
    place = {name: number for number, name in enumerate(order)}
    above: list[int] = []
    found: dict[str, list[str]] = {}
    for number, name in enumerate(order):
        befores = sorted({place[one] for one in after.get(name, ()) if place.get(one, number) < number}, reverse=True)
        mask, kept = 0, []
        for before in befores:
            if not mask >> before & 1:
                kept.append(before)
                mask |= above[before] | 1 << before
        above.append(mask)
        found[name] = [order[before] for before in reversed(kept)]
    return found


def columns(order: Sequence[str], direct: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The column of each: one after the last of those that it waits for."""
    found: dict[str, int] = {}
    for name in order:
        found[name] = 1 + max((found[before] for before in direct[name]), default=-1)
    return found


def place(column: Mapping[str, int], edges: Iterable[Edge], height: float) -> Placing:
    """Places boxes of one height in their columns, in the order in which they are given.

    Args:
        column: Of each box.
        edges: Each to a later column.
        height: Of a box.
    """
    lines = [(a, b) for a, b in dict.fromkeys(edges) if column[a] < column[b]]
    passing = {edge: _passed(edge, column) for edge in lines}
    if sum(map(len, passing.values())) > _MOST_PASSING:
        passing = dict.fromkeys(lines, ())
    stacks: list[list[_Slot]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    boxes = {name: _Slot(height=height) for name in column}
    for name, slot in boxes.items():
        stacks[column[name]].append(slot)
    for edge, passed in passing.items():
        _thread(boxes[edge[0]], boxes[edge[1]], passed, stacks)
    _untangle(stacks)
    for stack in stacks:
        _settle(stack)
    bottom = max((slot.top + slot.height for stack in stacks for slot in stack), default=0.0)
    return Placing(
        top={name: slot.top for name, slot in boxes.items()},
        passing={edge: _heights(boxes[edge[0]], boxes[edge[1]], passed) for edge, passed in passing.items()},
        height=bottom,
    )


class _Slot:
    """A place in a column: of a box, or of a passing arrow."""

    __slots__ = ("after", "before", "height", "threads", "top", "weight")

    def __init__(self, *, height: float) -> None:
        self.height = height
        self.top = 0.0
        self.weight = 0.0
        self.before: list[_Slot] = []
        self.after: list[_Slot] = []
        self.threads: dict[int, _Slot] = {}
        """By the box that an arrow goes to: its first place."""


def _passed(edge: Edge, column: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(range(column[edge[0]] + 1, column[edge[1]]))


def _thread(source: _Slot, target: _Slot, passed: Sequence[int], stacks: list[list[_Slot]]) -> None:
    last = source
    for number in passed:
        slot = _Slot(height=_PASSING)
        stacks[number].append(slot)
        if last is source:
            source.threads[id(target)] = slot
        last.after.append(slot)
        slot.before.append(last)
        last = slot
    last.after.append(target)
    target.before.append(last)


def _heights(source: _Slot, target: _Slot, passed: Sequence[int]) -> tuple[tuple[int, float], ...]:
    found, slot = [], source.threads.get(id(target))
    for number in passed:
        assert slot is not None, "an arrow has a place in each column that it passes"
        found.append((number, slot.top + slot.height / 2))
        slot = slot.after[0]
    return tuple(found)


def _untangle(stacks: list[list[_Slot]]) -> None:
    """Sort each column by where its neighbours stand, forth and back some times."""
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        for stack in stacks if forth else reversed(stacks):
            _number(stack)
            for slot in stack:
                near = slot.before if forth else slot.after
                slot.weight = sum(one.top for one in near) / len(near) if near else slot.top
            stack.sort(key=lambda slot: slot.weight)
            _number(stack)


def _number(stack: list[_Slot]) -> None:
    """Until heights are known, its number in the column stands for them."""
    for number, slot in enumerate(stack):
        slot.top = number


def _settle(stack: list[_Slot]) -> None:
    """At the height of the topmost that it waits for, or below what stands above it."""
    free = 0.0
    for slot in stack:
        wanted = min((_middle(one) for one in slot.before), default=0.0) - slot.height / 2
        slot.top = max(free, wanted)
        free = slot.top + slot.height + GAP


def _middle(slot: _Slot) -> float:
    return slot.top + slot.height / 2
