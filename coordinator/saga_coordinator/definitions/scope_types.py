"""What a path or a chain of an expression leads to, at one place of a definition: its Avro type, or what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from saga_coordinator.definitions.avro_types import LONG, NULLABLE_STRING, STRING, AvroType, follow, holds_decimal
from saga_coordinator.definitions.chains import Chain
from saga_coordinator.definitions.expressions import ROOTS, SAGA_FIELDS, Path
from saga_coordinator.definitions.finding import shown


class Wrong(Exception):
    """A path or chain that cannot be read here."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is known of the reply of a step."""

    type: AvroType | None
    """None: not known, or `problem` says why not."""
    problem: str | None
    there: bool
    """The step comes before, so its reply is there; or it cannot be told because of another finding."""
    may_be_skipped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one command or condition may read."""

    input: AvroType | None
    """None where its schema is not known; that was found already."""
    replies: Mapping[str, Reply]
    has_key: bool
    input_only: bool = False

    def path_type(self, path: Path) -> AvroType | None:
        """The type at the end of a path; None where it cannot be known because of another finding. Raises Wrong."""
        if path.root == "saga":
            return self._saga(path.fields[0], path.text)
        start = self.input if path.root == "input" else self._reply(path.step or "", path.text)
        return None if start is None else _followed(start, path.fields, path.text)

    def skippable(self, path: Path) -> bool:
        """Whether the path reads the reply of a step that may not have run."""
        return path.step is not None and path.step in self.replies and self.replies[path.step].may_be_skipped

    def check_chain(self, chain: Chain) -> None:
        """Raises Wrong."""
        end = self._chain_type(chain)
        if end is not None and holds_decimal(end):
            message = f"{chain} is a decimal; an expression would make it a float: pass it by a plain path of its own"
            raise Wrong("S210", message)

    def _chain_type(self, chain: Chain) -> AvroType | None:
        if chain.bound:
            return self._bound_type(chain)
        if chain.root not in ROOTS:
            raise Wrong("S204", f"`{shown(chain.root)}` is not known here; an expression reads {self._roots()}")
        if chain.root == "input":
            start = self.input
            return None if start is None else _walk(start, chain.path, str(chain))
        if not chain.path or chain.path[0] is None:
            raise Wrong("S205", f"`{chain}` names no {'field' if chain.root == 'saga' else 'step'}")
        if chain.root == "saga":
            return self._saga(chain.path[0], str(chain))
        return self._chain_reply(chain, chain.path[0])

    def _chain_reply(self, chain: Chain, step: str) -> AvroType | None:
        if step not in self.replies and any(name.startswith(f"{step}-") for name in self.replies):
            raise Wrong(
                "S205", f'no step `{shown(step)}`; inside an expression a name with dashes is written steps["{shown(step)}-…"]'
            )
        if len(chain.path) < 2 or chain.path[1] != "reply":
            raise Wrong("S205", f"`{chain}`: of a step only its reply can be read: steps.{shown(step)}.reply")
        start = self._reply(step, str(chain))
        return None if start is None else _walk(start, chain.path[2:], str(chain))

    def _bound_type(self, chain: Chain) -> AvroType | None:
        """The variable of a macro: an item of the list it runs over."""
        try:
            over = None if chain.binding is None else self._chain_type(chain.binding)
        except Wrong:
            return None  # found at the chain itself
        items = [option.items for option in over.options if option.kind == "array" and option.items] if over else []
        return _walk(items[0], chain.path, str(chain)) if items else None

    def _roots(self) -> str:
        return "input" if self.input_only else "input, steps.<name>.reply and saga"

    def _saga(self, name: str, text: str) -> AvroType:
        if self.input_only:
            raise Wrong("S216", f"the key is made before the saga is and can read input only, not `{shown(text)}`")
        if name not in SAGA_FIELDS:
            raise Wrong("S205", f"saga has no `{shown(name)}`{_close(name, SAGA_FIELDS)}")
        if name == "version":
            return LONG
        return NULLABLE_STRING if name == "key" and not self.has_key else STRING

    def _reply(self, step: str, text: str) -> AvroType | None:
        if self.input_only:
            raise Wrong("S216", f"the key is made before the saga is and can read input only, not `{shown(text)}`")
        reply = self.replies.get(step)
        if reply is None:
            raise Wrong("S205", f"`{shown(text)}`: there is no step {shown(step)}{_close(step, self.replies)}")
        if not reply.there:
            raise Wrong("S206", f"`{shown(text)}` is read before {shown(step)} has answered; let this step come `after:` it")
        if reply.problem is not None:
            raise Wrong("S207", reply.problem)
        return reply.type


def _followed(start: AvroType, names: tuple[str, ...], text: str) -> AvroType:
    try:
        return follow(start, names)
    except KeyError as unknown:
        raise _no_field(start, names, str(unknown.args[0]), text) from None


def _no_field(start: AvroType, names: tuple[str, ...], unknown: str, text: str) -> Wrong:
    holder = follow(start, names[: names.index(unknown)])
    known = [name for option in holder.options for name in option.fields]
    if not known:
        return Wrong("S205", f"`{shown(text)}` leads nowhere: {holder} has no fields")
    return Wrong("S205", f"`{shown(text)}` leads nowhere: {holder} has no field {shown(unknown)}{_close(unknown, known)}")


def _walk(start: AvroType, path: tuple[str | None, ...], text: str) -> AvroType | None:
    """As `follow`, and into lists and maps."""
    current = start
    for part in path:
        collections = [option for option in current.options if option.kind in ("map", "array")]
        if collections and part is None:
            assert collections[0].items is not None
            current = collections[0].items
        elif part is None:
            return None
        else:
            current = _followed(current, (part,), text)
    return current


_CUTOFF: Final = 0.6


def _close(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name[:64], names, n=1, cutoff=_CUTOFF)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else ""
