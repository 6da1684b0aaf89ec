"""Commands that have not left: their steps seem to wait for an answer, but nobody was asked.

The outbox knows whether a message is published. The instance that tried to send it knows why the
broker refused it. Each instance knows whether the broker answers. None of this is part of a saga's
state; it is put together when somebody looks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from saga_coordinator.batch.refusals import Refusals
from saga_coordinator.engine.encoding import UnreadableState, read_facts
from saga_coordinator.engine.facts import CommandSent
from saga_coordinator.engine.waiting import Waiting
from saga_coordinator.store.port import JournalRow, Store, shard_of
from saga_schemas.record_class import record

UNSENT_AFTER_US: Final = 3_000_000
"""An outbox row that is older has no acknowledgement: a row is deleted soon after its message is
acknowledged."""
_MOST_ROWS: Final = 1_000
_FOR_AN_ANSWER: Final = frozenset({"reply", "reply_backlog", "expired", "attention:no_answer"})
PUBLISH: Final = "publish"
KAFKA_AWAY: Final = "kafka_away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What an instance knows of its way to the broker."""

    kafka_away: str | None = None
    """Why the broker does not answer; None when it does."""
    refusals: Refusals = field(default_factory=Refusals)


@record
class Unsent:
    """The latest command of a step; it has not left."""

    since: int
    refused: str | None

    def __str__(self) -> str:
        if self.refused is None:
            return "its command waits in the outbox: is an instance with the role sweeper running? It is sent by itself"
        return f"the broker refuses its command ({self.refused}): mend that (its size, our rights, the topic); it is sent again by itself"


async def unsent_commands(
    store: Store, saga_id: UUID, journal: Collection[JournalRow], delivery: Delivery, now: int
) -> dict[str, Unsent]:
    """By step: its latest command, where that has not left. Raises StoreError."""
    rows = await store.outbox_older_than(shard_of(saga_id), now - UNSENT_AFTER_US, _MOST_ROWS)
    owed = {(row.version, row.ord): row.id for row in rows if row.saga_id == saga_id}
    found: dict[str, Unsent] = {}
    for row in journal if owed else ():
        try:
            facts = read_facts(row)
        except UnreadableState:
            continue
        for ord, fact in enumerate(facts):
            if isinstance(fact, CommandSent):
                outbox_id = owed.get((row.version, ord))
                if outbox_id is None:
                    found.pop(fact.step, None)
                else:
                    found[fact.step] = Unsent(since=fact.at_us, refused=delivery.refusals.why(outbox_id))
    return found


def with_delivery(waiting: Waiting, unsent: Mapping[str, Unsent], delivery: Delivery) -> Waiting:
    """The wait with its true name: the command has not left, or Kafka does not answer."""
    command = unsent.get(waiting.step or "")
    if waiting.name not in _FOR_AN_ANSWER:
        return waiting
    is_attention = waiting.name.startswith("attention:")
    if delivery.kafka_away is not None:
        mover = (
            f"Kafka does not answer ({delivery.kafka_away}): see that it runs and can be reached; the saga then goes on by itself"
        )
        return replace(waiting, name=waiting.name if is_attention else KAFKA_AWAY, mover=mover)
    if command is not None:
        name = waiting.name if is_attention else PUBLISH
        return replace(waiting, name=name, since_us=waiting.since_us if is_attention else command.since, mover=str(command))
    return waiting
