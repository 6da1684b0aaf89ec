"""What a handler may ask about the command it serves, and the reference under which a later answer
finds its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from saga_schemas.ids import parse_number, parse_saga_id, saga_text, valid_step
from saga_schemas.limits import INT32_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The step of the saga that a handler works for.

    Every handler with a parameter of this type gets it.
    """

    saga_id: UUID
    name: str
    """The step's name in the definition, possibly with an instance: `charge[3]`."""
    run: int
    """The run of the step. An operator raises it to have a rejected step tried anew."""
    attempt: int
    """How often this run was asked. For logs; decide nothing by it."""
    idempotency_key: str
    """The same for all attempts of one run and direction. Third parties that take it act once."""
    tenant: str
    ref: str
    """Keep this after `InProgress`: `Participant.answering(ref)` takes it."""
    expires_at: datetime
    """After this the coordinator asks by a new command. The handler need not care."""
    resumed: bool = False
    """The action was accepted before and its lease is over: this is the same command again."""


def reference(saga_id: UUID, step: str, run: int) -> str:
    """The text of a reference, as in `Step.ref`."""
    return f"{saga_text(saga_id)}/{step}/{run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The row that a later answer is for, and the run that it answers."""

    saga_id: UUID
    step: str
    run: int

    def __str__(self) -> str:
        return reference(self.saga_id, self.step, self.run)

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read the text of a reference. Raises ValueError when `reference` did not make it."""
        saga, _, rest = text.partition("/")
        step, _, number = rest.rpartition("/")
        saga_id, run = parse_saga_id(saga), parse_number(number, INT32_MAX)
        if saga_id is None or run is None or not valid_step(step):
            raise ValueError("not a reference made by Step.ref")
        return cls(saga_id=saga_id, step=step, run=run)
