"""The types of a CEL expression, from the schemas up.

What always fails, and what fails where a value is null.

Only what is certain becomes a finding: where a type is not known nothing is said of it. Types flow
through every operator, function and loop (cel_functions.py); a test for null narrows what it guards
(cel_facts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from saga_coordinator.definitions.cel_facts import Facts, facts_of, path_of
from saga_coordinator.definitions.cel_functions import (
    FUNCTIONS,
    INSTEAD,
    METHODS,
    OPERATORS,
    TYPES,
    UNARY,
    Row,
    results,
    takes_null,
)
from saga_coordinator.definitions.cel_members import bound_text, field_type, index_type, text_of
from saga_coordinator.definitions.cel_program import literal_fails
from saga_coordinator.definitions.cel_tree import (
    Call,
    Choice,
    Entries,
    Has,
    Index,
    Listing,
    Literal,
    Logic,
    Loop,
    Name,
    Node,
    Operation,
    Select,
    Unary,
)
from saga_coordinator.definitions.cel_types import (
    BOOL,
    STRING,
    UNKNOWN,
    CelType,
    Kind,
    Null,
    from_avro,
    holds_decimal,
    let_through,
    list_of,
    map_of,
    of,
    union,
)
from saga_coordinator.definitions.finding import shown
from saga_coordinator.definitions.scope_types import Sight, Wrong

_DEFAULTS: Final = {"int": "0", "uint": "0u", "double": "0.0", "string": "''", "bool": "false", "list": "[]"}
_GUARD_CHARS: Final = 80
_KEYS: Final = frozenset({"string", "int", "uint", "bool"})
_CHECKED: Final = frozenset({"timestamp", "duration", "int", "uint", "double"})
"""Functions of a text that has to be of a form."""
Bound = Mapping[str, CelType]
"""The variables of the loops around, with what they run over."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing wrong; `at` counts characters of the expression."""

    code: str
    message: str
    at: int


def check_expression(tree: Node, text: str, sight: Sight) -> tuple[CelType, tuple[Found, ...]]:
    """What an expression gives, and everything wrong with it."""
    check = _Check(sight)
    made = check.type_of(tree, sight.known, {})
    default = next((_DEFAULTS[option.name] for option in made.values if option.name in _DEFAULTS), "…")
    found = {Found(one.code, one.message, one.at): None for one in check.found}
    for null, at in check.nulls:
        code = "S220" if null.step is None else "S217"
        found[Found(code, _null_words(null, text.strip(), default), at)] = None
    return made, tuple(sorted(found, key=lambda one: (one.at, one.code)))


def known_where(tree: Node, sight: Sight) -> Facts:
    """What is not null where a condition has held."""
    return facts_of(tree, True, _Check(sight).never_null(sight.known, {}))


def _null_words(null: Null, text: str, default: str) -> str:
    why = f"{null.of} may be null" if null.step is None else f"{null.of} is null when {null.step} is skipped"
    whole = text if len(text) <= _GUARD_CHARS and "?" not in text and null.of in text and not null.of.startswith("?") else "…"
    return f"{why}: write {null.of} == null ? {default if whole != '…' else '…'} : {whole}"


class _Check:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._silent = 0
        self.found: list[Found] = []
        self.nulls: list[tuple[Null, int]] = []

    # --- one node ---------------------------------------------------------------------------------

    def type_of(self, node: Node, facts: Facts, bound: Bound, *, end: bool = True) -> CelType:
        """What it may give; unknown after a finding.

        `end`: it is no part of a longer chain of names.
        """
        try:
            made = self._type_of(node, facts, bound)
        except Wrong as problem:
            self._add(problem.code, problem.message, node.at if problem.at is None else problem.at)
            return UNKNOWN
        path = path_of(node)
        if path is not None and path in facts:
            made = made.without_null
        if end and path is not None and holds_decimal(made):
            text = text_of(node)
            self._add(
                "S210", f"{text} is a decimal; an expression would make it a float: pass it by a plain path of its own", node.at
            )
            return UNKNOWN
        return made

    def _type_of(self, node: Node, facts: Facts, bound: Bound) -> CelType:
        match node:
            case Literal():
                return CelType((Kind("null", null=Null(of="null")),)) if node.kind == "null" else of(node.kind)
            case Name():
                return self._name(node, bound)
            case Select():
                return self._select(node, facts, bound)
            case Index():
                return self._index(node, facts, bound)
            case Has():
                self.type_of(node.target, facts, bound, end=True)
                return BOOL
            case Call():
                return self._call(node, facts, bound)
            case Loop():
                return self._loop(node, facts, bound)
            case Listing():
                return list_of(union(self.type_of(item, facts, bound) for item in node.items))
            case Entries():
                return self._entries(node, facts, bound)
            case Unary():
                return self._applied(
                    UNARY[node.operator], node.operator, [self.type_of(node.operand, facts, bound)], [node.operand.at]
                )
            case Operation():
                return self._operation(node, facts, bound)
            case Logic():
                return self._logic(node, facts, bound)
            case Choice():
                return self._choice(node, facts, bound)

    def never_null(self, facts: Facts, bound: Bound) -> Callable[[Node], bool]:
        """Tells of an expression whether it can be null, without findings."""

        def tells(node: Node) -> bool:
            self._silent += 1
            made = self.type_of(node, facts, bound)
            self._silent -= 1
            items = [option.items for option in made.options if option.items is not None]
            return not any(one.unknown or one.null is not None for one in (made, *items))

        return tells

    def _facts(self, node: Node, truth: bool, facts: Facts, bound: Bound, *, evaluated: bool = True) -> Facts:
        return facts_of(node, truth, self.never_null(facts, bound), evaluated=evaluated)

    # --- names ------------------------------------------------------------------------------------

    def _name(self, node: Name, bound: Bound) -> CelType:
        if node.name in bound:
            return bound[node.name]
        if node.name == "input" and self._sight.schedule is None:
            return UNKNOWN if self._sight.input is None else from_avro(self._sight.input, "input")
        if node.name == "schedule" and self._sight.schedule is not None:
            return from_avro(self._sight.schedule, "schedule")
        if node.name in self._sight.root_names:
            raise Wrong("S205", f"`{node.name}` names no {'field' if node.name == 'saga' else 'step'}")
        if node.name in TYPES:
            return of("type")
        raise Wrong("S204", f"`{shown(node.name)}` is not known here; an expression reads {self._sight.roots}")

    def _select(self, node: Select, facts: Facts, bound: Bound) -> CelType:
        root = self._of_root(node.operand, node.field, node, bound)
        if root is not None:
            return root
        held = self._without_null(self.type_of(node.operand, facts, bound, end=False), node.at)
        return UNKNOWN if held.unknown else field_type(held, node.field, text_of(node))

    def _index(self, node: Index, facts: Facts, bound: Bound) -> CelType:
        literal = node.key.value if isinstance(node.key, Literal) and node.key.kind == "string" else None
        root = self._of_root(node.operand, literal, node, bound)
        if root is not None:
            return root
        key = self._without_null(self.type_of(node.key, facts, bound), node.at)
        held = self._without_null(self.type_of(node.operand, facts, bound, end=False), node.at)
        return UNKNOWN if held.unknown else index_type(held, key, literal, text_of(node))

    def _of_root(self, operand: Node, name: str | None, node: Node, bound: Bound) -> CelType | None:
        """A member of `saga` or `steps`, or a step's reply; None: of something else."""
        if isinstance(operand, Name) and operand.name in self._sight.root_names & {"saga", "steps"} and operand.name not in bound:
            if name is None:
                raise Wrong("S205", f"`{text_of(node)}` names no {'field' if operand.name == 'saga' else 'step'}")
            if operand.name == "saga":
                return from_avro(self._sight.saga_type(name, text_of(node)), text_of(node))
            self._sight.check_step(name)
            raise Wrong("S205", f"`{text_of(node)}`: of a step only its reply can be read: {text_of(node)}.reply")
        path = path_of(operand)
        if path is None or len(path) != 2 or path[0] != "steps" or "steps" in bound or "steps" not in self._sight.root_names:
            return None
        step = path[1]
        self._sight.check_step(step)
        if name != "reply":
            raise Wrong("S205", f"`{text_of(node)}`: of a step only its reply can be read: {text_of(operand)}.reply")
        reply = self._sight.reply_type(step, text_of(node))
        made = UNKNOWN if reply is None else from_avro(reply, text_of(node))
        if not self._sight.may_be_skipped(step):
            return made
        return union([made, CelType((Kind("null", null=Null(of=text_of(node), step=step)),))])

    # --- what operators and functions take --------------------------------------------------------

    def _applied(
        self, rows: tuple[Row, ...], name: str, given: list[CelType], places: list[int], instead: str | None = None
    ) -> CelType:
        """The result of a function or operator over what it is given.

        `places`: where each of them stands in the text.
        """
        types = [
            one if takes_null(rows, index) else self._without_null(one, at)
            for index, (one, at) in enumerate(zip(given, places, strict=True))
        ]
        combinations = list(product(*(one.options for one in types)))
        found = {result: None for kinds in combinations for result in results(rows, kinds)}
        if not found:
            at = places[-1] if places else None
            taken = " and ".join(map(str, given)) or "nothing"
            raise Wrong("S221", f"{name} always fails: it cannot take {taken}{f'; {instead}' if instead else ''}", at)
        if len(found) > 1 and any(one.unknown for one in types):
            return UNKNOWN
        lists = [option for one in types for option in one.options if option.items is not None]
        return union(
            list_of(union(one.items for one in lists if one.items)) if result == "list" else of(result) for result in found
        )

    def _without_null(self, one: CelType, at: int) -> CelType:
        """For a place where null fails."""
        if one.null is None:
            return one
        if not one.values:
            raise Wrong("S221", "null always fails here", at)
        if not one.unknown and not self._silent:
            self.nulls.append((one.null.null or Null(of="null"), at))
        return one.without_null

    def _operation(self, node: Operation, facts: Facts, bound: Bound) -> CelType:
        made, at = self.type_of(node.first, facts, bound), node.first.at
        for operator, operand in node.rest:
            right = self.type_of(operand, facts, bound)
            if operator in "/%" and isinstance(operand, Literal) and operand.kind in ("int", "uint") and operand.value == 0:
                raise Wrong("S221", "a division by zero always fails", operand.at)
            made = self._applied(OPERATORS[operator], operator, [made, right], [at, operand.at], _mixing(operator, made, right))
            at = operand.at
        return made

    def _call(self, node: Call, facts: Facts, bound: Bound) -> CelType:
        known, others = (FUNCTIONS, METHODS) if node.receiver is None else (METHODS, FUNCTIONS)
        operands = node.arguments if node.receiver is None else (node.receiver, *node.arguments)
        given = [self.type_of(operand, facts, bound) for operand in operands]
        instead = INSTEAD.get(node.name)
        if node.name not in known:
            if node.name in others:
                instead = f"write x.{node.name}(…)" if node.receiver is None else f"write {node.name}(x)"
            names = ", ".join(sorted({*FUNCTIONS, *METHODS}))
            raise Wrong("S204", f"there is no function {shown(node.name)}; {instead or f'known are {names}'}")
        last = operands[-1] if operands else None
        if isinstance(last, Literal) and last.kind == "string" and node.name in (*_CHECKED, "matches"):
            if literal_fails(node.name, last.value):
                raise Wrong("S221", f"{node.name} of this text always fails{f'; {instead}' if instead else ''}")
        return self._applied(known[node.name], node.name, given, [operand.at for operand in operands], instead)

    # --- conditions -------------------------------------------------------------------------------

    def _logic(self, node: Logic, facts: Facts, bound: Bound) -> CelType:
        """A side that fails is saved by another that decides.

        Each is looked at where the others do not decide.
        """
        goes_on = node.operator == "&&"
        before = [self._facts(operand, goes_on, facts, bound) for operand in node.operands]
        after = [self._facts(operand, goes_on, facts, bound, evaluated=False) for operand in node.operands]
        for place, operand in enumerate(node.operands):
            here = facts.union(*before[:place], *after[place + 1 :])
            self._condition(operand, here, bound, node.operator)
        return BOOL

    def _choice(self, node: Choice, facts: Facts, bound: Bound) -> CelType:
        self._condition(node.test, facts, bound, "? :")
        ways = ((node.yes, True), (node.no, False))
        return union(self.type_of(way, facts | self._facts(node.test, truth, facts, bound), bound) for way, truth in ways)

    def _condition(self, node: Node, facts: Facts, bound: Bound, what: str) -> None:
        try:
            made = self._without_null(self.type_of(node, facts, bound), node.at)
        except Wrong as problem:
            self._add(problem.code, problem.message, node.at if problem.at is None else problem.at)
            return
        if not made.unknown and not any(option.name == "bool" for option in made.options):
            self._add("S221", f"{what} needs true or false, this is {made}; compare it with something", node.at)

    # --- loops and literals -----------------------------------------------------------------------

    def _loop(self, node: Loop, facts: Facts, bound: Bound) -> CelType:
        if node.variable in self._sight.root_names:
            self._add("S204", f"`{node.variable}` cannot be the variable of a loop; choose another name", node.at)
        over = self._without_null(self.type_of(node.over, facts, bound), node.at)
        item = UNKNOWN if over.unknown else self._item(over, node)
        inside: Bound = {**bound, node.variable: bound_text(item, node.variable)}
        here = frozenset(fact for fact in facts if fact[0] != node.variable)
        here |= {(node.variable, *path) for option in item.options for path in option.sure}
        *tests, last = node.bodies if node.macro == "map" else (*node.bodies, Name(node.variable, node.at))
        for test in tests:
            self._condition(test, here, inside, node.macro)
            here |= self._facts(test, True, here, inside)
        if node.macro == "map":
            return list_of(self.type_of(last, here, inside))
        if node.macro != "filter":
            return BOOL
        return list_of(let_through(item, frozenset(fact[1:] for fact in here if fact[0] == node.variable)))

    def _item(self, over: CelType, node: Loop) -> CelType:
        """What a loop's variable may be."""
        kinds = [option.items if option.name == "list" else option.keys for option in over.options if option.items is not None]
        kinds += [STRING for option in over.options if option.name == "record"]
        if not kinds:
            raise Wrong("S221", f"{node.macro} always fails: it runs over a list, not over {over}")
        return union(kind for kind in kinds if kind is not None)

    def _entries(self, node: Entries, facts: Facts, bound: Bound) -> CelType:
        keys = [self._without_null(self.type_of(key, facts, bound), key.at) for key, _ in node.entries]
        for key in keys:
            if not key.unknown and not any(option.name in _KEYS for option in key.options):
                raise Wrong("S221", f"{key} cannot be the key of a map; text, a whole number, true or false can")
        return map_of(union(keys), union(self.type_of(value, facts, bound) for _, value in node.entries))

    def _add(self, code: str, message: str, at: int) -> None:
        if not self._silent:
            self.found.append(Found(code, message, at))


def _mixing(operator: str, left: CelType, right: CelType) -> str | None:
    """How to mend an operator over two kinds of number, or a text and something else."""
    kinds = {option.name for option in (*left.options, *right.options)}
    if "string" in kinds and operator == "+":
        return "make it text with string(…)"
    if len(kinds & {"int", "uint", "double"}) > 1:
        return f"make both the same with {'double(…)' if 'double' in kinds else 'int(…)'}"
    if kinds == {"timestamp", "duration"}:
        return "write the timestamp first"
    return None
