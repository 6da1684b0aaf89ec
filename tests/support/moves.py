"""Transitions of a scripted saga as the committer hands them to telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from prometheus_client import CollectorRegistry

from saga_coordinator.engine.definition import Definition
from saga_coordinator.sagas.work import Moved, SagaWork
from saga_coordinator.store.port import Figures, SagaRow
from saga_coordinator.telemetry.instruments import Instruments
from support.saga_rows import saga_row
from unit.coordinator.engine.sagas import PIVOT, SECOND, Player, definition, step

ORDER = definition(step("reserve"), step("charge", after=["reserve"]), step("ship", PIVOT, after=["charge"]))
SAGA = UUID("0190a000-0000-7000-8000-000000000001")
TRACE = "ab" * 16


@dataclass
class Compiled:
    definition: Definition


class Work:
    """What telemetry reads of a SagaWork; each word of a script is a transition, a second after the
    one before."""

    def __init__(self, script: str, *, sampled: bool = False, shape: Definition = ORDER) -> None:
        self.row: SagaRow = saga_row(SAGA, trace_id=TRACE, trace_flags=int(sampled), incarnation=1)
        self.compiled = Compiled(shape)
        self.moved: list[Moved] = []
        self.stale_replies = 0
        player = Player(shape)
        player.start()
        self.moved.append(Moved(player.now, None, player.facts, player.state))
        for word in script.split():
            before = player.state
            player.now += SECOND
            player.happens(word)
            if player.state is not before:
                self.moved.append(Moved(player.now, before, player.facts, player.state))
        self.player = player

    def as_work(self) -> SagaWork:
        return cast(SagaWork, self)


def counted(script: str, **more: Any) -> Instruments:
    instruments = Instruments()
    instruments.committed(Work(script, **more).as_work())
    return instruments


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def figures(phases: dict[tuple[str, str], int], attention: dict[str, int]) -> Figures:
    return Figures(
        sagas_by_phase=phases,
        outbox_depth=5,
        outbox_oldest_at_us=6_000_000,
        wakeup_earliest_due_us=12_000_000,
        attention_by_reason=attention,
        dead_letters=0,
        inbox=0,
        spans_due=1,
        spans_oldest_at_us=2_000_000,
        now_us=10_000_000,
    )
