"""The order of steps: what each waits for, circles, and on which side of the pivot each stands
(findings S1xx).

Works by index, not by name, so that a doubled name or an unknown one costs one finding and no more.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from itertools import pairwise
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
    unsure: tuple[bool, ...]
    """The step's own `after` could not be read in full: what is before it is a guess."""
    kinds: tuple[Kind | None, ...]
    """None: the side is not known, and a finding says why."""

    def is_before(self, earlier: int, later: int) -> bool:
        """Whether `later` waits for `earlier`, directly or through others."""
        return bool(self.ancestors[later] >> earlier & 1)


def read_graph(draft: Draft, report: Report) -> Graph:
    """Resolve names, then find circles and sides."""
    steps = draft.steps
    by_name = _names(steps, report)
    unsure = [not step.after_readable for step in steps]
    guesses: list[tuple[int, int]] = []
    after = tuple(_after(step, by_name, unsure, guesses, report) for step in steps)
    groups = _components(after)
    ancestors = _ancestors(after, groups)
    circles = sorted(group for group in groups if ancestors[group[0]] >> group[0] & 1)
    for circle in circles:
        _circle_finding(circle, steps, after, report)
    guessed = _with_guesses(after, guesses)
    ancestors = _ancestors(guessed, _components(guessed))
    doubled = [step.index for step in steps if step.name is not None and by_name[step.name.value] != step.index]
    shaky = {index for circle in circles for index in circle} | {index for index, one in enumerate(unsure) if one} | set(doubled)
    doubtful = sum(1 << index for index in shaky)
    pivots = _pivots(steps, report)
    kinds = tuple(
        _kind(step, pivots, ancestors, bool((ancestors[step.index] | 1 << step.index) & doubtful), report) for step in steps
    )
    return Graph(by_name=by_name, after=after, ancestors=ancestors, unsure=tuple(unsure), kinds=kinds)


def _with_guesses(after: tuple[tuple[int, ...], ...], guesses: list[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """The edges that unknown names probably meant, so that one misspelling does not cut a branch
    off and cost more findings.
    """
    guessed = [list(befores) for befores in after]
    for index, before in guesses:
        guessed[index].append(before)
    return tuple(tuple(befores) for befores in guessed)


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
    step: DraftStep, by_name: dict[str, int], unsure: list[bool], guesses: list[tuple[int, int]], report: Report
) -> tuple[int, ...]:
    if step.after is None:
        return (step.index - 1,) if step.index and step.after_readable else ()
    found: list[int] = []
    for given in step.after:
        index = by_name.get(given.value)
        if index is None:
            unsure[step.index] = True
            close = difflib.get_close_matches(given.value, [name for name in by_name if by_name[name] != step.index], n=1)
            if close:
                guesses.append((step.index, by_name[close[0]]))
            cure = f"did you mean {close[0]}?" if close else f"steps are {_some_names(by_name)}"
            report.add("S102", given.node, f"after names {shown(given.value)}, which is no step; {cure}", step=step.label)
        elif index in found:
            report.add("S113", given.node, f"after names {given.value} twice; once is enough", step=step.label)
        else:
            found.append(index)
    if not found and unsure[step.index] and step.index:
        guesses.append((step.index, step.index - 1))
    return tuple(found)


def _some_names(by_name: dict[str, int]) -> str:
    names = list(by_name)
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def _components(after: tuple[tuple[int, ...], ...]) -> list[list[int]]:
    """Steps that wait for each other, each group after those it waits for (Tarjan's algorithm,
    without recursion).
    """
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
    """One finding a circle, at an `after` that closes it: one that names a step written later, or
    the step itself.
    """
    members = set(circle)
    walk = [circle[0]]
    while walk[-1] not in walk[:-1]:
        walk.append(next(before for before in after[walk[-1]] if before in members))
    loop = walk[walk.index(walk[-1]) :]
    closing, named = min((index, before) for index, before in pairwise(loop) if before >= index)
    turned = loop.index(closing)
    names = [steps[index].label for index in (*loop[turned:-1], *loop[:turned], closing)]
    text = " after ".join(names if len(names) <= 8 else [*names[:7], "…"])
    place = _after_place(steps[closing], steps[named].label)
    report.add("S103", place, f"waits for itself: {text}; remove one `after` of the circle", step=steps[closing].label)


def _after_place(step: DraftStep, name: str) -> Node:
    return next((given.node for given in step.after or () if given.value == name), step.place)


def _pivots(steps: list[DraftStep], report: Report) -> list[int]:
    """Every one but the first is a finding."""
    pivots = [step for step in steps if step.pivot is not None]
    for extra in pivots[1:]:
        message = f"a second pivot beside {pivots[0].label}; a saga has one point of no return, keep one"
        report.add("S107", extra.pivot, message, step=extra.label)
    return [step.index for step in pivots]


def _kind(step: DraftStep, pivots: list[int], ancestors: tuple[int, ...], loose: bool, report: Report) -> Kind | None:
    """Between two pivots, and of a second one, the kind is not known."""
    if not pivots:
        return "compensatable"
    if step.pivot is not None:
        return "pivot" if step.index == pivots[0] else None
    before = any(ancestors[pivot] >> step.index & 1 for pivot in pivots)
    behind = any(ancestors[step.index] >> pivot & 1 for pivot in pivots)
    if before != behind:
        return "compensatable" if before else "retriable"
    if not before and not loose:
        message = "neither before nor after the pivot; name it in an `after` of a step before the pivot, or put it after"
        report.add("S106", step.place, message, step=step.label)
    return None
