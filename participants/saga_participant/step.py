"""What a handler may ask about the command it serves, and the reference under which a later answer finds its row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from saga_schemas.ids import parse_number, parse_saga_id, saga_text, valid_step
from saga_schemas.limits import INT32_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The step of the saga a handler is working for. Given to every handler that has a parameter of this type."""

    saga_id: UUID
    name: str
    """The step's name in the definition, possibly with an instance: `charge[3]`."""
    run: int
    """The epoch of the step: raised when an operator lets a rejected step be tried anew."""
    attempt: int
    """How often this run was asked; not for deciding, only for telling."""
    idempotency_key: str
    """Same for all attempts of one run and direction: hand it to third parties, who then do a thing once."""
    tenant: str
    ref: str
    """Keep this after `InProgress`: `Participant.answering(ref)` takes it."""
    expires_at: datetime
    """After this the coordinator asks again under a new command; the handler need not care."""
    resumed: bool = False
    """The action was accepted before and its lease is over: this is the same command again."""


def reference(saga_id: UUID, step: str, run: int) -> str:
    """As text: what `Step.ref` is."""
    return f"{saga_text(saga_id)}/{step}/{run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The row a later answer is for, and the run it answers."""

    saga_id: UUID
    step: str
    run: int

    def __str__(self) -> str:
        return reference(self.saga_id, self.step, self.run)

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The other way; ValueError when it is not a reference of ours."""
        saga, _, rest = text.partition("/")
        step, _, number = rest.rpartition("/")
        saga_id, run = parse_saga_id(saga), parse_number(number, INT32_MAX)
        if saga_id is None or run is None or not valid_step(step):
            raise ValueError("not a reference made by Step.ref")
        return cls(saga_id=saga_id, step=step, run=run)
