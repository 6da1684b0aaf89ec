"""What one instance asks participants after a restore, and how often."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from saga_coordinator.definitions import lint
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.participant_sweep import ParticipantSweeps, is_due
from saga_coordinator.sagas.messages import Outbound
from saga_coordinator.store.horizon_port import StoredHorizon
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import DefinitionRow, LostEffect, ParticipantSweep
from saga_coordinator.sweep.owned import OwnedEffects
from saga_coordinator.sweep.questions import Questions
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import decode_command
from saga_schemas.horizon import Horizon
from saga_schemas.ids import uuid7
from saga_schemas.inbound import read_announcement
from saga_schemas.outcomes import Kind
from saga_schemas.records import EMPTY_BYTES, Sweep, SweepPosition
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics
from support.coordinators import TOKEN_KEYS
from support.hand_clock import HandClock
from support.two_steps import CATALOG

KEYS = TokenKeys.parse(TOKEN_KEYS)
SAGA = uuid7(1_790_000_000_000_000, bytes(10))


@dataclass
class Store:
    """What the database says, and what is noted in it."""

    now: int = 1_000_000_000
    rows: list[ParticipantSweep] = field(default_factory=list)
    effects: list[LostEffect] = field(default_factory=list)
    elsewhere: bool = False
    """Another instance asks first."""
    complete: list[set[str]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    """What was asked about lost effects."""

    async def now_us(self) -> int:
        return self.now

    async def horizon(self, _: str) -> StoredHorizon:
        nothing = Horizon()
        return StoredHorizon(starts_from_ms=0, horizon=nothing, stored_at_us=0, announced_at_us=None, recovering=True)

    async def sweeps(self, _: str) -> list[ParticipantSweep]:
        return self.rows

    async def begin_sweeps(self, _: str, incarnation: int, participants: Collection[str]) -> None:
        self.rows += [ParticipantSweep(participant=name, incarnation=incarnation) for name in sorted(participants)]

    async def ask_sweep(self, _: str, one: ParticipantSweep) -> bool:
        if not self.elsewhere:
            asked = replace(one, asked_at_us=self.now, asks=one.asks + 1)
            self.rows = [asked if row == one else row for row in self.rows]
        return not self.elsewhere

    async def sweeps_done(self, _: str, incarnation: int, participants: Collection[str]) -> bool:
        self.complete.append(set(participants))
        return True

    async def open_beside_sagas(self, _: str) -> list[Any]:
        self.looks.append("open_beside_sagas")
        return []

    async def lost_counts(self, _: str) -> dict[str, int]:
        self.looks.append("lost_counts")
        return {"undoing": len(self.effects)}

    async def undoing(self, _: str, limit: int) -> list[LostEffect]:
        self.looks.append("undoing")
        return self.effects[:limit]

    async def ask_undo(self, _: LostEffect) -> bool:
        return not self.elsewhere


def definition_of(participant: str) -> DefinitionRow:
    text = f"""
saga: of-{participant}
version: 1
input: t.Input
steps:
  - {{name: one, participant: {participant}, command: t.Do, compensation: none}}
"""
    document = lint(text, "of", CATALOG).required()
    return DefinitionRow(
        id=1,
        hash=document.hash,
        tenant="default",
        name=document.saga,
        version=1,
        document=document.canonical,
        reader_schemas={},
        active=False,
        registered_at_us=1,
    )


class Bench:
    def __init__(self, *participants: str) -> None:
        self.store, self.broker, self.clock = Store(), MemoryBroker(partitions=1), HandClock()
        self.generation, self.named = 0, frozenset(participants)
        self.told = {"incarnation": "7"}
        outbound = Outbound(topics=Topics(), keys=KEYS, cluster_id="c")
        self.lookout = Lookout(cast(Any, self.store), "default", frozenset(), self.clock)
        self.loop = ParticipantSweeps(
            store=cast(Any, self.store),
            lookout=self.lookout,
            broker=self.broker,
            definitions=cast(Any, self),
            questions=Questions(outbound, "default"),
            owned=OwnedEffects(cast(Any, self.store), cast(Any, self), "default"),
            topics=Topics(),
            tenant="default",
            clock=self.clock,
            instruments=Instruments(),
        )

    def rows(self) -> list[DefinitionRow]:
        """A registered definition for each participant."""
        return [definition_of(name) for name in sorted(self.named)]

    async def turn(self) -> None:
        self.lookout.latest = Look(
            now_us=1,
            next_due_us=None,
            inbox=False,
            outbox=False,
            letters=False,
            spans=False,
            registered="",
            control={"recovery": self.told},
        )
        await self.loop.turn()

    async def asked(self, participant: str) -> list[Any]:
        """The records on its command topic."""
        consumer = self.broker.consumer(group=None)
        await consumer.start()
        await consumer.subscribe([Topics().command(participant)])
        for position in consumer.awaiting_seek():
            consumer.seek(position, 0)
        found = await consumer.poll(timeout_s=0.05, max_records=100)
        await consumer.stop()
        return [*found]


def question(record: Any, participant: str) -> tuple[int, SweepPosition | None, bool]:
    told = read_announcement(record, participant=participant, keys=KEYS.announcement_keys())
    assert isinstance(told.content, Sweep)
    return told.headers.incarnation, told.content.after, told.content.detail


async def test_a_database_that_was_never_restored_asks_nobody() -> None:
    bench = Bench("payment")
    bench.told = {}
    await bench.turn()
    assert (bench.store.rows, bench.loop.awaited()) == ([], frozenset())


async def test_each_participant_is_asked_from_its_beginning_and_then_behind_what_was_told() -> None:
    bench = Bench("payment", "fax")
    await bench.turn()
    for name in ("payment", "fax"):
        assert [question(record, name) for record in await bench.asked(name)] == [(7, None, True)]
    assert bench.loop.awaited() == {"payment", "fax"}
    bench.store.rows = [replace(row, after=(SAGA, "charge"), told=500, asked_at_us=0, asks=0) for row in bench.store.rows]
    await bench.turn()
    last = (await bench.asked("payment"))[-1]
    assert question(last, "payment") == (7, SweepPosition(saga_id=SAGA, step="charge"), True)
    assert dict(bench.loop.unswept) == {"fax": 500, "payment": 500}


async def test_a_participant_whose_topics_may_not_be_made_keeps_no_other_from_being_asked() -> None:
    bench = Bench("fax", "payment")
    await bench.broker.ensure_topics([Topics().command("payment"), Topics().reply("payment")])
    bench.broker.faults.forbid_topics = True
    with capture_logs() as logs:
        await bench.turn()
    assert [question(record, "payment") for record in await bench.asked("payment")] == [(7, None, True)]
    assert [(line["event"], line["participant"]) for line in logs] == [("participants_not_asked", "fax")]
    assert bench.loop.awaited() == {"fax", "payment"}, "it is asked again"


async def test_once_all_effects_are_settled_one_statement_looks_for_more() -> None:
    bench = Bench("payment")
    bench.told["swept"] = "7"
    bench.store.rows = [ParticipantSweep(participant="payment", incarnation=7, done_at_us=1)]
    await bench.turn()
    bench.store.looks.clear()
    bench.loop.stir()
    await bench.turn()
    assert bench.store.looks == ["lost_counts"]


async def test_one_page_is_in_flight_and_what_another_instance_asks_is_not_asked() -> None:
    bench = Bench("payment")
    await bench.turn()
    await bench.turn()
    assert len(await bench.asked("payment")) == 1
    bench.store.elsewhere, bench.store.now = True, bench.store.now + 100_000_000
    await bench.turn()
    assert len(await bench.asked("payment")) == 1


async def test_when_all_have_told_it_is_complete_and_a_new_participant_is_asked_too() -> None:
    bench = Bench("payment")
    bench.store.rows = [ParticipantSweep(participant="payment", incarnation=7, done_at_us=1)]
    await bench.turn()
    assert (bench.store.complete, bench.loop.awaited()) == ([{"payment"}], frozenset())
    bench.told["swept"] = "7"
    await bench.turn()
    assert len(bench.store.complete) == 1, "at rest it looks at nothing"
    bench.generation, bench.named = 1, frozenset({"payment", "shipping"})
    await bench.turn()
    assert len(await bench.asked("shipping")) == 1


async def test_an_undo_is_the_compensation_of_the_lost_saga_under_the_incarnation_of_now() -> None:
    bench = Bench("payment")
    bench.told["swept"] = "7"
    bench.store.rows = [ParticipantSweep(participant="payment", incarnation=7, done_at_us=1)]
    bench.store.effects = [
        LostEffect(
            saga_id=SAGA,
            step="charge",
            participant="payment",
            run=3,
            state="DONE",
            beside=False,
            found_at_us=1,
            status="undoing",
            definition_hash="a" * 64,
            undo_record="saga.v1.Empty",
            undo_value=EMPTY_BYTES,
            asks=1,
        )
    ]
    await bench.turn()
    (record,) = await bench.asked("payment")
    command = decode_command(record.headers)
    assert (command.saga_id, command.step, command.kind, command.run, command.attempt) == (
        SAGA,
        "charge",
        Kind.COMPENSATION,
        3,
        2,
    )
    assert (command.incarnation, command.definition_hash, record.value) == (7, "a" * 64, EMPTY_BYTES)
    assert command.token == KEYS.sign("default", SAGA, "charge", Kind.COMPENSATION, 3, 7)
    assert bench.loop.awaited() == {"payment"}


@pytest.mark.parametrize(("asks", "silence_s"), [(0, 0), (1, 10), (2, 20), (3, 40), (4, 60), (40, 60)])
def test_the_silence_before_it_is_asked_again_doubles_up_to_a_minute(asks: int, silence_s: int) -> None:
    asked = ParticipantSweep(participant="payment", incarnation=7, asked_at_us=5, asks=asks)
    assert is_due(asked, 5 + silence_s * 1_000_000)
    assert not is_due(asked, 4 + silence_s * 1_000_000)
    assert not is_due(replace(asked, done_at_us=6), 5 + silence_s * 1_000_000)
