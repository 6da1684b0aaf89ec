"""The parts of a drawing: elements whose texts and attributes are escaped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup, escape

from saga_coordinator.console.rendering import visible

_NO_CHARACTERS: Final = {0xFFFE: "�", 0xFFFF: "�"}
"""XML has no way to say these."""


def text(value: object) -> Markup:
    """A text as XML can hold it, without characters that hide or turn others."""
    return escape(visible(str(value)).translate(_NO_CHARACTERS))


def element(name: str, attributes: dict[str, object], *inside: Markup) -> Markup:
    """An element. An attribute of None is left out; an underscore in a name stands for a dash."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"' for key, value in attributes.items() if value is not None
    )
    content = joined(inside)
    return Markup(f"<{name}{said}>{content}</{name}>" if content else f"<{name}{said}/>")


def joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def path(line: str, look: str) -> Markup:
    """A line with the classes of its look."""
    return element("path", {"class": look, "d": line})


def words(x: float, y: float, said: object, look: str = "", anchor: str | None = None) -> Markup:
    """A text at a place; `y` is its baseline."""
    return element("text", {"x": x, "y": y, "class": look or None, "text_anchor": anchor}, text(said))


def shape(name: str, x: float, y: float, tone: str) -> Markup:
    """One of the symbols of `parts.html`, 12 by 12."""
    return element("use", {"href": f"#s-{name}", "x": x, "y": y, "width": 12, "height": 12, "class": tone})


def cut(said: str, most: int) -> str:
    """The text, or its beginning with a mark that there is more."""
    return said if len(said) <= most else said[: max(most - 1, 1)].rstrip() + "…"


def rounded(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _attribute(value: object) -> Markup:
    return text(rounded(value) if isinstance(value, float) else value)
