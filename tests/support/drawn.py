"""What stands in a drawing, read back from its SVG."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    look: str

    def overlaps(self, other: Box) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def parsed(markup: str) -> ElementTree.Element:
    """The drawing as XML. Raises ParseError where it is not well-formed."""
    return ElementTree.fromstring(str.replace(markup, "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def boxes(root: ElementTree.Element, look: str = "box") -> list[Box]:
    """The rectangles of this class."""
    found = [each for each in root.iter(f"{SVG}rect") if look in each.get("class", "").split()]
    return [_box(each) for each in found]


def _box(each: ElementTree.Element) -> Box:
    x, y, width, height = (float(each.get(name, "nan")) for name in ("x", "y", "width", "height"))
    return Box(x, y, width, height, each.get("class", ""))


def texts(root: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def outside(root: ElementTree.Element) -> list[str]:
    """What does not lie within the drawing: rectangles, symbols, beginnings of texts, points of
    lines."""
    _, _, wide, high = (float(number) for number in root.get("viewBox", "").split())
    found: list[str] = []
    for each in root.iter():
        place = [(float(each.get("x", 0)), float(each.get("y", 0)))] if each.get("x") is not None else []
        if each.tag == f"{SVG}rect":
            x, y = place[0]
            place.append((x + float(each.get("width", 0)), y + float(each.get("height", 0))))
        place += points(each.get("d", ""))
        found += [f"{each.tag} {x} {y}" for x, y in place if not (-0.11 <= x <= wide + 0.11 and -0.11 <= y <= high + 0.11)]
    return found


def points(line: str) -> list[tuple[float, float]]:
    """The points of a path of M, L, H, V and C; a curve lies within the box of its points."""
    found: list[tuple[float, float]] = []
    x = y = 0.0
    for command, said in re.findall(r"([MLHVC])([^MLHVC]*)", line):
        numbers = [float(number) for number in said.split()]
        if command == "H":
            x = numbers[0]
        elif command == "V":
            y = numbers[0]
        else:
            found += list(zip(numbers[:-2:2], numbers[1:-2:2], strict=True))
            x, y = numbers[-2:]
        found.append((x, y))
    return found
