"""Whom open sagas wait for: told of a sample of them, since a saga's state is no column. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.state import WAITING, Saga, Status
from saga_schemas.record_class import record

_WAITS: Final = WAITING | {Status.BACKOFF, Status.UNDO_BACKOFF, Status.STUCK_FORWARD, Status.STUCK_BACK, Status.CONFLICT}
LONGEST_SHOWN: Final = 20


@record
class OpenWait:
    """One open saga's wait for one participant."""

    saga_id: UUID
    business_key: str | None
    definition: str
    step: str
    participant: str
    since_us: int
    """Since when it is silent; 0: it is not, as in accepted work or a pause before a retry."""
    code: str
    """Of the last FAILED or REJECTED; empty: there was none."""


@dataclass(slots=True)
class Wait:
    """What waits for one participant."""

    sagas: int = 0
    oldest_us: int = 0
    """Since when the first of them has; 0: none is silent."""
    codes: dict[str, int] = field(default_factory=dict)
    """How many were last answered with this code."""
    definitions: dict[str, int] = field(default_factory=dict)
    longest: list[OpenWait] = field(default_factory=list)
    """Some of them, those that wait longest first."""


@record
class Waits:
    """Of how many open sagas, and what they wait for."""

    open: int
    looked_at: int
    of: Mapping[str, Wait]
    """By participant; numbers of sagas scaled to all that are open."""

    @property
    def exact(self) -> bool:
        """False: numbers are estimates."""
        return self.looked_at >= self.open

    def sagas(self, participant: str) -> int:
        wait = self.of.get(participant)
        return 0 if wait is None else wait.sagas


NOBODY: Final = Waits(open=0, looked_at=0, of={})


def open_waits(saga_id: UUID, business_key: str | None, definition: Definition, saga: Saga) -> list[OpenWait]:
    """What one saga waits for: of each participant the step that has waited longest."""
    found: dict[str, OpenWait] = {}
    for step in definition.steps:
        state = saga.steps[step.name]
        if state.status not in _WAITS:
            continue
        wait = OpenWait(
            saga_id=saga_id,
            business_key=business_key,
            definition=definition.name,
            step=step.name,
            participant=step.participant,
            since_us=state.silent_since_us or 0,
            code=state.code or "",
        )
        before = found.get(step.participant)
        if before is None or _longer(wait) < _longer(before):
            found[step.participant] = wait
    return list(found.values())


def waits(sampled: Iterable[OpenWait], looked_at: int, open_sagas: int) -> Waits:
    """Of all open sagas, by those looked at.

    Args:
        sampled: What these wait for.
        looked_at: How many sagas were looked at.
        open_sagas: How many there are.
    """
    found: dict[str, Wait] = {}
    for one in sampled:
        wait = found.setdefault(one.participant, Wait())
        wait.sagas += 1
        wait.definitions[one.definition] = wait.definitions.get(one.definition, 0) + 1
        wait.longest.append(one)
        if one.since_us:
            wait.oldest_us = min(wait.oldest_us or one.since_us, one.since_us)
        if one.code:
            wait.codes[one.code] = wait.codes.get(one.code, 0) + 1
    for wait in found.values():
        wait.longest = sorted(wait.longest, key=_longer)[:LONGEST_SHOWN]
        if looked_at and open_sagas > looked_at:
            _scale(wait, open_sagas / looked_at)
    return Waits(open=max(open_sagas, looked_at), looked_at=looked_at, of=dict(sorted(found.items())))


def _scale(wait: Wait, by: float) -> None:
    wait.sagas = round(wait.sagas * by)
    wait.codes = {code: round(count * by) for code, count in wait.codes.items()}
    wait.definitions = {name: round(count * by) for name, count in wait.definitions.items()}


def _longer(wait: OpenWait) -> tuple[bool, int]:
    return not wait.since_us, wait.since_us
