"""After a restore each participant is asked for its rows, page by page, and to undo effects that no
saga owns.

One page of a participant is in flight. What is not answered is asked again, later each time. Any
number of instances do this: who asks notes it first, by comparing, and where the rows are read the
position moves by comparing. So what is asked twice does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import uuid4

import structlog

from saga_coordinator.failures import error_fields, one_line
from saga_coordinator.horizon.participants import named
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store import recovering
from saga_coordinator.store.port import LostEffect, ParticipantSweep, Store, StoreError
from saga_coordinator.sweep.owned import OwnedEffects
from saga_coordinator.sweep.questions import Questions
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.background import happened
from saga_messaging.broker import Broker, BrokerError, Outgoing, Producer, RecordRefused, TopicForbidden
from saga_messaging.clock import Clock
from saga_schemas.ids import parse_number, uuid7_unix_ms
from saga_schemas.limits import INT32_MAX
from saga_schemas.topics import Topics

EVERY_S: Final = 1.0
LEAST_S: Final = 0.1
"""Between two turns, and so between two pages of a participant: its own work goes first."""
UNDO_EVERY_S: Final = 5.0
"""How soon an undo is asked for that another instance was told of."""
ASK_AGAIN_US: Final = 10_000_000
ASK_CAP_US: Final = 60_000_000
UNDOS: Final = 100
"""Asked for in one turn."""
SEND_LIMIT_S: Final = 10.0
LOOP: Final = "watchdog"


class ParticipantSweeps:
    """What one instance asks."""

    def __init__(
        self,
        *,
        store: Store,
        lookout: Lookout,
        broker: Broker,
        definitions: DefinitionCache,
        questions: Questions,
        owned: OwnedEffects,
        topics: Topics,
        tenant: str,
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._store = store
        self._lookout = lookout
        self._broker = broker
        self._definitions = definitions
        self._questions = questions
        self._owned = owned
        self._topics = topics
        self._tenant = tenant
        self._clock = clock
        self._instruments = instruments
        self._stirred = asyncio.Event()
        self._producer: Producer | None = None
        self._named: frozenset[str] = frozenset()
        self._named_in = -1
        self._swept: frozenset[str] = frozenset()
        """Participants of which a turn has seen that they are done."""
        self._undos_at_s = -UNDO_EVERY_S
        self._undoing: frozenset[str] = frozenset()
        self.unswept: Mapping[str, int] = {}
        """Rows told so far, by participant that has not told all."""
        self._log = structlog.get_logger("sweep")

    def awaited(self) -> frozenset[str]:
        """The participants whose answers are waited for."""
        return self._undoing | self.unswept.keys()

    def stir(self) -> None:
        """An undo may be asked for now, or a participant need not be asked any more."""
        self._undos_at_s = -UNDO_EVERY_S
        self._stirred.set()

    def moved(self) -> None:
        """A page was read: the next one may be asked for."""
        self._stirred.set()

    async def run(self) -> None:
        try:
            while True:
                await happened(self._stirred, self._clock, EVERY_S)
                self._stirred.clear()
                await self._safe_turn()
                await self._clock.sleep(LEAST_S)
        finally:
            await self._close()

    async def _safe_turn(self) -> None:
        try:
            await self.turn()
        except (StoreError, BrokerError, TimeoutError) as error:
            self._log.warning("participants_not_asked", error=one_line(error))
            await self._clock.sleep(EVERY_S)
        except Exception as error:  # a bug must not end the process: what was not asked is asked again
            self._log.error("participant_sweep_failed", **error_fields(error))
            self._instruments.loop_failed(LOOP)
            await self._clock.sleep(EVERY_S)

    async def turn(self) -> None:
        """Ask what is due. Raises StoreError, BrokerError."""
        look = self._lookout.latest
        told = {} if look is None else look.control.get(recovering.SCOPE, {})
        incarnation = parse_number(told.get(recovering.INCARNATION, ""), INT32_MAX)
        if incarnation is None:
            return
        participants = self._participants()
        if recovering.is_sweeping(told) or not participants <= self._swept:
            await self._sweep(incarnation, participants)
        now_s = self._clock.monotonic_s()
        if now_s - self._undos_at_s >= UNDO_EVERY_S:
            self._undos_at_s = now_s
            await self._undo(incarnation)

    def _participants(self) -> frozenset[str]:
        """All that any registered definition names: each may have rows."""
        if self._definitions.generation != self._named_in:
            self._named = frozenset(named(self._definitions.rows()))
            self._named_in = self._definitions.generation
        return self._named

    async def _sweep(self, incarnation: int, participants: Collection[str]) -> None:
        sweeps = await self._store.sweeps(self._tenant)
        missing = set(participants) - {one.participant for one in sweeps}
        if missing:
            await self._store.begin_sweeps(self._tenant, incarnation, missing)
            sweeps = await self._store.sweeps(self._tenant)
        now_us = await self._store.now_us()
        await self._ask([one for one in sweeps if is_due(one, now_us)], now_us)
        left = {one.participant: one.told for one in sweeps if one.done_at_us is None}
        self._show(left)
        if not left and await self._store.sweeps_done(self._tenant, incarnation, participants):
            self._log.info("sweep_ended", incarnation=incarnation, participants=len(sweeps))
        self._swept = frozenset(one.participant for one in sweeps) - left.keys()

    async def _ask(self, due: Sequence[ParticipantSweep], now_us: int) -> None:
        if not due:
            return
        horizon = (await self._store.horizon(self._tenant)).horizon
        above_ms = min([horizon.below_ms, *map(uuid7_unix_ms, horizon.exceptions)])
        asked = [
            (one.participant, self._questions.sweep(one, above_ms=above_ms, random=uuid4(), now_us=now_us))
            for one in due
            if await self._store.ask_sweep(self._tenant, one)
        ]
        await self._send(asked)

    async def _undo(self, incarnation: int) -> None:
        """Nothing is looked for, once all is settled: that is one statement."""
        counts = await self._store.lost_counts(self._tenant)
        self._instruments.lost_effects(counts)
        self._undoing = frozenset()
        if not any(counts.values()):
            return
        await self._owned.note()
        now_us = await self._store.now_us()
        undoing = await self._store.undoing(self._tenant, UNDOS)
        self._undoing = frozenset(one.participant for one in undoing)
        asked = [
            (one.participant, self._questions.undo(one, incarnation=incarnation, now_us=now_us))
            for one in undoing
            if is_due(one, now_us) and await self._store.ask_undo(one)
        ]
        await self._send(asked)

    def _show(self, left: Mapping[str, int]) -> None:
        self.unswept = left
        self._instruments.unswept(left)

    async def _send(self, asked: Sequence[tuple[str, Outgoing]]) -> None:
        """Ask each of these participants. What is not sent is asked again after the silence, and a
        participant whose topics are not to be had keeps no other.
        """
        reached = {name for name in sorted({name for name, _ in asked}) if await self._has_topics(name)}
        sent = [(name, record) for name, record in asked if name in reached]
        if not sent:
            return
        if self._producer is None or not self._producer.usable:
            await self._close()
            self._producer = self._broker.producer()
            await self._producer.start()
        errors = await self._producer.send_all([record for _, record in sent], timeout_s=SEND_LIMIT_S)
        for (name, _), error in zip(sent, errors, strict=True):
            if isinstance(error, RecordRefused):
                self._not_asked(name, error)
            elif error is not None:
                raise error

    async def _has_topics(self, participant: str) -> bool:
        try:
            await self._broker.ensure_topics([self._topics.command(participant), self._topics.reply(participant)])
        except TopicForbidden as forbidden:
            self._not_asked(participant, forbidden)
            return False
        return True

    def _not_asked(self, participant: str, error: BrokerError) -> None:
        self._log.warning("participants_not_asked", participant=participant, error=one_line(error))

    async def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()


def is_due(asked: ParticipantSweep | LostEffect, now_us: int) -> bool:
    """Whether it is asked now: at once, or after a silence that doubles."""
    if isinstance(asked, ParticipantSweep) and asked.done_at_us is not None:
        return False
    silence_us = 0 if not asked.asks else min(ASK_AGAIN_US << min(asked.asks - 1, 10), ASK_CAP_US)
    return asked.asked_at_us + silence_us <= now_us
