"""The same definitions from Python: `Saga("order", version=3, …).step("reserve", to="inventory",
…)`.

Gives data of the file's shape, which takes the file's own way through `lint`: one canonical form,
one hash, one set of findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

from saga_coordinator.definitions.document import Document
from saga_coordinator.definitions.lint import LintResult, lint_data
from saga_schemas.binding import names_record, record_for
from saga_schemas.catalog import Catalog

Record: TypeAlias = type[BaseModel] | str
"""A model that stands for an Avro record (by its name, or by the class variable `avro_name`), or
the record's full name.
"""
Duration: TypeAlias = timedelta | str
"""`timedelta(seconds=30)`, or as in the file: `"30s"`."""
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """`retry:`; what is None takes its default."""

    attempts: int | Literal["unlimited"] | None = None
    first: Duration | None = None
    factor: float | None = None
    cap: Duration | None = None
    jitter: float | None = None
    never: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """`timeout:`; what is None takes its default."""

    step: Duration | None = None
    reask: Duration | None = None
    heartbeat: Duration | None = None
    expiry: Duration | None = None
    attention: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """`retention:`; what is None is as the coordinator's settings say."""

    sagas: Duration | Literal["never"] | None = None
    journals: Duration | Literal["never"] | None = None
    keys: Duration | Literal["never"] | None = None
    attention: Duration | Literal["never"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """A compensation with more than its command."""

    command: Record
    with_: Mapping[str, Any] = field(default_factory=dict)
    retry: Retry | None = None


class Saga:
    """A definition in the making. Steps are chained, because `step` returns the saga.

    Example:
        `Saga("order", version=1, input=PlaceOrder).step("reserve", to="inventory",
        command=Reserve)`
    """

    def __init__(
        self,
        name: str,
        *,
        version: int,
        input: Record,
        key: str | None = None,
        show_key: bool | None = None,
        deadline: Duration | None = None,
        retention: Retention | None = None,
        labels: Mapping[str, str | float | bool] | None = None,
    ) -> None:
        """Begin a definition.

        Args:
            name: The definition's name.
            version: Its version. A registered version never changes.
            input: The record that starts a saga.
            key: Expression of the business key. None: sagas have no business key.
            show_key: Whether the key may appear in traces. None: it may not.
            deadline: When a saga that is not past its pivot turns back.
            retention: How long its finished sagas are kept. None: as the coordinator's settings
                say.
            labels: What sagas are found by: values or expressions over the input, by name.
        """
        self._name = name
        self._head = _without_none(
            {
                "saga": name,
                "version": version,
                "input": input,
                "key": key,
                "show_key": show_key,
                "deadline": _duration(deadline),
                "retention": _retention(retention),
                "labels": None if labels is None else dict(labels),
            }
        )
        self._steps: list[dict[str, Any]] = []

    def step(
        self,
        name: str,
        *,
        to: str,
        command: Record,
        compensation: Record | Compensation | Literal["none"] | None = None,
        after: Sequence[str] | None = None,
        when: str | None = None,
        pivot: bool = False,
        with_: Mapping[str, Any] | None = None,
        reply: Record | None = None,
        retry: Retry | None = None,
        timeout: Timeout | None = None,
    ) -> Saga:
        """Add a step.

        Args:
            name: The step's name, once in a definition.
            to: The participant that carries it out.
            command: The record of the action's command.
            compensation: What undoes the action; `"none"` where there is no effect to undo. None is
                for the pivot and the steps after it.
            after: Names of the steps that it waits for. None: the step that was added before it.
            when: A condition in CEL. The step is skipped where it is false.
            pivot: Whether the step is the point of no return.
            with_: The command's fields: values, paths and expressions.
            reply: The record of the answer, where the command's schema does not name it.
            retry: How often, and when, a failed action is sent again.
            timeout: The step's times.

        Returns:
            This saga.
        """
        self._steps.append(
            _without_none(
                {
                    "name": name,
                    "participant": to,
                    "command": command,
                    "compensation": _compensation(compensation),
                    "after": None if after is None else list(after),
                    "when": when,
                    "pivot": pivot or None,
                    "with": None if with_ is None else dict(with_),
                    "reply": reply,
                    "retry": _retry(retry),
                    "timeout": _timeout(timeout),
                }
            )
        )
        return self

    def data(self, catalog: Catalog) -> dict[str, Any]:
        """The definition as data of the file's shape.

        Raises BindingFailed where a model stands for two records.
        """
        return {key: _named(value, catalog) for key, value in {**self._head, "steps": self._steps}.items()}

    def lint(self, catalog: Catalog) -> LintResult:
        """Everything that is wrong with it."""
        return lint_data(self.data(catalog), self._name, catalog)

    def document(self, catalog: Catalog) -> Document:
        """The canonical document. Raises DefinitionInvalid."""
        return self.lint(catalog).required()


def _named(value: Any, catalog: Catalog) -> Any:
    """Models replaced by the full names of their records.

    Of a model without a record the class name, which lint then finds.
    """
    if isinstance(value, type):
        fitting = [schema for schema in catalog if names_record(value, schema.full_name)]
        return record_for(value, fitting).full_name if fitting else value.__name__
    if isinstance(value, dict):
        return {key: _named(inner, catalog) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, catalog) for inner in value]
    return value


def _compensation(given: Record | Compensation | None) -> Any:
    if given is None:
        return None
    if not isinstance(given, Compensation):
        return given
    return _without_none({"command": given.command, "with": dict(given.with_) or None, "retry": _retry(given.retry)})


def _retry(given: Retry | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return _without_none(
        {
            "attempts": given.attempts,
            "first": _duration(given.first),
            "factor": given.factor,
            "cap": _duration(given.cap),
            "jitter": given.jitter,
            "never": None if given.never is None else list(given.never),
        }
    )


def _timeout(given: Timeout | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return _without_none(
        {
            "step": _duration(given.step),
            "reask": _duration(given.reask),
            "heartbeat": _duration(given.heartbeat),
            "expiry": _duration(given.expiry),
            "attention": _duration(given.attention),
        }
    )


def _retention(given: Retention | None) -> dict[str, Any] | None:
    if given is None:
        return None
    said = {"sagas": given.sagas, "journals": given.journals, "keys": given.keys, "attention": given.attention}
    return _without_none({key: _duration(kept) for key, kept in said.items()})


def _duration(given: Duration | None) -> str | None:
    return f"{given // _MILLISECOND}ms" if isinstance(given, timedelta) else given


def _without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
