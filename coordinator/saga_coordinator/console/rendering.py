"""The templates: strict, escaping, and without what a text could hide in a page."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from saga_coordinator.console import formatting
from saga_coordinator.console.assets import Assets

TEMPLATES: Final = Path(__file__).parent / "templates"
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co"})
_KEPT: Final = frozenset("\n\t")


class Templates:
    """All templates, with the functions and filters that they share."""

    def __init__(self, root: str) -> None:
        self.assets = Assets(root)
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=_finalized,
        )
        self._environment.globals |= {
            "root": root,
            "asset": lambda name: root + self.assets.address(name),
            "path": path_part,
        }
        self._environment.filters |= {
            "ago": formatting.ago,
            "absolute": formatting.absolute,
            "duration": formatting.duration,
            "number": formatting.number,
            "rate": formatting.rate,
            "share": formatting.share,
        }

    def render(self, template: str, /, **context: Any) -> str:
        """The page. A name that is missing in the context is an error, not an empty place."""
        return self._environment.get_template(template).render(**context)


def path_part(text: object) -> str:
    """A text as one part of a path."""
    return quote(str(text), safe="")


def visible(text: str) -> str:
    """A text with a mark in the place of each character that would hide or turn others."""
    if text.isprintable():
        return text
    return "".join(char if char in _KEPT or unicodedata.category(char) not in _HIDDEN else "�" for char in text)


def _finalized(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value
