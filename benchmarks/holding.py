"""Bars that stand for themselves: a figure, and the most that it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Held:
    """One bar with its figure."""

    what: str
    found: float | None
    """None: it was not measured."""
    at_most: float
    unit: str

    @property
    def met(self) -> bool:
        return self.found is not None and self.found <= self.at_most

    def line(self) -> str:
        found = "not measured" if self.found is None else f"{self.found:.2f} {self.unit}"
        return f"{'met   ' if self.met else 'MISSED'}  {self.what:62} {found:>18}   (bar {self.at_most:g})"

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "found": self.found, "at_most": self.at_most, "unit": self.unit, "met": self.met}


def ratio(what: str, figure: float | None, base: float | None, at_most: float) -> Held:
    """A figure as a multiple of another."""
    return Held(what, figure / base if figure is not None and base else None, at_most, "x")


def report(bars: Sequence[Held]) -> bool:
    """Print each bar; whether all are met."""
    print("\n".join(one.line() for one in bars))
    return all(one.met for one in bars)
