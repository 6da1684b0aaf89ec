"""Reading the keys of one map of a definition.

Each wrong kind, range, name or duration is a finding and reads as absent.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Final

from saga_coordinator.definitions.document import (
    MAX_DURATION_MS,
    MAX_KEPT_MS,
    MAX_RECORD_NAME,
    NAME_PATTERN,
    RECORD_PATTERN,
    Kept,
)
from saga_coordinator.definitions.draft import Given
from saga_coordinator.definitions.finding import Report, shown
from saga_coordinator.definitions.tree import Entry, Node

RESERVED: Final = frozenset({"for_each", "wait_for", "sleep", "child", "optional", "join", "lock", "labels"})
"""Keys that later versions will use."""
NEVER: Final = "never"
"""What is kept for ever is never removed."""
_NAME: Final = re.compile(NAME_PATTERN)
_RECORD: Final = re.compile(RECORD_PATTERN)
_DURATION: Final = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Fields:
    """The keys of one map."""

    def __init__(self, report: Report, node: Node, known: tuple[str, ...], where: str, step: str | None = None) -> None:
        self.node = node
        self._report = report
        self._where = where
        self._step = step
        self._entries: dict[str, Entry] = dict(node.value) if isinstance(node.value, Mapping) else {}
        if not isinstance(node.value, Mapping):
            self.wrong(node, f"{where} must be a map with the keys {', '.join(known)}; this is {node.kind}")
        self._unknown(known)

    def _unknown(self, known: tuple[str, ...]) -> None:
        """Each a finding; a misspelt key is then read as the one that was meant."""
        for name, entry in list(self._entries.items()):
            if name in known:
                continue
            close = difflib.get_close_matches(name[:64], known, n=1)
            if name in RESERVED:
                cure = "it is reserved for a later version"
            elif close:
                cure = f"did you mean {close[0]}?"
                self._entries.setdefault(close[0], entry)
            else:
                cure = f"known are {', '.join(known)}"
            self.add("S006", entry.key, f"{self._where} has no key `{shown(name)}`; {cure}")

    def add(self, code: str, node: Node, message: str) -> None:
        """A finding in this map."""
        self._report.add(code, node, message, step=self._step)

    def wrong(self, node: Node, message: str) -> None:
        """A value of the wrong kind."""
        self.add("S008", node, message)

    def missing(self, name: str, example: str) -> None:
        """A key that must be there is not."""
        self.add("S007", self.node, f"{self._where} needs `{name}:`, for example {example}")

    def has(self, name: str) -> bool:
        return name in self._entries

    def entry(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def get(self, name: str) -> Node | None:
        entry = self._entries.get(name)
        return None if entry is None else entry.node

    def need(self, name: str, example: str) -> Node | None:
        """The value of a key that must be there."""
        node = self.get(name)
        if node is None and isinstance(self.node.value, Mapping):
            self.missing(name, example)
        return node

    def name(self, key: str, example: str) -> Given[str] | None:
        """A required name of a saga, step or participant."""
        node = self.need(key, example)
        return None if node is None else self.as_name(key, node)

    def as_name(self, key: str, node: Node) -> Given[str] | None:
        if not isinstance(node.value, str):
            self.wrong(node, f"{key} must be a name, this is {node.kind}; if it is meant as text put it in quotes")
        elif not _NAME.fullmatch(node.value):
            text = f"`{shown(node.value)}` is not a name: lower-case letters, digits and dashes, a letter first, at most 63"
            self.add("S010", node, text)
        else:
            return Given(node.value, node)
        return None

    def record(self, key: str, node: Node | None) -> Given[str] | None:
        """The full name of an Avro record."""
        if node is None:
            return None
        if not isinstance(node.value, str) or not _RECORD.fullmatch(node.value) or len(node.value) > MAX_RECORD_NAME:
            self.wrong(node, f"{key} must be the full name of an Avro record, for example shop.PlaceOrder")
            return None
        return Given(node.value, node)

    def whole(self, key: str, low: int, high: int) -> Given[int] | None:
        node = self.get(key)
        if node is None:
            return None
        if not isinstance(node.value, int) or isinstance(node.value, bool):
            self.wrong(node, f"{key} must be a whole number, this is {node.kind}")
        elif not low <= node.value <= high:
            self.add("S011", node, f"{key} must be from {low} to {high}")
        else:
            return Given(node.value, node)
        return None

    def number(self, key: str, low: float, high: float) -> Given[float] | None:
        node = self.get(key)
        if node is None:
            return None
        if not isinstance(node.value, (int, float)) or isinstance(node.value, bool):
            self.wrong(node, f"{key} must be a number, this is {node.kind}")
        elif not low <= node.value <= high:
            self.add("S011", node, f"{key} must be from {low:g} to {high:g}")
        else:
            return Given(float(node.value), node)
        return None

    def boolean(self, key: str) -> Given[bool] | None:
        node = self.get(key)
        if node is None:
            return None
        if not isinstance(node.value, bool):
            self.wrong(node, f"{key} must be true or false, this is {node.kind}")
            return None
        return Given(node.value, node)

    def kept(self, key: str) -> Given[Kept] | None:
        """For how long something is kept: in milliseconds, or `never` removed."""
        node = self.get(key)
        if node is not None and node.value == NEVER:
            return Given("never", node)
        given = self.duration(key, MAX_KEPT_MS)
        return None if given is None else Given(given.value, given.node)

    def duration(self, key: str, most_ms: int = MAX_DURATION_MS) -> Given[int] | None:
        """In milliseconds."""
        node = self.get(key)
        if node is None:
            return None
        milliseconds = parsed_duration(node.value) if isinstance(node.value, str) else None
        if milliseconds is None:
            said = shown(node.value) if not isinstance(node.value, (tuple, Mapping)) else node.kind
            self.add(
                "S009", node, f"{key}: `{said}` is not a duration; write a whole number with a unit: 200ms, 30s, 10m, 2h, 1d"
            )
            return None
        if not 1 <= milliseconds <= most_ms:
            self.add("S011", node, f"{key} must be from 1ms to {most_ms // _UNIT_MS['d']}d")
            return None
        return Given(milliseconds, node)


def parsed_duration(text: str) -> int | None:
    """A duration as text, in milliseconds; None where it is none."""
    match = _DURATION.fullmatch(text)
    return None if match is None else int(match[1]) * _UNIT_MS[match[2]]


def duration_text(milliseconds: int) -> str:
    """The shortest spelling of a duration."""
    for unit in ("d", "h", "m", "s"):
        if milliseconds % _UNIT_MS[unit] == 0:
            return f"{milliseconds // _UNIT_MS[unit]}{unit}"
    return f"{milliseconds}ms"
