"""Liveness: since when some instance has fired timers and reached the broker, without a lapse.

Limits act on silence, and silence proves something only while we ask and could hear. Every instance
that fires timers beats with each look of the lookout: once a second, and at rest every two. It
reads the database's time, asks the broker, and then writes that time into the store as the time at
which it was seen (two rows in `control`). An
instance that finds that nobody was seen for longer than `LAPSE_US` writes that a new life begins.
Probes of an earlier life do not count (`engine/timing.py`): what kept us away may have kept the
participants away too.

An outage shorter than that goes unnoticed; it takes its length from a grace. What this instance
knows is a hint that ages. When its own last beat is too old (it was suspended, or the broker or the
database is away), it does not know whether anybody lives, and no limit acts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import Broker, BrokerError
from saga_schemas.ids import parse_number

SCOPE: Final = "life"
LOOP: Final = "life"
LAPSE_US: Final = 5_000_000
REACH_S: Final = 3.0
SEEN: Final = "seen_at"
_SINCE: Final = "alive_since"
_TROUBLE = (StoreError, BrokerError, TimeoutError)


class Liveness:
    """The beats of one instance, and what they say."""

    def __init__(
        self,
        *,
        store: Store,
        lookout: Lookout,
        broker: Broker,
        sends: Callable[[], bool],
        tenant: str,
        who: str,
        instruments: Instruments,
    ) -> None:
        """Prepare the beats.

        Args:
            store: Where beats are written.
            lookout: Gives the database's time, and the beats of others.
            broker: What a beat asks.
            sends: Whether commands leave, as far as this instance knows.
            tenant: Whose sagas.
            who: Is written beside each beat.
            instruments: Where failures are counted.
        """
        self._store = store
        self._looks = lookout.looks()
        self._broker = broker
        self._sends = sends
        self._tenant = tenant
        self._who = who
        self._instruments = instruments
        self._seen_at_us = 0
        self._since_us = 0
        self.trouble = ""
        """Why the last beat failed; empty: it did not."""
        self.kafka_away: str | None = None
        """Why the broker did not answer the last beat; None: it did."""
        self._log = structlog.get_logger("life")

    def since_us(self, now_us: int) -> int | None:
        """Since when somebody has lived, for a decision.

        Args:
            now_us: The decision's time, by the database's clock.

        Returns:
            The time at which this life began; None: nobody knows that we live.
        """
        return self._since_us if now_us - self._seen_at_us <= LAPSE_US else None

    @property
    def seen_at_us(self) -> int | None:
        """The last beat of this instance, by the database's clock; None: there was none."""
        return self._seen_at_us or None

    async def run(self) -> None:
        while True:
            try:
                await self.beat(await self._looks.next())
                self.trouble = ""
                self._instruments.loops.went(LOOP)
            except _TROUBLE as error:
                self._log_once(str(error) or type(error).__name__)
            except Exception as error:  # a bug: limits wait
                self._log.error("beat_failed", exc_info=error)
                self._instruments.loop_failed(LOOP)
                self._instruments.loops.failed(LOOP, error)
                self.trouble = type(error).__name__

    async def beat(self, look: Look) -> None:
        """Beat once. Raises StoreError, BrokerError, TimeoutError: we were not seen then."""
        at_us = look.now_us  # of before the beat, so that a long one makes us look older
        async with asyncio.timeout(LAPSE_US / 1e6):
            if not self._sends():
                raise BrokerError("commands do not leave")
            await self._reach()
            rows = look.control.get(SCOPE, {})
            seen_us, since_us = (parse_number(rows.get(name, "")) for name in (SEEN, _SINCE))
            lapsed = not _goes_on(seen_us, since_us, at_us)
            beat = {SEEN: at_us} | ({_SINCE: at_us} if lapsed else {})
            values = {name: str(value) for name, value in beat.items()}
            await self._store.note(SCOPE, self._tenant, values, who=self._who, why="timers are fired")
        self._seen_at_us, self._since_us = at_us, at_us if lapsed or since_us is None else since_us
        if lapsed:
            self._log.info("life_begins", silent_s=round((at_us - seen_us) / 1e6) if seen_us else None)

    async def _reach(self) -> None:
        try:
            async with asyncio.timeout(REACH_S):
                await self._broker.cluster_id()
        except (BrokerError, TimeoutError) as error:
            self.kafka_away = str(error) or f"no answer within {REACH_S:g} s"
            raise
        self.kafka_away = None

    def _log_once(self, trouble: str) -> None:
        """Log the trouble once: no limit acts until it is over."""
        if not self.trouble:
            self._log.warning("limits_wait", error=trouble)
        self.trouble = trouble


def _goes_on(seen_us: int | None, since_us: int | None, now_us: int) -> bool:
    """Whether the life in the store is ours to carry on.

    It is not when its last beat is long ago, when the clock was set back behind its beginning, or
    when its rows are missing or were edited by hand.
    """
    return seen_us is not None and since_us is not None and now_us - seen_us <= LAPSE_US and since_us <= now_us
