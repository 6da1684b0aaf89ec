"""The timer loop: sagas whose wake-up is due, and sagas for which something waits in the inbox.

A fired timer is a request to the engine, which decides. Who holds a saga's lock right now will leave its wake-up in place, so skipping a
locked saga loses nothing. A limit that has passed acts only once the replies concerned are read up to later than it: the loop asks for
that reading (a row in `control`), and whoever owns the partitions does it (`drains.py`). It was probed in the life that goes on now
(`life.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import structlog

from saga_coordinator.committer import Batch, Committer
from saga_coordinator.drains import DrainRequests
from saga_coordinator.engine import timing
from saga_coordinator.engine.events import Env, WakeUp
from saga_coordinator.instruments import Instruments
from saga_coordinator.life import Life
from saga_coordinator.reply_reading import ReplyReading
from saga_coordinator.saga_log import about
from saga_coordinator.sagas import Sagas
from saga_coordinator.store.port import InboxEvent, LockFirst, Store, StoreError, Transaction
from saga_coordinator.transitions import SagaWork
from saga_messaging.clock import Clock
from saga_schemas.errors import BadMessage

IDLE_S = 0.1
_BACKOFF_S = 1.0
_MAX_SLEEP_S = 0.25


class TimerLoop:
    """Wakes sagas."""

    def __init__(
        self,
        *,
        store: Store,
        committer: Committer,
        sagas: Sagas,
        reading: ReplyReading,
        drains: DrainRequests,
        life: Life,
        clock: Clock,
        instruments: Instruments,
        batch_sagas: int,
    ) -> None:
        self._store = store
        self._committer = committer
        self._sagas = sagas
        self._reading = reading
        self._drains = drains
        self._life = life
        self._clock = clock
        self._instruments = instruments
        self._batch_sagas = batch_sagas
        self._log = structlog.get_logger("timers")

    async def run(self) -> None:
        while True:
            try:
                busy = await self.once()
                await self._clock.sleep(0 if busy else await self._idle_s())
            except StoreError as error:
                self._log.warning("timers_delayed", error=str(error))
                await self._clock.sleep(_BACKOFF_S)
            except Exception as error:  # a bug must not end the process, nor the other sagas' timers
                self._log.error("timers_failed", exc_info=error)
                self._instruments.loop_failed("timers")
                await self._clock.sleep(_BACKOFF_S)

    async def _idle_s(self) -> float:
        """Until the next wake-up, but never long: others leave inbox events without telling."""
        next_due = await self._store.earliest_due_in_s()
        return _MAX_SLEEP_S if next_due is None else min(max(next_due, IDLE_S), _MAX_SLEEP_S)

    async def once(self) -> bool:
        """One batch. True when it was full of work, so the next should follow at once."""
        due = await self._store.due(self._batch_sagas)
        if not due:
            return False
        caught_up = await self._drains.caught_up()
        done: list[SagaWork] = []

        async def body(tx: Transaction) -> Batch:
            done.clear()
            batch = await self._fold(tx, caught_up)
            done.extend(batch.works)
            return batch

        await self._committer.run(body, LockFirst(due, wait=False))
        due_at = [(work.looked_at, work.row.wake_at) for work in done if work.row.wake_at is not None]
        self._instruments.timer_batch(len(done), [looked - due for looked, due in due_at if due <= looked])
        await self._ask_for_drains(done)
        return len(done) >= self._batch_sagas

    async def _fold(self, tx: Transaction, caught_up: Mapping[str, int]) -> Batch:
        rows = tx.locked
        events: dict[UUID, list[InboxEvent]] = {}
        for event in await tx.inbox_of(list(rows)):
            events.setdefault(event.saga_id, []).append(event)
        works = await self._sagas.open(rows.values())
        env = Env(now=tx.now, caught_up=caught_up, alive_since=self._life.since(tx.now))
        for saga_id, work in works.items():
            for event in events.get(saga_id, []):
                self._from_inbox(work, event, env)
            self._sagas.apply(work, WakeUp(), env)
        return Batch(works=list(works.values()))

    def _from_inbox(self, work: SagaWork, event: InboxEvent, env: Env) -> None:
        work.inbox_done.append(event.id)
        try:
            reply = self._reading.event(self._reading.kept(event.body), work.compiled)
        except BadMessage as bad:
            self._log.warning("bad_inbox_event", **about(work), reason=bad.reason)
            return
        self._sagas.apply(work, reply, env)

    async def _ask_for_drains(self, works: list[SagaWork]) -> None:
        wanted: set[str] = set()
        for work in works:
            if work.saga is not None:
                wanted |= timing.drains_wanted(work.compiled.definition, work.saga, work.looked_at, work.lived_since)
        if wanted:
            await self._drains.request(wanted)
