"""A payload as people read it: one line a value, names aligned, cut where it is long. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from markupsafe import Markup, escape

from saga_coordinator.console.rendering import visible
from saga_schemas.masking import MASK
from saga_schemas.record_class import record

LINES_MOST: Final = 40
_CHARS_MOST: Final = 400
"""Of one value."""
_NAME_CHARS: Final = 24
_DEPTH_MOST: Final = 12


@record
class PayloadText:
    """A payload."""

    markup: Markup
    omitted: int
    """Lines that are not shown."""


def payload_text(value: Any) -> PayloadText:
    """The lines of a payload's plain JSON."""
    lines: list[Markup] = []
    omitted = 0
    for line in _lines(value, 0):
        if len(lines) < LINES_MOST:
            lines.append(line)
        else:
            omitted += 1
    return PayloadText(markup=Markup("\n").join(lines), omitted=omitted)


def _lines(value: Any, depth: int) -> Iterator[Markup]:
    if isinstance(value, Mapping) and value and depth < _DEPTH_MOST:
        wide = min(max(len(str(name)) for name in value), _NAME_CHARS)
        for name, inner in value.items():
            yield from _entry(Markup('<span class="key">{}</span>').format(visible(str(name).ljust(wide))), inner, depth)
    elif isinstance(value, list) and value and depth < _DEPTH_MOST:
        for inner in value:
            yield from _entry(Markup('<span class="key">-</span>'), inner, depth)
    else:
        yield Markup("{}{}").format("  " * depth, _scalar(value))


def _entry(name: Markup, inner: Any, depth: int) -> Iterator[Markup]:
    if isinstance(inner, Mapping | list) and inner and depth + 1 < _DEPTH_MOST:
        yield Markup("{}{}").format("  " * depth, name)
        yield from _lines(inner, depth + 1)
    else:
        yield Markup("{}{}  {}").format("  " * depth, name, _scalar(inner))


def _scalar(value: Any) -> Markup:
    if value == MASK:
        return Markup('<span class="hidden" title="its schema hides it">{}</span>').format(MASK)
    said = json.dumps(value, ensure_ascii=False)
    if len(said) > _CHARS_MOST:
        return escape(visible(said[:_CHARS_MOST])) + Markup('<span class="key">… {} characters</span>').format(f"{len(said):,}")
    return escape(visible(said))
