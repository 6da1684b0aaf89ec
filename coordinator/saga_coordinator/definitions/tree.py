"""A definition as plain data with positions: what the YAML reader makes and the checks read.

Data that did not come from a file (the builder, a stored document) has line 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands; line and column count from 1."""

    value: Scalar | tuple[Node, ...] | Mapping[str, Entry]
    line: int = 0
    column: int = 0

    @property
    def plain(self) -> Any:
        """The value without positions."""
        if isinstance(self.value, Mapping):
            return {name: entry.node.plain for name, entry in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain for node in self.value]
        return self.value

    @property
    def kind(self) -> str:
        """In words, for messages."""
        if isinstance(self.value, Mapping):
            return "a map"
        if isinstance(self.value, tuple):
            return "a list"
        if self.value is None:
            return "nothing"
        return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[type(self.value)]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a map, with its own place, and its value."""

    key: Node
    node: Node


Scalar: TypeAlias = str | int | float | bool | None


def tree_of(value: Any) -> Node:
    """Plain data as a tree without positions. Raises TypeError for anything but JSON's kinds."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return Node(value)
    if isinstance(value, Mapping):
        entries: dict[str, Entry] = {}
        for name, inner in value.items():
            if not isinstance(name, str):
                raise TypeError(f"a key must be text, not {type(name).__name__}")
            entries[name] = Entry(Node(name), tree_of(inner))
        return Node(entries)
    if isinstance(value, (list, tuple)):
        return Node(tuple(tree_of(inner) for inner in value))
    raise TypeError(f"{type(value).__name__} cannot stand in a definition")
