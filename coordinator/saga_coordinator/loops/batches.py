"""The loop of batches: each batch that runs comes to its next saga, at its own rate.

One instance at a time works, by an advisory lock. The lock saves work; nothing relies on it: what a
batch does to a saga and where it then stands are one transaction (`batches/members.py`). So it does
not matter where a process is killed, and a batch goes on wherever the next instance looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from saga_coordinator.batches.acts import ACTS
from saga_coordinator.batches.jobs import BatchJobs
from saga_coordinator.batches.members import BatchMembers, BatchMoved
from saga_coordinator.batches.pinning import pinned
from saga_coordinator.failures import Backoff, comes_again, error_fields, one_line
from saga_coordinator.query import QueryRefused
from saga_coordinator.store.port import BatchRow, Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.background import happened
from saga_messaging.clock import Clock

LOOP: Final = "batches"
LOOK_S: Final = 1.0
"""How soon a batch that was made or stopped elsewhere is seen while others run."""
IDLE_S: Final = 5.0
"""While none runs, or another instance works."""
TURN_S: Final = 10.0
"""How long one instance goes on before others may."""
PAGE: Final = 100
FRESH_S: Final = 5.0
"""A page has no more sagas than are acted on in so long: what matched a while ago may match no
more."""
TROUBLE_S: Final = 1.0
TROUBLE_CAP_S: Final = 60.0
TRIES: Final = 5
"""How often a saga is tried that the database does not give, before it is passed."""


@dataclass(slots=True)
class _Going:
    """A batch that this instance works on."""

    row: BatchRow
    next_at_s: float
    """When its next saga is due, by the monotonic clock."""
    ids: deque[UUID] = field(default_factory=deque)
    tries: int = 0
    """Of the next saga."""


class BatchLoop:
    """Works on the batches of one tenant."""

    def __init__(
        self, *, store: Store, jobs: BatchJobs, members: BatchMembers, tenant: str, clock: Clock, instruments: Instruments
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._members = members
        self._tenant = tenant
        self._clock = clock
        self._instruments = instruments
        self._going: dict[UUID, _Going] = {}
        self._unread: frozenset[UUID] = frozenset()
        """Batches of another release, which this one cannot work on."""
        self._backoff = Backoff(TROUBLE_S, TROUBLE_CAP_S)
        self._log = structlog.get_logger(LOOP)

    async def run(self) -> None:
        while True:
            try:
                pause_s = await self._turn()
                self._well()
            except Exception as error:  # a bug must not end the process: batches stay where they are
                pause_s = self._trouble(error)
            await happened(self._jobs.stirred, self._clock, pause_s)
            self._jobs.stirred.clear()

    def _well(self) -> None:
        if self._backoff.failing:
            self._log.info("batches_go_on")
        self._backoff.succeeded()
        self._instruments.batches_wait(None)

    def _trouble(self, error: Exception) -> float:
        """Say why no batch goes on, once a trouble in the log; how long to wait."""
        if comes_again(error):
            self._log.error("batches_failed", **error_fields(error))
            self._instruments.loop_failed(LOOP)
        elif not self._backoff.failing:
            self._log.warning("batches_wait", error=one_line(error))
        known = isinstance(error, StoreError | TimeoutError)
        self._instruments.batches_wait(one_line(error) if known else type(error).__name__)
        return self._backoff.failed()

    async def _turn(self) -> float:
        """Go on until no batch runs, or the turn is over. Returns how long to pause then."""
        if not await self._look():
            return IDLE_S
        async with self._store.batches_lock() as mine:
            if not mine:
                return IDLE_S
            try:
                return await self._work()
            finally:
                for going in self._going.values():
                    going.ids.clear()  # they grow old

    async def _work(self) -> float:
        until_s = self._clock.monotonic_s() + TURN_S
        while (now_s := self._clock.monotonic_s()) < until_s:
            self._keep(await self._look(), now_s)
            if not self._going:
                return IDLE_S
            await self._until(min(now_s + LOOK_S, until_s))
        return 0.0

    async def _look(self) -> Sequence[BatchRow]:
        """The batches that run; the gauges show them whoever works on them."""
        rows = await self._store.open_batches(self._tenant)
        moved_us = min((row.moved_at_us for row in rows), default=None)
        idle_us = 0 if moved_us is None else max(0, await self._store.now_us() - moved_us)
        self._instruments.batches(len(rows), idle_us / 1e6)
        return rows

    def _keep(self, rows: Sequence[BatchRow], now_s: float) -> None:
        """Take up what is new or was worked on elsewhere, and leave what does not run any more."""
        read = [row for row in rows if row.id in self._going or is_understood(row)]
        self._note_unread({row.id for row in rows} - {row.id for row in read})
        before, self._going = self._going, {}
        for row in read:
            going = before.get(row.id)
            self._going[row.id] = going if going is not None and going.row.place == row.place else _Going(row, now_s)

    def _note_unread(self, ids: set[UUID]) -> None:
        for id in ids - self._unread:
            self._log.warning("batch_not_understood", batch=str(id), advice="a later release made it: upgrade this instance")
        self._unread = frozenset(ids)

    async def _until(self, look_at_s: float) -> None:
        """Come to sagas as they are due, until then or until a batch ends."""
        while self._going:
            first = min(self._going.values(), key=lambda one: one.next_at_s)
            pause_s = min(first.next_at_s, look_at_s) - self._clock.monotonic_s()
            if pause_s > 0:
                await self._clock.sleep(pause_s)
            if self._clock.monotonic_s() >= look_at_s:
                return
            await self._next(first)

    async def _next(self, going: _Going) -> None:
        going.next_at_s = max(going.next_at_s + 1 / going.row.rate, self._clock.monotonic_s())
        try:
            if not going.ids:
                going.ids.extend(await self._members.page(going.row, _page_of(going.row)))
            if not going.ids:
                await self._end(going.row)
            else:
                await self._act(going)
        except BatchMoved:
            self._going.pop(going.row.id, None)

    async def _act(self, going: _Going) -> None:
        act, saga_id = ACTS[going.row.act], going.ids[0]
        try:
            going.row, outcome = await self._members.act(going.row, act, saga_id)
        except (StoreError, TimeoutError) as error:
            going.tries += 1
            if going.tries < TRIES:
                raise
            going.row, outcome = await self._members.failed(going.row, saga_id, error), "failed"
        going.ids.popleft()
        going.tries = 0
        self._instruments.batch_saga(act.name, outcome)

    async def _end(self, row: BatchRow) -> None:
        await self._members.ended(row)
        self._going.pop(row.id, None)
        self._log.info("batch_ended", batch=str(row.id), done=row.done, refused=row.refused, failed=row.failed)


def is_understood(row: BatchRow) -> bool:
    """Whether this release can work on it."""
    try:
        pinned(row.query, row.created_at_us)
    except QueryRefused:
        return False
    return row.act in ACTS


def _page_of(row: BatchRow) -> int:
    return max(1, min(PAGE, int(row.rate * FRESH_S)))
