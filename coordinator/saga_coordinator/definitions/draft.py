"""A definition as far as it could be read: every part may be missing, so that one mistake hides no
other.

The checks of graph, policies and mappings read this; a `Document` is made from it when no error was
found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from saga_coordinator.definitions.document import Kept
from saga_coordinator.definitions.tree import Entry, Node

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Given(Generic[T]):
    """A value that was written, and where."""

    value: T
    node: Node


@dataclass(slots=True, kw_only=True)
class DraftRetry:
    """`retry:`; what is None was not given, or not as it must be.

    `attempts` given as None is `unlimited`.
    """

    node: Node | None = None
    attempts: Given[int | None] | None = None
    first: Given[int] | None = None
    factor: Given[float] | None = None
    cap: Given[int] | None = None
    jitter: Given[float] | None = None
    never: Given[tuple[str, ...]] | None = None


@dataclass(slots=True, kw_only=True)
class DraftCommand:
    """A command with its mapping and retry: an action, or a compensation."""

    node: Node
    """Where a finding about the whole command points."""
    record: Given[str] | None = None
    mapping: Mapping[str, Entry] = field(default_factory=dict)
    mapping_readable: bool = True
    retry: DraftRetry = field(default_factory=DraftRetry)


@dataclass(slots=True, kw_only=True)
class DraftStep:
    """One step."""

    index: int
    node: Node
    label: str
    """Its name, or `#3` where it has none."""
    name: Given[str] | None = None
    participant: Given[str] | None = None
    action: DraftCommand
    reply: Given[str] | None = None
    after: tuple[Given[str], ...] | None = None
    """None: after the step written before."""
    after_readable: bool = True
    pivot: Node | None = None
    """Where it says `pivot: true`."""
    when: Node | None = None
    compensation_key: Node | None = None
    """Where `compensation:` stands, whatever it says."""
    compensation: DraftCommand | None = None
    """None: none was given, or `none`."""
    limits: dict[str, Given[int]] = field(default_factory=dict)

    @property
    def place(self) -> Node:
        """Where a finding about the step points."""
        return self.name.node if self.name is not None else self.node


@dataclass(slots=True, kw_only=True)
class Draft:
    """One definition."""

    node: Node
    saga: Given[str] | None = None
    version: Given[int] | None = None
    input: Given[str] | None = None
    key: Node | None = None
    show_key: bool = False
    deadline: Given[int] | None = None
    retention: dict[str, Given[Kept]] | None = None
    """What `retention:` says; None: nothing."""
    labels: Mapping[str, Entry] = field(default_factory=dict)
    """What `labels:` says."""
    steps: list[DraftStep] = field(default_factory=list)
