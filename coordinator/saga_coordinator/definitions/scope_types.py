"""What a path or a chain of an expression leads to, at one place of a definition.

Its Avro type, or what is wrong with it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from saga_coordinator.definitions.avro_types import LONG, NULLABLE_STRING, STRING, AvroType, follow
from saga_coordinator.definitions.cel_facts import NOTHING, Facts
from saga_coordinator.definitions.expressions import SAGA_FIELDS, Path
from saga_coordinator.definitions.finding import shown

_OF_SAGAS: Final = frozenset({"input", "steps", "saga"})
_OF_SCHEDULES: Final = frozenset({"schedule"})


class Wrong(Exception):
    """A path or a part of an expression that cannot be.

    `at` is its character, where it is not the whole.
    """

    def __init__(self, code: str, message: str, at: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is known of the reply of a step."""

    type: AvroType | None
    """None: not known, or `problem` says why not."""
    problem: str | None
    there: bool
    """The step comes before, so its reply is there.

    Or it cannot be told because of another finding.
    """
    may_be_skipped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one command or condition may read."""

    input: AvroType | None
    """None where its schema is not known; that was found already."""
    replies: Mapping[str, Reply]
    has_key: bool
    input_only: bool = False
    schedule: AvroType | None = None
    """What a schedule says of its tick, where that is all that may be read."""
    known: Facts = NOTHING
    """What the step's `when` has shown not to be null."""

    def path_type(self, path: Path) -> AvroType | None:
        """The type at the end of a path; None where it cannot be known because of another finding.

        Raises Wrong.
        """
        if path.root not in self.root_names:
            raise Wrong("S204", f"`{shown(path.text)}` is not known here; an expression reads {self.roots}")
        if path.root == "saga":
            return self.saga_type(path.fields[0], path.text)
        if path.step is not None:
            start = self.reply_type(path.step, path.text)
        else:
            start = self.input if path.root == "input" else self.schedule
        root = (path.root,) if path.step is None else ("steps", path.step, "reply")
        sure = {end for end in range(len(path.fields) + 1) if (*root, *path.fields[:end]) in self.known}
        return None if start is None else _followed(start, path.fields, path.text, sure)

    def skippable(self, path: Path) -> bool:
        """Whether the path reads the reply of a step that may not have run."""
        if path.step is None or not self.may_be_skipped(path.step):
            return False
        root = ("steps", path.step, "reply")
        return not any((*root, *path.fields[: end + 1]) in self.known for end in range(len(path.fields)))

    @property
    def roots(self) -> str:
        """What an expression may read here, in words."""
        if self.schedule is not None:
            return ", ".join(f"schedule.{name}" for name in self.schedule.fields)
        return "input" if self.input_only else "input, steps.<name>.reply and saga"

    @property
    def root_names(self) -> frozenset[str]:
        """What an expression may begin with here; no loop may have a variable of such a name."""
        return _OF_SCHEDULES if self.schedule is not None else _OF_SAGAS

    def may_be_skipped(self, step: str) -> bool:
        """Whether a step may not have run, so that its reply is null."""
        return step in self.replies and self.replies[step].may_be_skipped and ("steps", step, "reply") not in self.known

    def check_step(self, step: str) -> None:
        """In an expression `steps.two-part` is a subtraction. Raises Wrong."""
        if step not in self.replies and any(name.startswith(f"{step}-") for name in self.replies):
            raise Wrong(
                "S205", f'no step `{shown(step)}`; inside an expression a name with dashes is written steps["{shown(step)}-…"]'
            )

    def saga_type(self, name: str, text: str) -> AvroType:
        """A field of `saga`. Raises Wrong."""
        if self.input_only:
            raise Wrong("S216", f"key and labels are made before the saga is and can read input only, not `{shown(text)}`")
        if name not in SAGA_FIELDS:
            raise Wrong("S205", f"saga has no `{shown(name)}`{close_to(name, SAGA_FIELDS)}")
        if name == "version":
            return LONG
        return NULLABLE_STRING if name == "key" and not self.has_key else STRING

    def reply_type(self, step: str, text: str) -> AvroType | None:
        """What a step is answered with; None where it cannot be known because of another finding.

        Raises Wrong.
        """
        if self.input_only:
            raise Wrong("S216", f"key and labels are made before the saga is and can read input only, not `{shown(text)}`")
        reply = self.replies.get(step)
        if reply is None:
            raise Wrong("S205", f"`{shown(text)}`: there is no step {shown(step)}{close_to(step, self.replies)}")
        if not reply.there:
            raise Wrong("S206", f"`{shown(text)}` is read before {shown(step)} has answered; let this step come `after:` it")
        if reply.problem is not None:
            raise Wrong("S207", reply.problem)
        return reply.type


def _followed(start: AvroType, names: tuple[str, ...], text: str, sure: set[int]) -> AvroType:
    try:
        return follow(start, names, sure)
    except KeyError as unknown:
        raise _no_field(start, names, str(unknown.args[0]), text) from None


def _no_field(start: AvroType, names: tuple[str, ...], unknown: str, text: str) -> Wrong:
    holder = follow(start, names[: names.index(unknown)])
    known = [name for option in holder.options for name in option.fields]
    if not known:
        return Wrong("S205", f"`{shown(text)}` leads nowhere: {holder} has no fields")
    return Wrong("S205", f"`{shown(text)}` leads nowhere: {holder} has no field {shown(unknown)}{close_to(unknown, known)}")


_CUTOFF: Final = 0.6


def close_to(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or what there is."""
    names = list(known)
    close = difflib.get_close_matches(name[:64], names, n=1, cutoff=_CUTOFF)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else ""
