"""The order of steps: what each waits for, circles, and on which side of the pivot each stands (S1 findings).

Works by index, not by name, so that a doubled name or an unknown one costs one finding and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from saga_coordinator.definitions.draft import Draft, DraftStep
from saga_coordinator.definitions.finding import Report, shown
from saga_coordinator.definitions.tree import Node

Kind = Literal["compensatable", "pivot", "retriable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """How the steps hang together; sets of indexes as bit masks."""

    by_name: dict[str, int]
    after: tuple[tuple[int, ...], ...]
    ancestors: tuple[int, ...]
    """Bit i of entry k: step i comes before step k."""
    pivot: int | None
    kinds: tuple[Kind | None, ...]
    """None: the side is not known, and a finding says why."""

    def is_before(self, earlier: int, later: int) -> bool:
        """Whether `later` waits for `earlier`, directly or through others."""
        return bool(self.ancestors[later] >> earlier & 1)


def read_graph(draft: Draft, report: Report) -> Graph:
    """Resolve names, then find circles and sides."""
    steps = draft.steps
    by_name = _names(steps, report)
    shaky = [not step.after_readable for step in steps]
    after = tuple(_after(step, steps, by_name, shaky, report) for step in steps)
    groups = _components(after)
    ancestors = _ancestors(after, groups)
    for circle in sorted(group for group in groups if ancestors[group[0]] >> group[0] & 1):
        _circle_finding(circle, steps, after, report)
        for index in circle:
            shaky[index] = True
    pivot = _pivot(steps, report)
    doubtful = sum(1 << index for index, one in enumerate(shaky) if one)
    loose = [bool((ancestors[index] | 1 << index) & doubtful) for index in range(len(steps))]
    kinds = tuple(_kind(step, pivot, ancestors, loose[step.index], report) for step in steps)
    return Graph(by_name=by_name, after=after, ancestors=ancestors, pivot=pivot, kinds=kinds)


def _names(steps: list[DraftStep], report: Report) -> dict[str, int]:
    by_name: dict[str, int] = {}
    for step in steps:
        if step.name is None:
            continue
        first = by_name.setdefault(step.name.value, step.index)
        if first != step.index:
            line = steps[first].place.line
            where = f", first in line {line}" if line else ""
            report.add("S101", step.name.node, f"the name is taken{where}; rename one of the two", step=step.label)
    return by_name


def _after(
    step: DraftStep, steps: list[DraftStep], by_name: dict[str, int], shaky: list[bool], report: Report
) -> tuple[int, ...]:
    if step.after is None:
        return (step.index - 1,) if step.index and step.after_readable else ()
    found: list[int] = []
    for given in step.after:
        index = by_name.get(given.value)
        if index is None:
            shaky[step.index] = True
            message = f"after names {shown(given.value)}, which is no step; steps are {_some_names(by_name)}"
            report.add("S102", given.node, message, step=step.label)
        elif index in found:
            report.add("S113", given.node, f"after names {given.value} twice; once is enough", step=step.label)
        else:
            found.append(index)
    return tuple(found)


def _some_names(by_name: dict[str, int]) -> str:
    names = list(by_name)
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def _components(after: tuple[tuple[int, ...], ...]) -> list[list[int]]:
    """Steps that wait for each other, each group after those it waits for (Tarjan's algorithm, without recursion)."""
    count = len(after)
    number, low, on_path = [0] * count, [0] * count, [False] * count
    path: list[int] = []
    groups: list[list[int]] = []
    next_number = 1
    for start in range(count):
        if number[start]:
            continue
        walk = [(start, 0)]
        while walk:
            index, edge = walk.pop()
            if edge == 0:
                number[index] = low[index] = next_number
                next_number += 1
                path.append(index)
                on_path[index] = True
            elif on_path[after[index][edge - 1]]:
                low[index] = min(low[index], low[after[index][edge - 1]])
            if edge < len(after[index]):
                walk.append((index, edge + 1))
                if not number[after[index][edge]]:
                    walk.append((after[index][edge], 0))
            elif low[index] == number[index]:
                groups.append(_popped(path, on_path, index))
    return groups


def _popped(path: list[int], on_path: list[bool], root: int) -> list[int]:
    group: list[int] = []
    while not group or group[-1] != root:
        group.append(path.pop())
        on_path[group[-1]] = False
    return sorted(group)


def _ancestors(after: tuple[tuple[int, ...], ...], groups: list[list[int]]) -> tuple[int, ...]:
    """Transitive closure; the steps of a circle are their own ancestors."""
    masks = [0] * len(after)
    for group in groups:
        mask = 0
        for index in group:
            for before in after[index]:
                mask |= masks[before] | 1 << before
        for index in group:
            masks[index] = mask
    return tuple(masks)


def _circle_finding(circle: list[int], steps: list[DraftStep], after: tuple[tuple[int, ...], ...], report: Report) -> None:
    """One finding a circle, at the first written `after` that closes it."""
    members = set(circle)
    walk = [circle[0]]
    while walk[-1] not in walk[:-1]:
        walk.append(next(before for before in after[walk[-1]] if before in members))
    loop = walk[walk.index(walk[-1]) :]
    first = min(loop)
    names = [steps[index].label for index in loop]
    place = _after_place(steps[first], {steps[k].label for k in loop})
    text = " after ".join(names if len(names) <= 8 else [*names[:7], "…"])
    report.add("S103", place, f"waits for itself: {text}; remove one `after` of the circle", step=steps[first].label)


def _after_place(step: DraftStep, names: set[str]) -> Node:
    for given in step.after or ():
        if given.value in names:
            return given.node
    return step.place


def _pivot(steps: list[DraftStep], report: Report) -> int | None:
    pivots = [step for step in steps if step.pivot is not None]
    for extra in pivots[1:]:
        message = f"a second pivot beside {pivots[0].label}; a saga has one point of no return, keep one"
        report.add("S107", extra.pivot, message, step=extra.label)
    return pivots[0].index if pivots else None


def _kind(step: DraftStep, pivot: int | None, ancestors: tuple[int, ...], loose: bool, report: Report) -> Kind | None:
    if pivot is None:
        return "compensatable"
    if step.index == pivot:
        return "pivot"
    if step.pivot is not None:
        return None  # a second pivot, already found
    if ancestors[pivot] >> step.index & 1:
        return "compensatable"
    if ancestors[step.index] >> pivot & 1:
        return "retriable"
    if not loose:
        message = "neither before nor after the pivot; name it in an `after` of a step before the pivot, or put it after"
        report.add("S106", step.place, message, step=step.label)
    return None
