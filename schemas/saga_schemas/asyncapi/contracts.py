"""What an AsyncAPI document is made of, and which outcomes may answer which kind of command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.schema import Schema

ANSWERS: Final[Mapping[Kind, tuple[Outcome, ...]]] = {
    Kind.ACTION: (
        Outcome.SUCCEEDED,
        Outcome.REJECTED,
        Outcome.FAILED,
        Outcome.IN_PROGRESS,
        Outcome.FENCED,
        Outcome.EXPIRED,
        Outcome.UNSUPPORTED,
    ),
    Kind.COMPENSATION: (
        Outcome.SUCCEEDED,
        Outcome.REJECTED,
        Outcome.FAILED,
        Outcome.IN_PROGRESS,
        Outcome.UNDONE,
        Outcome.NOTHING_TO_UNDO,
        Outcome.EXPIRED,
        Outcome.UNSUPPORTED,
    ),
    Kind.RESOLVE: (
        Outcome.SUCCEEDED,
        Outcome.REJECTED,
        Outcome.IN_PROGRESS,
        Outcome.FENCED,
        Outcome.EXPIRED,
        Outcome.UNSUPPORTED,
    ),
}
"""The outcomes that may answer a command of each kind: the table "Outcomes" of docs/wire.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContract:
    """One command record that a participant takes."""

    kind: Kind
    """ACTION or COMPENSATION."""
    command: Schema
    replies: tuple[Schema, ...] = ()
    """What SUCCEEDED carries, of a compensation UNDONE; empty: any record, nobody reads it."""
    asked_by: tuple[str, ...] = ()
    """The steps that send it, as `definition/step`, where they are known."""

    @property
    def name(self) -> str:
        """`action.shop.ChargeCard`."""
        return f"{self.kind.value}.{self.command.full_name}"

    @property
    def carried(self) -> tuple[Schema | None, ...]:
        """As `replies`; None is any record."""
        return self.replies or (None,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContract:
    """One definition that can be started over Kafka."""

    definition: str
    input: Schema


def merged(contracts: Iterable[CommandContract]) -> list[CommandContract]:
    """One contract for each kind and record: its newest schema, all its replies, all its steps."""
    found: dict[str, CommandContract] = {}
    for contract in contracts:
        before = found.get(contract.name)
        if before is None:
            found[contract.name] = contract
            continue
        found[contract.name] = CommandContract(
            kind=contract.kind,
            command=contract.command,
            replies=_newest((*before.replies, *contract.replies)),
            asked_by=tuple(dict.fromkeys((*before.asked_by, *contract.asked_by))),
        )
    return sorted(found.values(), key=lambda contract: contract.name)


def _newest(schemas: Iterable[Schema]) -> tuple[Schema, ...]:
    """One schema of each record: the last one given."""
    return tuple({schema.full_name: schema for schema in schemas}.values())
