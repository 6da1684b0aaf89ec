"""The timer loop: sagas whose wake-up is due, and sagas for which something waits in the inbox.

A timer that fires is a request to the engine, which decides. Whoever holds a saga's lock leaves its
wake-up in place, so skipping a locked saga loses nothing. A limit that has passed acts only once the
replies concerned are read up to a later time. The loop asks for that reading (a row in `control`), and
the instance that owns the partitions does it (`catch_up_loop.py`). The step must also have been probed
since an instance last came to life (`liveness.py`).

When a saga breaks the batch's transaction, it is searched for at once. The others go on. The guilty
one is parked (`parking.py`) and left alone for a while, each time longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import structlog

from saga_coordinator.batch.committer import Batch, Committer
from saga_coordinator.batch.loader import Sagas
from saga_coordinator.batch.parking import Parking
from saga_coordinator.engine import timing
from saga_coordinator.engine.events import Env, Event, Reply, WakeUp
from saga_coordinator.failures import Held, comes_again, said, told
from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.inbound.refused_replies import looked_back_to, unread_steps
from saga_coordinator.inbound.reply_reading import CONSUMER as REPLIES
from saga_coordinator.inbound.reply_reading import ReplyReading
from saga_coordinator.loops.catch_up_loop import CatchUpRequests
from saga_coordinator.loops.liveness import Liveness
from saga_coordinator.loops.record_loop import as_bad
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.store.port import DeadLetter, InboxEvent, LockFirst, Store, Transaction
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about
from saga_messaging.clock import Clock

LOOP = "timers"
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
        drains: CatchUpRequests,
        life: Liveness,
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
        self._parking = Parking(committer, sagas, instruments)
        self._held: Held[UUID] = Held()
        self._log = structlog.get_logger("timers")

    async def run(self) -> None:
        while True:
            try:
                busy = await self.once()
                await self._clock.sleep(0 if busy else await self._idle_s())
                self._instruments.loops.went(LOOP)
            except Exception as error:  # a bug must not end the process
                self._instruments.loops.failed(LOOP, error)
                self._note(error)
                await self._clock.sleep(_BACKOFF_S)

    def _note(self, error: Exception) -> None:
        if not comes_again(error):
            self._log.warning("timers_delayed", error=said(error))
            return
        self._log.error("timers_failed", **told(error))
        self._instruments.loop_failed(LOOP)

    async def _idle_s(self) -> float:
        """Until the next wake-up, but never long: others leave inbox events without telling."""
        next_due = await self._store.earliest_due_in_s()
        return _MAX_SLEEP_S if next_due is None else min(max(next_due, IDLE_S), _MAX_SLEEP_S)

    async def once(self) -> bool:
        """One batch. True when it was full of work, so the next should follow at once."""
        due = self._held.free(await self._store.due(self._batch_sagas + len(self._held)), self._clock.monotonic_s())
        due = due[: self._batch_sagas]
        if not due:
            return False
        caught_up = await self._drains.caught_up()
        try:
            done = await self._wake(due, caught_up)
        except Exception as error:
            if not comes_again(error):
                raise
            self._note(error)
            done = await self._one_by_one(due, caught_up)
        await self._ask_for_drains(done)
        return len(done) >= self._batch_sagas

    async def _one_by_one(self, due: list[UUID], caught_up: Mapping[str, int]) -> list[SagaWork]:
        done: list[SagaWork] = []
        for saga_id in due:
            try:
                done += await self._wake([saga_id], caught_up)
            except Exception as error:
                if not comes_again(error):
                    raise
                wait_s = self._held.hold(saga_id, self._clock.monotonic_s())
                await self._parking.park(saga_id, error, retry_in_s=wait_s)
        return done

    async def _wake(self, due: list[UUID], caught_up: Mapping[str, int]) -> list[SagaWork]:
        """One transaction; the sagas that were not held by somebody else. One that cannot be opened stays due: it is left alone for a
        while, or many of its kind would take the places of all others."""
        done: list[SagaWork] = []
        locked: set[UUID] = set()

        async def body(tx: Transaction) -> Batch:
            batch = await self._fold(tx, caught_up)
            locked.update(tx.locked)
            done.extend(batch.works)
            return batch

        await self._committer.run(body, LockFirst(due, wait=False))
        opened = {work.row.id for work in done}
        for saga_id in opened:
            self._held.drop(saga_id)
        for saga_id in locked - opened:
            self._held.hold(saga_id, self._clock.monotonic_s())
        due_at = [(work.looked_at, work.row.wake_at) for work in done if work.row.wake_at is not None]
        self._instruments.timer_batch(len(done), [looked - due for looked, due in due_at if due <= looked])
        return done

    async def _fold(self, tx: Transaction, caught_up: Mapping[str, int]) -> Batch:
        rows = tx.locked
        events: dict[UUID, list[InboxEvent]] = {}
        for event in await tx.inbox_of(list(rows)):
            events.setdefault(event.saga_id, []).append(event)
        works = await self._sagas.open(rows.values())
        env = Env(now=tx.now, caught_up=caught_up, alive_since=self._life.since(tx.now))
        letters: list[DeadLetter] = []
        happened = {saga_id: self._from_inbox(work, events.get(saga_id, []), letters, tx.now) for saga_id, work in works.items()}
        unread = await self._unread(tx, works, env, letters)
        for steps in {frozenset[str](), *unread.values()}:  # nearly always only the first, for all
            alike = [saga_id for saga_id in works if unread.get(saga_id, frozenset()) == steps]
            of_each: list[tuple[SagaWork, list[Event]]] = [(works[saga_id], [*happened[saga_id], WakeUp()]) for saga_id in alike]
            await self._sagas.fold(tx, of_each, replace(env, unread=steps) if steps else env)
        return Batch(works=list(works.values()), dead_letters=letters)

    async def _unread(
        self, tx: Transaction, works: Mapping[UUID, SagaWork], env: Env, letters: Iterable[DeadLetter]
    ) -> Mapping[UUID, frozenset[str]]:
        """Of sagas that a limit is about to turn back: the steps that are done by a reply nobody here can read yet. `letters`: those
        of this very batch, which no query finds."""
        limited = {
            saga_id: work.compiled.definition
            for saga_id, work in works.items()
            if work.saga is not None and timing.drains_wanted(work.compiled.definition, work.saga, env.now, env.lived_since)
        }
        since = looked_back_to(env.now, limited.values())
        stored = await tx.unread_replies(list(limited), since=since) if limited else []
        return unread_steps([*stored, *letters])

    def _from_inbox(self, work: SagaWork, events: list[InboxEvent], letters: list[DeadLetter], now: int) -> list[Reply]:
        """What cannot be read after all (the token's key was taken away meanwhile) becomes a dead letter, as it would have at once."""
        replies = []
        for event in events:
            work.inbox_done.append(event.id)
            record = self._reading.kept(event.body)
            try:
                replies.append(self._reading.event(self._reading.envelope(record), work.compiled))
            except Exception as error:
                bad = as_bad(error)
                self._log.warning("bad_inbox_event", **about(work), reason=bad.reason)
                letters.append(dead_letter(REPLIES, record, bad, now))
        return replies

    async def _ask_for_drains(self, works: list[SagaWork]) -> None:
        wanted: set[str] = set()
        for work in works:
            if work.saga is not None:
                wanted |= timing.drains_wanted(work.compiled.definition, work.saga, work.looked_at, work.lived_since)
        if wanted:
            await self._drains.request(wanted)
