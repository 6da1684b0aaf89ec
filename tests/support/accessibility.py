"""What axe finds wrong with a page.

axe-core 4.14.1 is Deque's, under the Mozilla Public License 2.0 (`axe/LICENSE`), and stands here as
it was published.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from playwright.sync_api import Page

_AXE: Final = Path(__file__).with_name("axe") / "axe-4.14.1.min.js"
_RUN: Final = """
async (more) => (await axe.run(document, {resultTypes: ['violations'], iframes: false, ...more})).violations
"""
_RULES: Final[dict[str, dict[str, object]]] = {
    "all": {},
    "contrast": {"runOnly": ["color-contrast"]},
    "layout": {"rules": {"color-contrast": {"enabled": False}}},
}


def violations(page: Page, rules: Literal["all", "contrast", "layout"] = "all") -> list[str]:
    """Each rule that the page breaks, with the elements that do, as `color-contrast: .meta, …`.

    `rules`: all; those of colours, where nothing else has changed; all others, where colours have
    not.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_script())  # by the debugger, which no content security policy binds
    found: list[dict[str, Any]] = page.evaluate(_RUN, _RULES[rules])
    return [f"{rule['id']}: {', '.join(_target(node) for node in rule['nodes'])} ({rule['help']})" for rule in found]


@cache
def _script() -> str:
    return _AXE.read_text(encoding="utf-8")


def _target(node: dict[str, Any]) -> str:
    return " ".join(str(part) for part in node["target"])
