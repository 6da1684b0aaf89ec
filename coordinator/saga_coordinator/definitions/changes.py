"""What changed between two versions of a definition: in words, and line by line.

Canonical documents are compared, part by part: the definition's head, then each step by its name.
So a step that moved is no change, and a long document costs no more than its parts. Pure.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from saga_coordinator.definitions.document import Document, StepDocument
from saga_coordinator.definitions.fields import duration_text
from saga_schemas.record_class import record

HEAD: Final = ""
"""The name of the part that is no step."""
PART_LINES: Final = 1_000
"""A part of more lines is told in words only."""
_CONTEXT_LINES: Final = 2
_VALUE_CHARS: Final = 200
_MS: Final = "_ms"
_NAMES: Final[Mapping[str, str]] = {
    "input": "its input",
    "key": "its business key",
    "show_key": "whether the key is shown",
    "deadline_ms": "its deadline",
    "participant": "its participant",
    "command": "its command",
    "reply": "its reply",
    "kind": "its kind",
    "when": "its condition",
    "compensation.command": "what undoes it",
    "retry.attempts": "attempts",
    "retry.first_ms": "the first wait before a retry",
    "retry.factor": "how the wait before a retry grows",
    "retry.cap_ms": "the longest wait before a retry",
    "retry.jitter": "the jitter of retries",
    "retry.never": "codes that are not retried",
    "timeout.step_ms": "its time limit",
    "timeout.reask_ms": "the wait before it is asked again",
    "timeout.reask_cap_ms": "the longest wait before it is asked again",
    "timeout.heartbeat_ms": "its heartbeat",
    "timeout.attention_ms": "the silence after which a person is called",
    "timeout.expiry_ms": "how long its command may be accepted",
    "after": "what it waits for",
}
_UNDO: Final = "compensation."
_WITH: Final = "with."
_USERS: Final = ("with", "input")
"""Mappings whose names are the user's."""


@record
class Line:
    """One line of a part's text."""

    mark: str
    """`+` only in the later version, `-` only in the earlier one, a space: in both, `…`: lines
    between are left out."""
    text: str


@record
class PartChange:
    """What changed in the head or in one step."""

    part: str
    """A step's name, or HEAD."""
    mark: str
    """`+` the step is new, `-` it is gone, `~` it changed."""
    words: Sequence[str]
    lines: Sequence[Line]
    """Empty where the part is longer than PART_LINES."""


def changes(before: Document, after: Document) -> list[PartChange]:
    """What the later version does otherwise; empty where nothing but its number differs."""
    earlier = {step.name: step for step in before.steps}
    later = {step.name: step for step in after.steps}
    found = [_changed(HEAD, _head(before), _head(after))]
    for name in dict.fromkeys((*later, *earlier)):
        old, new = earlier.get(name), later.get(name)
        if old is None and new is not None:
            found.append(PartChange(part=name, mark="+", words=[_introduced(new)], lines=_lines({}, _plain(new))))
        elif new is None and old is not None:
            found.append(
                PartChange(part=name, mark="-", words=[f"{old.participant} is not asked any more"], lines=_lines(_plain(old), {}))
            )
        elif old is not None and new is not None:
            found.append(_changed(name, _plain(old), _plain(new)))
    return [part for part in found if part.words]


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> PartChange:
    """The same of two canonical documents of any kind, as one part; no words where nothing
    differs."""
    return _changed(HEAD, before, after)


def _changed(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> PartChange:
    words = list(_words(_flat(before), _flat(after)))
    return PartChange(part=name, mark="~", words=words, lines=_lines(before, after) if words else ())


def _head(document: Document) -> dict[str, Any]:
    """All but the steps, and but the number that always differs."""
    plain = json.loads(document.canonical)
    return {name: value for name, value in plain.items() if name not in ("steps", "version", "format", "saga")}


def _plain(step: StepDocument) -> dict[str, Any]:
    plain: dict[str, Any] = step.model_dump(mode="json", by_alias=True)
    del plain["name"]
    return plain


# --- in words -------------------------------------------------------------------------------------


def _introduced(step: StepDocument) -> str:
    mark = {"pivot": ", the point of no return", "retriable": ", never undone"}.get(step.kind, "")
    after = f" after {', '.join(step.after)}" if step.after else " at once"
    undone = f"; undone by {step.compensation.command}" if step.compensation is not None else "; it has no compensation"
    return f"{step.participant} is asked for {step.command}{after}{mark}{undone}"


def _words(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each field that differs."""
    if ("compensation" in before) != ("compensation" in after):
        # Without one the field is null; with one its parts stand in its place.
        gone, new = before.get(f"{_UNDO}command"), after.get(f"{_UNDO}command")
        yield (
            f"it is now undone by {_value('', new)}"
            if gone is None
            else f"it is no longer undone (before: by {_value('', gone)})"
        )
        before, after = _without(before, "compensation"), _without(after, "compensation")
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        name = _name(path)
        if path == "after":
            yield _order(old or (), new or ())
        elif path not in before or old is None:
            yield f"{name}: now {_value(path, new)}; not set before"
        elif path not in after or new is None:
            yield f"{name}: no longer set (before: {_value(path, old)})"
        else:
            yield f"{name}: {_value(path, new)} (before: {_value(path, old)})"


def _order(old: Sequence[str], new: Sequence[str]) -> str:
    said = [f"now waits for {', '.join(name for name in new if name not in old)}"] if set(new) - set(old) else []
    gone = [name for name in old if name not in new]
    said += [f"no longer waits for {', '.join(gone)}"] if gone else []
    return "; ".join(said) or f"what it waits for stands in another order: {', '.join(new)}"


def _without(fields: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {path: value for path, value in fields.items() if path.partition(".")[0] != part}


def _name(path: str) -> str:
    undo = path.startswith(_UNDO) and path != f"{_UNDO}command"
    inner = path.removeprefix(_UNDO) if undo else path
    if inner.startswith(_WITH):
        name = f"{inner.removeprefix(_WITH)} in its command"
    else:
        name = _NAMES.get(inner, inner.removesuffix(_MS) if _is_ours(inner) else inner)
    return f"{name} of the compensation" if undo else name


def _is_ours(path: str) -> bool:
    """The user has not chosen the name."""
    return not any(part in _USERS for part in path.split(".")[:-1])


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Each leaf by its path. Lists are leaves."""
    found: dict[str, Any] = {}
    for name, each in value.items():
        path = f"{before}{name}"
        if isinstance(each, Mapping):
            found |= _flat(each, f"{path}.")
        else:
            found[path] = each
    return found


def _value(path: str, value: Any) -> str:
    """Short, as people write it."""
    if path.endswith(_MS) and _is_ours(path):
        return _duration(value)
    if path.endswith("attempts") and value is None and _is_ours(path):
        return "without end"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARS else text[:_VALUE_CHARS] + "…"


# --- line by line ---------------------------------------------------------------------------------


def readable(value: Mapping[str, Any], indent: str = "", *, ours: bool = True) -> Iterator[str]:
    """A document's part as indented lines.

    Durations are in their units, where the names are `ours`: those of a mapping are the user's.
    """
    for name, each in value.items():
        if isinstance(each, Mapping) and each:
            yield f"{indent}{name}:"
            yield from readable(each, indent + "  ", ours=ours and name not in _USERS)
        elif ours and name.endswith(_MS):
            yield f"{indent}{name.removesuffix(_MS)}: {_duration(each)}"
        else:
            yield f"{indent}{name}: {each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)}"


def _duration(milliseconds: int | None) -> str:
    return "none" if milliseconds is None else duration_text(milliseconds)


def _lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Line]:
    old, new = list(readable(before)), list(readable(after))
    if max(len(old), len(new)) > PART_LINES:
        return []
    found: list[Line] = []
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT_LINES):
        if found or group[0][1] > 0:
            found.append(Line(mark="…", text=""))
        for tag, first, last, new_first, new_last in group:
            if tag == "equal":
                found += [Line(mark=" ", text=text) for text in old[first:last]]
            else:
                found += [Line(mark="-", text=text) for text in old[first:last]]
                found += [Line(mark="+", text=text) for text in new[new_first:new_last]]
    return found
