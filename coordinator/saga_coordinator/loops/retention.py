"""The retention loop: what is finished and no longer kept is removed, a small batch at a time.

Finished sagas stand in lines, by version and shelf, and an index gives those that ended first
(`retention/lines.py`). Dead letters, orphans, acts of operators and what they were parts of, ticks
of schedules, lost effects that were settled, and keys that outlived their sagas go by their own
age. Nothing waits for this loop. So it makes way: it goes at a settable rate, never takes more than
a quarter of its time for work, and rests while messages pile up unsent.

One instance at a time removes, by an advisory lock. The lock keeps the rate; nothing else depends
on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from saga_coordinator.archive.port import ArchiveError
from saga_coordinator.definitions.retention import FOREVER
from saga_coordinator.failures import Backoff, error_fields, one_line
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.retention.lines import LEAST_US, LOOK_AGAIN_US, Line, Lines
from saga_coordinator.retention.removal import BATCH_SAGAS, Removal
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.store.removal_port import OldRows
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.clock import Clock

LOOP: Final = "retention"
TURN_S: Final = 10.0
"""How long one instance goes on before others may."""
IDLE_S: Final = 300.0
"""While nothing is due; less where something is kept for less."""
LEAST_S: Final = 0.5
LOADED_S: Final = 5.0
ELSEWHERE_S: Final = 10.0
"""While another instance removes."""
TROUBLE_S: Final = 5.0
TROUBLE_CAP_S: Final = 300.0
WORK_SHARE: Final = 3.0
"""It rests so many times as long as a batch took, at least."""
LATE_US: Final = 10_000_000
LATE_ROWS: Final = 200
"""So many messages of one shard that are so late mean load. A few that the broker refuses do not.
"""
BATCH_ROWS: Final = 500
_ACTS: Final[tuple[OldRows, ...]] = ("audit", "batch", "confirmation")
_TICKS: Final[tuple[OldRows, ...]] = ("schedule_tick", "schedule_tick_range", "schedule_backfill", "schedule_version")
OLD: Final[tuple[OldRows, ...]] = ("dead_letter", "orphan_reply", *_ACTS, *_TICKS)


@dataclass(slots=True)
class _Old:
    """A table whose rows go by their own age."""

    table: OldRows
    kept_us: int
    look_at_us: int = 0
    due_since_us: int | None = None


class RetentionLoop:
    """Removes what is no longer kept."""

    def __init__(
        self,
        *,
        store: Store,
        definitions: DefinitionCache,
        removal: Removal,
        settings: Settings,
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._removal = removal
        self._tenant = settings.tenant
        self._rate = settings.retention_rate
        self._clock = clock
        self._instruments = instruments
        self._lines = Lines(settings.retention)
        kept_ms = {
            "dead_letter": settings.letters_kept_ms,
            "orphan_reply": settings.letters_kept_ms,
            **dict.fromkeys(_ACTS, settings.audit_kept_ms),
            **dict.fromkeys(_TICKS, settings.ticks_kept_ms),
        }
        self._old = [_Old(table, kept_ms[table] * 1000) for table in OLD if kept_ms[table] < FOREVER]
        self._keys_look_at_us = 0
        self._settled_kept_us = settings.audit_kept_ms * 1000
        """Lost effects are kept like the acts that settled them."""
        self._settled_look_at_us = 0 if settings.audit_kept_ms < FOREVER else FOREVER
        self._horizon_again_us = settings.horizon.interval_ms * 1000
        self._waits: str | None = None
        shortest_ms = min(settings.retention.sagas_ms, settings.retention.journals_ms, *kept_ms.values())
        self._idle_us = int(max(LEAST_S, min(IDLE_S, shortest_ms / 1000)) * 1e6)
        self._backoff = Backoff(TROUBLE_S, TROUBLE_CAP_S)
        self._log = structlog.get_logger(LOOP)

    async def run(self) -> None:
        while True:
            try:
                pause_s = await self._turn()
                self._well()
            except ArchiveError as error:
                pause_s = self._trouble("archive", error)
            except (StoreError, TimeoutError) as error:
                pause_s = self._trouble("store", error)
            except Exception as error:  # a bug must not end the process: everything stays where it is
                self._log.error("retention_failed", **error_fields(error))
                self._instruments.loop_failed(LOOP)
                pause_s = self._trouble("bug", error, logged=True)
            await self._clock.sleep(pause_s)

    def _well(self) -> None:
        if self._backoff.failing:
            self._log.info("retention_goes_on")
        self._backoff.succeeded()
        self._instruments.retention_waits(self._waits)

    def _trouble(self, cause: str, error: Exception, *, logged: bool = False) -> float:
        """Note why nothing is removed, once a trouble in the log; how long to wait."""
        text = f"{cause}: {one_line(error)}" if cause != "bug" else f"{cause}: {type(error).__name__}"
        if not self._backoff.failing and not logged:
            self._log.warning("retention_waits", cause=cause, error=one_line(error))
        self._instruments.retention_failed(cause)
        self._instruments.retention_waits(text)
        return self._backoff.failed()

    async def _turn(self) -> float:
        """Go on until nothing is due, or the turn is over. Returns how long to pause then."""
        async with self._store.retention_lock() as mine:
            if not mine:
                self._instruments.retention_lag(0.0)
                return ELSEWHERE_S
            until_s = self._clock.monotonic_s() + TURN_S
            while self._clock.monotonic_s() < until_s:
                if await self._is_loaded() or await self._is_recovering():
                    return LOADED_S
                if not await self._round():
                    return await self._idle_s()
        return 0.0

    async def _round(self) -> bool:
        """One batch of each line and table in which something is due. Whether anything was."""
        now_us = await self._store.now_us()
        went = False
        try:
            for line in self._all_lines():
                if line.look_at_us <= now_us:
                    went |= await self._paced(await self._sagas(line))
            for old in self._old:
                if old.look_at_us <= now_us:
                    went |= await self._paced(await self._rows(old, now_us))
            if self._keys_look_at_us <= now_us:
                went |= await self._paced(await self._keys(now_us))
            if self._settled_look_at_us <= now_us:
                went |= await self._paced(await self._settled(now_us))
        finally:
            self._show(now_us)
        return went

    async def _is_recovering(self) -> bool:
        """After a restore nothing goes, until all that was lost is known (S16)."""
        recovering = (await self._store.horizon(self._tenant)).recovering
        self._waits = "the database was restored: see `saga recover status`" if recovering else None
        return recovering

    def _all_lines(self) -> list[Line]:
        return self._lines.of(self._definitions.rows())

    async def _idle_s(self) -> float:
        """Until the first look that is due."""
        now_us = await self._store.now_us()
        queues: list[Line | _Old] = [*self._all_lines(), *self._old]
        due_us = min((each.look_at_us for each in queues), default=FOREVER)
        return max(LEAST_S, min(due_us - now_us, self._idle_us) / 1e6)

    # --- finished sagas ---------------------------------------------------------------------------

    async def _sagas(self, line: Line) -> tuple[int, float]:
        """One batch of a line: how many sagas were looked at, and how long it took."""
        began_s = self._clock.monotonic_s()
        now_us = await self._store.now_us()
        horizon = await self._store.horizon(self._tenant)
        found = await self._store.finished(line.due(self._tenant, now_us, horizon), after=line.after, limit=BATCH_SAGAS)
        if line.after is None:
            line.due_since_us = found[0].closed_at_us + line.kept_us if found else None
        if not found:
            left = await self._store.finished(line.all(self._tenant), after=None, limit=1)
            first = left[0] if left else None
            line.ended(first, now_us, self._horizon_again_us if line.waits_for(horizon, first) else LEAST_US)
            return 0, 0.0
        taken = await self._removal.take(line.action, found, line.terms)
        line.seen(taken.looked_at, taken.removed.held)
        self._instruments.removed("journal" if line.action == "strip" else "saga", len(taken.removed.sagas), taken.removed.rows)
        return len(taken.looked_at), self._clock.monotonic_s() - began_s

    # --- rows that go by their own age ------------------------------------------------------------

    async def _rows(self, old: _Old, now_us: int) -> tuple[int, float]:
        began_s = self._clock.monotonic_s()
        async with self._store.transaction() as tx:
            count = await tx.remove_old(old.table, self._tenant, now_us - old.kept_us, BATCH_ROWS)
        self._instruments.removed(old.table, count, count)
        if count < BATCH_ROWS:
            oldest_us = await self._store.oldest(old.table, self._tenant)
            due_us = now_us + min(old.kept_us, LOOK_AGAIN_US) if oldest_us is None else oldest_us + old.kept_us
            old.look_at_us = min(max(due_us, now_us + 1_000_000), now_us + LOOK_AGAIN_US)
            old.due_since_us = None
        else:
            old.due_since_us = old.due_since_us or now_us
        return count, self._clock.monotonic_s() - began_s

    async def _keys(self, now_us: int) -> tuple[int, float]:
        """Those that outlived their sagas."""
        began_s = self._clock.monotonic_s()
        async with self._store.transaction() as tx:
            count = await tx.remove_kept_keys(self._tenant, BATCH_SAGAS)
        self._instruments.removed("keys", count, count)
        if count < BATCH_SAGAS:
            self._keys_look_at_us = now_us + self._idle_us
        return count, self._clock.monotonic_s() - began_s

    async def _settled(self, now_us: int) -> tuple[int, float]:
        """Lost effects, once the horizon has passed their sagas. Before, one may be an exception, a
        participant may tell it again, and a start that is read again must know what was undone.
        """
        began_s = self._clock.monotonic_s()
        horizon = await self._store.horizon(self._tenant)
        before_us = min(now_us - self._settled_kept_us, horizon.forgets_before_us)
        async with self._store.transaction() as tx:
            count = await tx.remove_settled(self._tenant, horizon.horizon, before_us, BATCH_ROWS)
        self._instruments.removed("lost_effect", count, count)
        if count < BATCH_ROWS:
            self._settled_look_at_us = now_us + self._idle_us
        return count, self._clock.monotonic_s() - began_s

    # --- pace -------------------------------------------------------------------------------------

    async def _paced(self, done: tuple[int, float]) -> bool:
        """Rest after a batch. Whether there was one."""
        count, took_s = done
        if not count:
            return False
        await self._store.give_back()
        await self._clock.sleep(max(count / self._rate - took_s, took_s * WORK_SHARE))
        return True

    async def _is_loaded(self) -> bool:
        """Whether the coordinators are behind with their own work."""
        late_us = await self._store.now_us() - LATE_US
        for shard in await self._store.outbox_shards(late_us):
            if len(await self._store.outbox_older_than(shard, late_us, LATE_ROWS)) == LATE_ROWS:
                return True
        return False

    def _show(self, now_us: int) -> None:
        """What is held, and the longest time for which something that is due is still there."""
        lines = self._all_lines()
        held: dict[str, int] = {}
        for line in lines:
            for why, count in (line.held or line.held_before).items():
                held[why] = held.get(why, 0) + count
        self._instruments.retention_held(held)
        queues: list[Line | _Old] = [*lines, *self._old]
        due = [each.due_since_us for each in queues if each.due_since_us is not None]
        self._instruments.retention_lag(max(0, now_us - min(due)) / 1e6 if due else 0.0)
