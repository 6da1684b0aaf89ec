"""The horizon loop: what may be forgotten is found now and then, and participants are told.

Any number of instances may do it at once: what is stored only rises, and a horizon that was true
once is true for ever, so it may be announced twice and in any order. An instance that sees that
another has just done it leaves it at that. An announcement that is lost is said again with the
next, so it needs no outbox. A store whose sagas are all younger than the lag has nothing to say.
"""

from __future__ import annotations

from typing import Final

import structlog

from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.failures import error_fields, one_line
from saga_coordinator.horizon.announcing import Announcer
from saga_coordinator.horizon.participants import named, silent
from saga_coordinator.horizon.raising import Raising, Round
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.horizon_port import StoredHorizon
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import BrokerError
from saga_messaging.clock import Clock
from saga_schemas.outcomes import AnnouncementKind

LOOP: Final = "horizon"
LOOK_S: Final = 60.0
"""How often it is looked at whether it is time, and how late the horizon is."""
STORE: Final = "store"
BUG: Final = "bug"


class HorizonLoop:
    """Raises the horizon and announces it."""

    def __init__(
        self,
        *,
        store: Store,
        definitions: DefinitionCache,
        raising: Raising,
        announcer: Announcer,
        terms: HorizonTerms,
        tenant: str,
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._raising = raising
        self._announcer = announcer
        self._terms = terms
        self._tenant = tenant
        self._clock = clock
        self._instruments = instruments
        self._held_by: str | None = None
        self._unheard = ""
        self._log = structlog.get_logger(LOOP)

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (StoreError, TimeoutError) as error:
                self._note(Round(held_by=STORE, why=one_line(error)))
            except Exception as error:  # a bug must not end the process: the horizon stays where it is
                self._log.error("horizon_failed", **error_fields(error))
                self._instruments.loop_failed(LOOP)
                self._note(Round(held_by=BUG, why=type(error).__name__))
            await self._clock.sleep(min(LOOK_S, self._terms.interval_ms / 1000))

    async def look(self) -> None:
        """Raise and announce where it is time for it, and show how it stands. Raises StoreError."""
        stored = await self._store.horizon(self._tenant)
        if self._is_old(stored.stored_at_us, await self._store.now_us()):
            self._note(await self._raising.round())
            stored = await self._store.horizon(self._tenant)
        if await self._is_news(stored):
            await self._announce(stored)
        await self._show(await self._store.horizon(self._tenant))

    def _is_old(self, at_us: int, now_us: int) -> bool:
        """Whether that was an interval ago. A time to come is of a clock that was set back."""
        return not 0 <= now_us - at_us < self._terms.interval_ms * 1000

    async def _is_news(self, stored: StoredHorizon) -> bool:
        """Whether participants are to be told."""
        told_us = stored.announced_at_us
        if stored.recovering:
            return False
        if told_us is None:
            return await self._store.any_saga_below(stored.horizon.below_ms)
        return told_us < stored.stored_at_us or self._is_old(told_us, await self._store.now_us())

    async def _announce(self, stored: StoredHorizon) -> None:
        """Tell all. It is noted where any could be told; the others are told with the next."""
        participants = list(named(self._definitions.rows()))
        try:
            failed = await self._announcer.announce(stored.horizon, participants, await self._store.now_us())
        except (BrokerError, TimeoutError) as error:
            self._not_announced(one_line(error))
            self._instruments.announced(AnnouncementKind.HORIZON, 0, len(participants))
            return
        self._instruments.announced(AnnouncementKind.HORIZON, len(participants) - len(failed), len(failed))
        self._not_announced("; ".join(f"{name}: {error}" for name, error in failed.items()))
        await self._store.note_announced()

    def _not_announced(self, why: str) -> None:
        """Say it once."""
        if why and why != self._unheard:
            self._log.warning("horizon_not_announced", error=why)
        self._unheard = why

    def _note(self, done: Round) -> None:
        """Show what holds the horizon back, and say it once."""
        self._instruments.horizon_held(done.held_by)
        if done.held_by == self._held_by:
            return
        if done.held_by is not None:
            self._log.warning("horizon_held", why=done.held_by, advice=done.why)
        else:
            self._log.info("horizon_goes_on")
        self._held_by = done.held_by

    async def _show(self, stored: StoredHorizon) -> None:
        now_us = await self._store.now_us()
        lag_ms = await self._raising.lag_ms()
        if lag_ms is not None:
            late_ms = now_us // 1000 - lag_ms - stored.horizon.below_ms
            self._instruments.horizon(max(0, late_ms) / 1000, len(stored.horizon.exceptions))
        memories = await self._store.participant_memories()
        asked = await self._definitions.participants() if stored.announced_at_us is not None else ()
        self._instruments.horizon_silent({name: silent(memories.get(name), now_us, self._terms) for name in asked})
