"""The steps of a saga as a graph of two lanes: the way forward above, and below it, from right to
left, how it is undone. Pure.

Each box leads to what it stands for. A box is dashed where nothing has happened yet; a state has a
shape besides its colour. What a drawing cannot hold stands in the list of steps beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from markupsafe import Markup

from saga_coordinator.console.drawing import svg
from saga_coordinator.console.drawing.grouping import Bunch, Bunches, bunches
from saga_coordinator.console.drawing.layers import Edge, Placing, needed, ordered, place
from saga_coordinator.console.formatting import Look
from saga_schemas.record_class import record

_WIDE: Final = 906
"""The room that a page has for it."""
_NARROW_BOX, _WIDE_BOX = 136, 182
_BOX_HEIGHT: Final = 50.0
_LANE_GAP: Final = 30.0
_EDGE: Final = 3.0
_ASIDE: Final = 14.0
_TURN: Final = "\n"
"""The place in the lower lane where the line from the step that turned back ends; no box is called
so.
"""
_CHAR: Final = 6.7
"""A letter's width, about."""


@record
class Side:
    """One direction of a step, as its box says it."""

    look: Look
    detail: str
    reached: bool
    """Something was asked."""
    alarm: bool = False
    """A person is needed."""


@record
class GraphStep:
    """One step."""

    name: str
    after: tuple[str, ...]
    forward: Side
    undo: Side | None = None
    """None: nothing is to be said of undoing it."""
    pivot: bool = False
    href: str = ""
    undo_href: str = ""
    chosen: bool = False
    """It is the one that the rest of the page is about."""


@record
class Drawing:
    """A graph."""

    markup: Markup
    grouped: bool
    """Steps that stand alike share a box."""


def draw_graph(steps: Sequence[GraphStep], *, turned: str | None, href: str) -> Drawing:
    """Draw the graph.

    Args:
        steps: The steps; order and `after` need not fit together.
        turned: The step at which the saga turned back.
        href: Where a box of several steps leads to.
    """
    known = {step.name: step for step in steps}
    order = ordered(list(known), {name: step.after for name, step in known.items()})
    direct = needed(order, {name: step.after for name, step in known.items()})
    seen = frozenset(name for name, step in known.items() if _is_seen(step) or name == turned)
    forward = bunches(direct, {name: step.forward.look.words for name, step in known.items()}, seen)
    canvas = _Canvas(known, forward, href)
    canvas.forward_lane()
    if any(step.undo is not None for step in steps):
        canvas.undo_lane(direct, turned)
    return Drawing(markup=canvas.drawn(), grouped=len(forward.boxes) < len(known))


def _is_seen(step: GraphStep) -> bool:
    return step.pivot or step.chosen or step.forward.alarm or (step.undo is not None and step.undo.alarm)


class _Canvas:
    """A drawing while it is made."""

    def __init__(self, steps: Mapping[str, GraphStep], forward: Bunches, href: str) -> None:
        self._steps = steps
        self._forward = forward
        self._href = href
        self._count = max((box.column for box in forward.boxes), default=-1) + 1
        self._gap = 46.0 if self._count <= 4 else 36.0
        room = (_WIDE - 2 * _EDGE - (self._count - 1) * self._gap) / max(self._count, 1)
        self._box = float(min(max(int(room), _NARROW_BOX), _WIDE_BOX))
        self._height = 0.0
        self._beside = 0.0
        """Room right of the last column: the line of a step there that turned back."""
        self._lines: list[Markup] = []
        self._boxes: list[Markup] = []

    def forward_lane(self) -> None:
        self._placed = place({box.key: box.column for box in self._forward.boxes}, self._forward.edges, _BOX_HEIGHT)
        column = {box.key: box.column for box in self._forward.boxes}
        reached = {box.key: any(self._steps[name].forward.reached for name in box.steps) for box in self._forward.boxes}
        for edge in self._forward.edges:
            look = "edge" if reached[edge[1]] else "edge dashed"
            self._lines.append(svg.path(self._route(edge, column, self._placed, _EDGE), look))
        for box in self._forward.boxes:
            self._draw(box, self._placed.top[box.key] + _EDGE, lambda step: step.forward, "")
        self._height = _EDGE + self._placed.height

    def undo_lane(self, direct: Mapping[str, Sequence[str]], turned: str | None) -> None:
        """Undoing goes against the arrows: what came later is undone first."""
        of = {name: box for box in self._forward.boxes for name in box.steps}
        undone = {name: step.undo for name, step in self._steps.items() if step.undo is not None}
        grouped = len(self._forward.boxes) < len(self._steps)
        key = {name: f"{of[name].key}\n{side.look.words}" if grouped else name for name, side in undone.items()}
        members: dict[str, list[str]] = {}
        for name, one in key.items():
            members.setdefault(one, []).append(name)
        column = {one: of[names[0]].column for one, names in members.items()}
        found = {(key[before], key[name]) for name, befores in _undo_after(direct, undone).items() for before in befores}
        edges = sorted((a, b) for a, b in found if column[a] < column[b])
        first = [one for one in members if all(a != one for a, _ in edges)]
        turn = None if turned is None else of.get(turned)
        if turn is not None:
            column |= {_TURN: turn.column}
            edges += [(one, _TURN) for one in first if column[one] < turn.column]
        lane = self._height + _LANE_GAP
        placed = place(column, edges, _BOX_HEIGHT)
        for edge in edges:
            self._lines.append(svg.path(self._route(edge, column, placed, lane, back=True), "line-back"))
        for one, names in members.items():
            bunch = Bunch(key=one, column=column[one], steps=tuple(names))
            self._draw(bunch, placed.top[one] + lane, _undo_side, "undo ")
        if turn is not None:
            below = [placed.top[one] + lane for one in first if column[one] == turn.column]
            self._turn(turn, below, placed.top[_TURN] + lane if edges and edges[-1][1] == _TURN else None)
        self._height = lane + placed.height

    def drawn(self) -> Markup:
        width = self._left(self._count - 1) + self._box + _EDGE + self._beside if self._count else 2 * _EDGE
        height = self._height + _EDGE
        attributes: dict[str, object] = {
            "class": "drawing graph",
            "viewBox": f"0 0 {svg.rounded(width)} {svg.rounded(height)}",
            "width": width,
            "height": height,
            "role": "group",
            "aria_label": "Graph of the steps; the list below it says the same in words",
        }
        return svg.element("svg", attributes, *self._lines, *self._boxes)

    # --- boxes ------------------------------------------------------------------------------------

    def _draw(self, bunch: Bunch, top: float, side_of: Callable[[GraphStep], Side], prefix: str) -> None:
        steps = [self._steps[name] for name in bunch.steps]
        sides = [side_of(step) for step in steps]
        x, first = self._left(bunch.column), steps[0]
        title = f"{prefix}{first.name}" if len(steps) == 1 else f"{len(steps)} steps{' to undo' if prefix else ''}"
        detail = sides[0].detail if len(steps) == 1 else f"{first.name} … {steps[-1].name}"
        alarm, reached = any(side.alarm for side in sides), any(side.reached for side in sides)
        look = "box" + (" hot" if alarm else "") + ("" if reached else " dashed")
        look += " chosen" if any(step.chosen for step in steps) else ""
        # Undoing has its colour wherever it is not worse.
        look += " undo" if prefix and not alarm else ""
        inside = [svg.element("title", {}, svg.text(_told(title, sides, detail, first.pivot and not prefix)))]
        if len(steps) > 1:  # a second edge behind it: there are several
            behind = {"x": x + 4, "y": top + 4, "width": self._box - 4, "height": _BOX_HEIGHT - 4, "rx": 8, "class": look}
            inside.append(svg.element("rect", behind))
        wide = self._box - (4 if len(steps) > 1 else 0)
        high = _BOX_HEIGHT - (4 if len(steps) > 1 else 0)
        inside.append(svg.element("rect", {"x": x, "y": top, "width": wide, "height": high, "rx": 8, "class": look}))
        inside += self._said(x, top, title, detail, sides[0], pivot=first.pivot and not prefix and len(steps) == 1)
        href = self._href if len(steps) > 1 else first.undo_href if prefix else first.href
        self._boxes.append(svg.element("a", {"href": href, "class": "step"}, *inside))

    def _said(self, x: float, top: float, title: str, detail: str, side: Side, *, pivot: bool) -> list[Markup]:
        most = int((self._box - 44 - (16 if pivot else 0)) / _CHAR)
        look = side.look.tone if side.alarm or side.look.tone in ("back", "hot") else "" if side.reached else "soft"
        parts = [svg.shape(side.look.shape, x + 12, top + 12, side.look.tone)]
        if pivot:
            parts.append(svg.shape("commit", x + self._box - 24, top + 12, "soft"))
        parts.append(svg.words(x + 30, top + 22, svg.cut(title, most), f"name {look}".rstrip()))
        parts.append(svg.words(x + 12, top + 39, svg.cut(detail, int((self._box - 20) / 5.9)), "small"))
        return parts

    # --- lines ------------------------------------------------------------------------------------

    def _left(self, column: int) -> float:
        return _EDGE + column * (self._box + self._gap)

    def _route(self, edge: Edge, column: Mapping[str, int], placed: Placing, lane: float, *, back: bool = False) -> str:
        """From the right of the earlier box to the left of the later one, or the other way."""
        earlier, later = edge
        half = _BOX_HEIGHT / 2
        x = self._left(column[earlier]) + self._box
        y = placed.top[earlier] + half + lane
        parts, first = [f"M{svg.rounded(x)} {svg.rounded(y)}"], (x, y)
        for number, height in placed.passing.get(edge, ()):
            parts.append(_bend(x, y, self._left(number), height + lane))
            x, y = self._left(number) + self._box, height + lane
            parts.append(f"H{svg.rounded(x)}")
        end_x, end_y = self._left(column[later]), placed.top[later] + half + lane
        parts.append(_bend(x, y, end_x, end_y))
        parts.append(_head(first[0], first[1], 1) if back else _head(end_x, end_y, -1))
        return "".join(parts)

    def _turn(self, turn: Bunch, below: Sequence[float], left: float | None) -> None:
        """From the step that turned the saga back down into the lower lane.

        It goes down beside the boxes of its column, since others may stand below it.

        Args:
            turn: The box of the step.
            below: The tops of the boxes of its column that it leads to.
            left: Where it goes on to columns on the left, if any.
        """
        x, half = self._left(turn.column) + self._box, _BOX_HEIGHT / 2
        y = self._placed.top[turn.key] + _EDGE + half + 12
        begin = f"M{svg.rounded(x)} {svg.rounded(y)}H{svg.rounded(x + _ASIDE)}V"
        lines = [f"{begin}{svg.rounded(top + half)}H{svg.rounded(x)}{_head(x, top + half, 1)}" for top in below]
        if left is not None:
            lines.append(f"{begin}{svg.rounded(left + half)}H{svg.rounded(self._left(turn.column))}")
        self._lines += [svg.path(line, "line-back") for line in lines]
        self._beside = _ASIDE if lines and turn.column == self._count - 1 else 0.0


def _undo_side(step: GraphStep) -> Side:
    assert step.undo is not None, "only such steps are in the lower lane"
    return step.undo


def _undo_after(direct: Mapping[str, Sequence[str]], undone: Collection[str]) -> dict[str, list[str]]:
    """Of each step that is undone: the earlier ones whose undo waits for its own. Steps without an
    undo are passed over.
    """
    nearest: dict[str, set[str]] = {}
    for name, befores in direct.items():
        nearest[name] = set().union(*({one} if one in undone else nearest[one] for one in befores))
    order = [name for name in direct if name in undone]
    return needed(order, {name: sorted(nearest[name]) for name in order})


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    if abs(to_y - y) < 0.5:
        return f"H{svg.rounded(to_x)}"
    middle = (x + to_x) / 2
    numbers = (middle, y, middle, to_y, to_x, to_y)
    return "C" + " ".join(map(svg.rounded, numbers))


def _head(x: float, y: float, way: int) -> str:
    """An arrow's head at its tip. `way`: -1 points to the right, 1 to the left."""
    wing = svg.rounded(x + way * 6)
    return f"M{wing} {svg.rounded(y - 4)}L{svg.rounded(x)} {svg.rounded(y)}L{wing} {svg.rounded(y + 4)}"


def _told(title: str, sides: Sequence[Side], detail: str, pivot: bool) -> str:
    mark = "; the point of no return" if pivot and len(sides) == 1 else ""
    return f"{title}: {sides[0].look.words} ({detail}){mark}" if detail else f"{title}: {sides[0].look.words}{mark}"
