"""The blocks of code on a page of the docs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BLOCK: Final = re.compile(
    r"^(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What stands between two fences, its language behind the first of them."""

    file: str | None
    """The file that a reader is told to write it to, by `<!-- file: NAME -->` above it."""
    language: str
    text: str
    line: int
    """Of its first line of code on the page, counted from 1."""


def blocks_of(page: str) -> list[Block]:
    """All blocks that name a language, in the page's order."""
    return [
        Block(
            file=found["file"],
            language=found["language"],
            text=found["text"],
            line=page.count("\n", 0, found.start("text")) + 1,
        )
        for found in _BLOCK.finditer(page)
    ]
