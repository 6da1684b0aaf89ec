"""The timer loop: it wakes sagas whose wake-up is due, and sagas for which something waits in the
inbox.

A fired timer is a request to the engine, which decides. A locked saga is skipped: whoever holds it
leaves its wake-up in place, so nothing is lost. A limit that has passed acts only once the replies
concerned are read up to later than it. The loop asks for that reading (a row in `control`), and
whoever owns the partitions does it (`loops/catch_up_loop.py`). The limit must also have been probed
in the life that goes on now (`loops/liveness.py`).

While a saga is open the loop looks for itself, four times a second or when the next wake-up is due.
While none is, it waits for a look of the lookout that finds one.

When a saga breaks the batch's transaction, the sagas go one by one. The guilty one is parked
(`batch/parking.py`) and left alone for a while, each time longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import structlog

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.fold import EventFold
from saga_coordinator.batch.loader import SagaLoader
from saga_coordinator.batch.parking import Parking
from saga_coordinator.batch.plan import Batch
from saga_coordinator.engine import timing
from saga_coordinator.engine.events import Env, Event, Reply, WakeUp
from saga_coordinator.failures import KeyedBackoff, comes_again, error_fields, one_line
from saga_coordinator.inbound.dead_letters import as_bad_message, dead_letter
from saga_coordinator.inbound.inbox import from_inbox
from saga_coordinator.inbound.refused_replies import look_back_to_us, unread_steps
from saga_coordinator.inbound.reply_envelope import CONSUMER as REPLIES
from saga_coordinator.inbound.reply_envelope import ReplyEnvelopes
from saga_coordinator.inbound.reply_payload import ReplyPayloads
from saga_coordinator.loops.catch_up_loop import CatchUpRequests
from saga_coordinator.loops.liveness import Liveness
from saga_coordinator.loops.lookout import Lookout
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
        lookout: Lookout,
        committer: Committer,
        loader: SagaLoader,
        events: EventFold,
        envelopes: ReplyEnvelopes,
        payloads: ReplyPayloads,
        catch_up_requests: CatchUpRequests,
        liveness: Liveness,
        clock: Clock,
        instruments: Instruments,
        batch_sagas: int,
    ) -> None:
        self._store = store
        self._looks = lookout.looks()
        self._at_rest = True
        self._committer = committer
        self._loader = loader
        self._events = events
        self._envelopes = envelopes
        self._payloads = payloads
        self._catch_up_requests = catch_up_requests
        self._liveness = liveness
        self._clock = clock
        self._instruments = instruments
        self._batch_sagas = batch_sagas
        self._parking = Parking(committer, loader, instruments)
        self._backoff: KeyedBackoff[UUID] = KeyedBackoff()
        self._log = structlog.get_logger("timers")

    async def run(self) -> None:
        while True:
            try:
                await self._round()
                self._instruments.loops.went(LOOP)
            except Exception as error:  # a bug must not end the process
                self._instruments.loops.failed(LOOP, error)
                self._note(error)
                await self._clock.sleep(_BACKOFF_S)

    def _note(self, error: Exception) -> None:
        if not comes_again(error):
            self._log.warning("timers_delayed", error=one_line(error))
            return
        self._log.error("timers_failed", **error_fields(error))
        self._instruments.loop_failed(LOOP)

    async def _round(self) -> None:
        """Wake what is due, and sleep until the next wake-up, but never long: others leave inbox
        events without a word.
        """
        if self._at_rest:
            look = await self._looks.next()
            self._at_rest = look.next_due_us is None and not look.inbox
            return
        next_due_s = await self._store.earliest_due_in_s()
        if next_due_s is None:
            self._at_rest = True
        elif next_due_s > 0:
            await self._clock.sleep(min(max(next_due_s, IDLE_S), _MAX_SLEEP_S))
        else:
            await self._clock.sleep(0 if await self.once() else IDLE_S)

    async def once(self) -> bool:
        """One batch. Returns whether it was full, so that the next should follow at once."""
        due = await self._store.due(self._batch_sagas + len(self._backoff))
        due = self._backoff.ready(due, self._clock.monotonic_s())[: self._batch_sagas]
        if not due:
            return False
        caught_up_at_us = await self._catch_up_requests.caught_up()
        try:
            done = await self._wake(due, caught_up_at_us)
        except Exception as error:
            if not comes_again(error):
                raise
            self._note(error)
            done = await self._one_by_one(due, caught_up_at_us)
        await self._ask_to_catch_up(done)
        return len(done) >= self._batch_sagas

    async def _one_by_one(self, due: list[UUID], caught_up_at_us: Mapping[str, int]) -> list[SagaWork]:
        done: list[SagaWork] = []
        for saga_id in due:
            try:
                done += await self._wake([saga_id], caught_up_at_us)
            except Exception as error:
                if not comes_again(error):
                    raise
                pause_s = self._backoff.failed(saga_id, self._clock.monotonic_s())
                await self._parking.park(saga_id, error, retry_in_s=pause_s)
        return done

    async def _wake(self, due: list[UUID], caught_up_at_us: Mapping[str, int]) -> list[SagaWork]:
        """One transaction for these sagas, but for those that somebody else holds.

        A saga that cannot be opened stays due. It is left alone for a while, or many of its kind
        would take the places of all others.

        Returns:
            The sagas that were woken.
        """
        async with self._committer.batch(LockFirst(due, wait=False)) as batch:
            await self._drop_of_removed(batch.tx, due)
            await self._fold(batch, caught_up_at_us)
            locked = list(batch.tx.locked)
        woken = batch.works
        opened = {work.row.id for work in woken}
        for saga_id in locked:
            if saga_id in opened:
                self._backoff.succeeded(saga_id)
            else:
                self._backoff.failed(saga_id, self._clock.monotonic_s())
        due_at_us = [(work.looked_at_us, work.row.wake_at_us) for work in woken if work.row.wake_at_us is not None]
        self._instruments.timer_batch(len(woken), [looked_us - due_us for looked_us, due_us in due_at_us if due_us <= looked_us])
        return woken

    async def _drop_of_removed(self, tx: Transaction, due: list[UUID]) -> None:
        """A reply that was left for a finished saga may stand there when that is removed: nobody
        would ever read it.
        """
        unlocked = [saga_id for saga_id in due if saga_id not in tx.locked]
        removed = set(unlocked) - await tx.exists(unlocked) if unlocked else set()
        if removed:
            left = await tx.inbox_of(removed)
            await tx.delete_inbox([event.id for event in left])
            self._instruments.old_replies(len(left))

    async def _fold(self, batch: Batch, caught_up_at_us: Mapping[str, int]) -> None:
        """Apply what waits in each saga's inbox, then wake it."""
        tx = batch.tx
        left: dict[UUID, list[InboxEvent]] = {}
        for event in await tx.inbox_of(list(tx.locked)):
            left.setdefault(event.saga_id, []).append(event)
        works = await self._loader.open(tx)
        env = Env(now_us=tx.now_us, caught_up_at_us=caught_up_at_us, alive_since_us=self._liveness.since_us(tx.now_us))
        replies: dict[UUID, list[Reply]] = {}
        for saga_id, work in works.items():
            replies[saga_id], unreadable = self._from_inbox(work, left.get(saga_id, []), tx.now_us)
            batch.dead_letters.extend(unreadable)
        unread = await self._unread(tx, works, env, batch.dead_letters)
        for steps in {frozenset[str](), *unread.values()}:  # nearly always only the first, for all
            alike = [saga_id for saga_id in works if unread.get(saga_id, frozenset()) == steps]
            events: list[tuple[SagaWork, list[Event]]] = [(works[saga_id], [*replies[saga_id], WakeUp()]) for saga_id in alike]
            await self._events.fold(tx, events, replace(env, unread=steps) if steps else env)
        batch.works.extend(works.values())

    async def _unread(
        self, tx: Transaction, works: Mapping[UUID, SagaWork], env: Env, letters: Iterable[DeadLetter]
    ) -> Mapping[UUID, frozenset[str]]:
        """The steps that are done by a reply which nobody here can read yet.

        A limit that is about to turn a saga back must not act on such a step.

        Args:
            tx: The open transaction.
            works: The sagas of the batch.
            env: The time of the decision.
            letters: Dead letters of this very batch, which no query finds.

        Returns:
            The steps of each such saga.
        """
        limited = {
            saga_id: work.compiled.definition
            for saga_id, work in works.items()
            if work.saga is not None
            and timing.limits_passed(work.compiled.definition, work.saga, env.now_us, env.lived_since_us, work.pauses)
        }
        since_us = look_back_to_us(env.now_us, limited.values())
        stored = await tx.unread_replies(list(limited), since_us=since_us) if limited else []
        return unread_steps([*stored, *letters])

    def _from_inbox(self, work: SagaWork, left: list[InboxEvent], now_us: int) -> tuple[list[Reply], list[DeadLetter]]:
        """The replies that were left for the saga.

        One that cannot be read after all (its token's key was taken away meanwhile) becomes a dead
        letter, as it would have at once.
        """
        replies: list[Reply] = []
        unreadable: list[DeadLetter] = []
        for event in left:
            work.inbox_done.append(event.id)
            record = from_inbox(event.body)
            try:
                replies.append(self._payloads.read(self._envelopes.read(record), work.compiled))
            except Exception as error:
                bad = as_bad_message(error)
                self._log.warning("bad_inbox_event", **about(work), reason=bad.reason)
                unreadable.append(dead_letter(REPLIES, record, bad, now_us))
        return replies, unreadable

    async def _ask_to_catch_up(self, works: list[SagaWork]) -> None:
        wanted: set[str] = set()
        for work in works:
            if work.saga is not None:
                definition, looked_us = work.compiled.definition, work.looked_at_us
                wanted |= timing.catch_up_wanted(definition, work.saga, looked_us, work.lived_since_us, work.pauses)
        if wanted:
            await self._catch_up_requests.request(wanted)
