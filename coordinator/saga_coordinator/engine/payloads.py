"""Payloads that stand outside the state: asked for by a decision, read by the shell, and no more
than a share at once.

A state holds small payloads itself; of a large one it says in which journal record it stands
(`Kept`). A decision that reads one that was not handed to it notes it as wanted and goes on looking
for what else it needs; then it is thrown away (`PayloadsWanted`) and asked again with all of them.
So the engine stays pure, sagas with small payloads pay nothing, and what a saga carries never
stands in its way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from saga_coordinator.engine.facts import CommandSent, Fact, ReplySeen, payload_in
from saga_coordinator.engine.state import Kept, Saga, Wanted

TRANSITION_BYTES: Final = 4 * 1024 * 1024
"""What one transition sends, and reads from outside the state; the rest follows in the next ones.
"""
Payloads = Mapping[Wanted, bytes | None]
"""What was read for a decision; None: the journal does not hold it any more."""
NO_PAYLOADS: Payloads = MappingProxyType({})


class PayloadsWanted(Exception):
    """The decision reads kept payloads: it is to be asked again, with these."""

    def __init__(self, wanted: Collection[Wanted]) -> None:
        super().__init__(f"{len(wanted)} payloads are not loaded")
        self.wanted = frozenset(wanted)


class PayloadLost(Exception):
    """The journal does not hold a payload that the state points to: rows were deleted by hand."""


class NotLoaded(Exception):
    """What a mapping reads is wanted first.

    What the draft becomes does not matter any more: nobody will see it.
    """


class Reading:
    """What one decision reads and sends."""

    def __init__(self, version: int, given: Payloads, facts: Sequence[Fact]) -> None:
        """`version`: of the saga before the decision.

        `facts`: those of the decision, as they grow.
        """
        self._version = version
        self._given = given
        self._facts = facts
        self._moved_bytes = 0
        self.wanted: set[Wanted] = set()

    @property
    def full(self) -> bool:
        """This transition has its share."""
        return self._moved_bytes >= TRANSITION_BYTES

    def sent(self, payload: bytes) -> None:
        self._moved_bytes += len(payload)

    def need(self, step: str, what: str, remembered: bytes | Kept | None) -> None:
        """Note it as wanted, if it is not at hand."""
        if isinstance(remembered, Kept) and remembered.version <= self._version:
            one = Wanted(step=step, what=what, kept=remembered)
            if one not in self._given and one not in self.wanted:
                self._moved_bytes += remembered.size
                self.wanted.add(one)

    def get(self, step: str, what: str, remembered: bytes | Kept) -> bytes:
        """Raises NotLoaded, PayloadLost."""
        if not isinstance(remembered, Kept):
            return remembered
        if remembered.version > self._version:
            found = payload_in(self._facts, step, what)
        else:
            one = Wanted(step=step, what=what, kept=remembered)
            if one in self.wanted:
                raise NotLoaded
            found = self._given[one]
            self._moved_bytes += remembered.size
        if found is None:
            raise PayloadLost(f"the {what} of step {step} is not in journal record {remembered.version}")
        return found


def brought(facts: Iterable[Fact], saga: Saga) -> dict[Wanted, bytes | None]:
    """The payloads of this transition that its state only points to.

    The journal will hold them once it is committed.
    """
    found: dict[Wanted, bytes | None] = {}
    for fact in facts:
        if isinstance(fact, CommandSent | ReplySeen):
            state = saga.steps[fact.step]
            for what, kept in (("command", state.command), ("reply", state.reply)):
                if isinstance(kept, Kept) and kept.version == saga.version:
                    found[Wanted(step=fact.step, what=what, kept=kept)] = payload_in(facts, fact.step, what)
    return found


__all__ = ["NO_PAYLOADS", "NotLoaded", "PayloadLost", "Payloads", "PayloadsWanted", "Reading", "brought"]
