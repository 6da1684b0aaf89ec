"""A saga definition as the engine sees it: checked, compiled, frozen.

Built by `saga_coordinator.definitions` from the canonical document; the engine never sees YAML, CEL
or Avro: it asks a `Message` for bytes and a `Condition` for a truth. What a word here means stands
in docs/ARCHITECTURE.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from saga_schemas.record_class import record


class StepKind(StrEnum):
    """Where a step stands towards the point of no return."""

    COMPENSATABLE = "compensatable"
    PIVOT = "pivot"
    RETRIABLE = "retriable"


class MappingFailed(Exception):
    """An expression, mapping or encoding gave no value (row 9b).

    `code` is stable, `detail` names fields, never values.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@record
class Context:
    """What mappings and conditions of one saga may read."""

    input: bytes
    """Framed, under the definition's pinned input schema."""
    replies: Mapping[str, bytes]
    """Framed replies by step, under their pinned reader schemas.

    A step without one (skipped, not yet) is absent and reads as null.
    """
    saga: Mapping[str, Any]
    """`id`, `key`, `tenant`, `definition`, `version`."""
    command: bytes | None = None
    """For a compensation: the framed command its action was sent with."""


class Message(Protocol):
    """How the payload of one command is made."""

    @property
    def record(self) -> str:
        """Full name of the Avro record: `ce_type` of the command."""
        ...

    @property
    def reads(self) -> frozenset[str]:
        """Names of the steps whose replies it reads."""
        ...

    def render(self, context: Context) -> bytes:
        """The framed payload; the same context gives the same bytes. Raises MappingFailed."""
        ...


class Condition(Protocol):
    """A `when:`."""

    @property
    def reads(self) -> frozenset[str]: ...

    def holds(self, context: Context) -> bool:
        """Raises MappingFailed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how soon a FAILED attempt is repeated."""

    attempts: int | None
    """How many FAILED answers spend it; None is without end."""
    first_ms: int
    factor: float
    cap_ms: int
    jitter: float
    """0.2 is plus or minus 20 %."""
    never: frozenset[str] = frozenset()
    """Codes that are not retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time limits of a step, in milliseconds."""

    step_ms: int | None
    """From first asked to answered; None is without limit."""
    reask_ms: int
    reask_cap_ms: int
    heartbeat_ms: int | None
    attention_ms: int
    expiry_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """One command a step can send, with its retry policy."""

    message: Message
    retry: Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a definition."""

    name: str
    kind: StepKind
    participant: str
    after: tuple[str, ...]
    when: Condition | None
    action: CommandSpec
    compensation: CommandSpec | None
    """None: `compensation: none` before the pivot, and every pivot and retriable step."""
    timing: Timing
    reply_needed: bool
    """Some mapping or condition reads this step's reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole definition; `steps` are in a topological order (each after those it depends on, else
    as written).
    """

    name: str
    version: int
    hash: str
    deadline_ms: int | None
    steps: tuple[Step, ...]
    by_name: Mapping[str, Step] = field(init=False, repr=False, compare=False)
    pivot: Step | None = field(init=False, repr=False, compare=False)
    dependents: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    """Every step that depends on the key, directly or through others, in their order."""

    def __post_init__(self) -> None:
        dependents: dict[str, list[str]] = {step.name: [] for step in self.steps}
        ancestors: dict[str, set[str]] = {}
        for step in self.steps:
            above = set(step.after).union(*(ancestors[name] for name in step.after)) if step.after else set()
            ancestors[step.name] = above
            for name in above:
                dependents[name].append(step.name)
        object.__setattr__(self, "by_name", {step.name: step for step in self.steps})
        object.__setattr__(self, "pivot", next((s for s in self.steps if s.kind is StepKind.PIVOT), None))
        object.__setattr__(self, "dependents", {name: tuple(names) for name, names in dependents.items()})
