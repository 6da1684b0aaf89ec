"""YAML text to a tree with positions, and findings for whatever is not plain data.

Reads PyYAML's events, not its objects: no constructor runs, no alias can blow up, nothing recurses.
Scalars follow YAML 1.2's core schema (`no` is text, `1:30` is text). An unquoted `${…}` inside
`{…}` or `[…]` is named and mended in place, so that the rest of the file is still checked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from saga_coordinator.definitions.document import MAX_DEFINITION_BYTES
from saga_coordinator.definitions.finding import Report, shown
from saga_coordinator.definitions.tree import Entry, Node, Scalar

MAX_DEPTH: Final = 32
MAX_NODES: Final = 100_000
MAX_REPAIRS: Final = 100
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REPAIRED: Final = "\ue000"
"""Stands for `${` in a mended expression: same length, so every position stays true."""
_INT: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITY: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONSTANTS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MAX_DIGITS: Final = 40
_QUOTE_IT: Final = 'put the expression in quotes: "${…}"'


def read_yaml(source: str | bytes, report: Report) -> Node | None:
    """The tree of the one document of a file; None when it cannot be read.

    Findings go to the report.
    """
    text = _text_of(source, report)
    if text is None:
        return None
    for _ in range(MAX_REPAIRS):
        attempt = _Tree(report.file)
        try:
            root = attempt.read(text)
        except yaml.MarkedYAMLError as problem:
            mended = _mended(text, problem, report)
            if mended is not None:
                text = mended
                continue
            _syntax_finding(text, problem, report)
            root = None
        except (yaml.YAMLError, ValueError, OverflowError) as problem:
            report.add("S001", Node("", 1, 1), f"not YAML: {shown(_first_line(problem))}")
            root = None
        report.findings.extend(attempt.report.findings)
        return root
    report.add("S002", Node("", 1, 1), f"more than {MAX_REPAIRS} expressions are not quoted; {_QUOTE_IT}")
    return None


def _text_of(source: str | bytes, report: Report) -> str | None:
    size = len(source) if isinstance(source, bytes) else len(source.encode("utf-8", "surrogatepass"))
    if size > MAX_DEFINITION_BYTES:
        report.add("S003", Node("", 1, 1), f"the file has {size} bytes, at most {MAX_DEFINITION_BYTES} are read")
        return None
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source.removeprefix("\ufeff")
        text.encode("utf-8")
    except UnicodeError:
        report.add("S001", Node("", 1, 1), "not UTF-8 text; save the file as UTF-8")
        return None
    return text.removeprefix("\ufeff").replace(_REPAIRED, "\ufffd")


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]


def _mended(text: str, problem: yaml.MarkedYAMLError, report: Report) -> str | None:
    """The text with the first unquoted `${…}` at or before the problem quoted in place, or None if
    there is none.
    """
    mark = problem.problem_mark
    if mark is None:
        return None
    start = _offset(text, mark.line, mark.column)
    # The parser stops at the `{` of `${`, or one token later.
    for opening in (start - 1, text.rfind("${", 0, start + 1)):
        if opening < 0 or text[opening : opening + 2] != "${" or text.count("\n", opening, start) > 0:
            continue
        closing = text.find("}", opening)
        inside = text[opening + 2 : closing]
        if closing < 0 or "\n" in inside or (opening and text[opening - 1] in "\"'$"):
            continue
        quote = '"' if '"' not in inside and "\\" not in inside else "'"
        if quote in inside:
            continue
        line = text.count("\n", 0, opening) + 1
        column = opening - (text.rfind("\n", 0, opening) + 1) + 1
        report.add(
            "S002", Node("", line, column), f"YAML needs quotes around this expression: write {quote}${{{shown(inside)}}}{quote}"
        )
        return f"{text[:opening]}{quote}{_REPAIRED}{inside}{quote}{text[closing + 1 :]}"
    return None


def _offset(text: str, line: int, column: int) -> int:
    """The place in the text of a mark; lines as the parser counts them."""
    at = 0
    for _ in range(line):
        found = text.find("\n", at)
        if found < 0:
            break
        at = found + 1
    return min(at + column, len(text))


_PARSER_TOO_DEEP = "maximum nesting depth"
"""How newer parsers say that they give up by themselves, before we have counted: they look ahead.
"""


def _syntax_finding(text: str, problem: yaml.MarkedYAMLError, report: Report) -> None:
    mark = problem.problem_mark or problem.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    message = " ".join(part for part in (problem.context, problem.problem) if part)
    if _PARSER_TOO_DEEP in message:
        report.add("S003", Node("", line, column), f"nested deeper than {MAX_DEPTH} levels")
    elif "scanning an alias" in message:
        report.add("S001", Node("", line, column), 'not YAML: a value that begins with `*` needs quotes, as in "*/5 * * * *"')
    elif "${" in written and '"${' not in written and "'${" not in written:
        report.add("S002", Node("", line, written.index("${") + 1), f"not YAML as it stands ({shown(message)}); {_QUOTE_IT}")
    else:
        report.add("S001", Node("", line, column), f"not YAML: {shown(message)}")


@dataclass(slots=True)
class _Open:
    """A list or map whose end has not come yet."""

    node_line: int
    node_column: int
    entries: dict[str, Entry] | None
    items: list[Node] = field(default_factory=list)
    key: Node | None = None


class _Tree:
    """Builds the tree from events; too deep or too many is one finding and the end."""

    def __init__(self, file: str) -> None:
        self.report = Report(file)
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._nodes = 0
        self._documents = 0

    def read(self, text: str) -> Node | None:
        for event in self._events(text):
            if not self._take(event):
                return None
        if self._root is None and not self.report.findings:
            self.report.add("S001", Node("", 1, 1), "the file is empty; it starts with `saga: <name>`, or `schedule: <name>`")
        return self._root

    def _events(self, text: str) -> Iterator[Any]:
        yield from yaml.parse(text, _LOADER)

    def _take(self, event: Any) -> bool:
        """Take one event; False ends the reading."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._add("S001", event, "a second document; a file holds one")
                return False
        elif isinstance(event, yaml.NodeEvent):
            self._nodes += 1
            if self._nodes > MAX_NODES:
                self._add("S003", event, f"more than {MAX_NODES} values")
                return False
            self._not_plain(event)
            return self._node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        return True

    def _node(self, event: Any) -> bool:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.ScalarEvent):
            self._place(Node(self._scalar(event), line, column))
        elif isinstance(event, yaml.AliasEvent):
            self._place(Node(None, line, column))
        else:
            if len(self._stack) >= MAX_DEPTH:
                self._add("S003", event, f"nested deeper than {MAX_DEPTH} levels")
                return False
            self._stack.append(_Open(line, column, {} if isinstance(event, yaml.MappingStartEvent) else None))
        return True

    def _not_plain(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._add("S005", event, f"*{shown(event.anchor)} is an alias; write the value out")
        elif event.anchor is not None:
            self._add("S005", event, f"&{shown(event.anchor)} is an anchor; write the value out where it is used")
        if getattr(event, "tag", None) is not None:
            self._add("S005", event, f"the tag {shown(event.tag)} is not read; write plain values")

    def _scalar(self, event: Any) -> Scalar:
        text: str = event.value
        if _REPAIRED in text:
            return text.replace(_REPAIRED, "${") + "}"
        if event.style not in (None, "") or event.tag is not None:
            return text
        value = _plain_scalar(text)
        if isinstance(value, float) and not math.isfinite(value):
            self._add("S011", event, "a number must be finite")
            return 0.0
        if isinstance(value, int) and len(text) > _MAX_DIGITS:
            self._add("S011", event, "a number with too many digits")
            return 0
        return value

    def _place(self, node: Node) -> None:
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        if top.entries is None:
            top.items.append(node)
        elif top.key is None:
            top.key = node
        else:
            self._enter(top.entries, top.key, node)
            top.key = None

    def _enter(self, entries: dict[str, Entry], key: Node, node: Node) -> None:
        if not isinstance(key.value, str):
            self.report.add("S008", key, f"a key must be text, this is {key.kind}; put it in quotes")
        elif key.value in entries:
            first = entries[key.value].key.line
            self.report.add("S004", key, f"`{shown(key.value)}` is written twice, first in line {first}; keep one")
        else:
            entries[key.value] = Entry(key, node)

    def _close(self) -> None:
        top = self._stack.pop()
        self._place(Node(tuple(top.items) if top.entries is None else top.entries, top.node_line, top.node_column))

    def _add(self, code: str, event: Any, message: str) -> None:
        self.report.add(code, Node("", event.start_mark.line + 1, event.start_mark.column + 1), message)


def _plain_scalar(text: str) -> Scalar:
    """An unquoted scalar by YAML 1.2's core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text[: _MAX_DIGITS + 1])
    if _OCTAL.fullmatch(text):
        return int(text[: _MAX_DIGITS + 1], 8)
    if _HEX.fullmatch(text):
        return int(text[: _MAX_DIGITS + 1], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return math.inf
    return text
