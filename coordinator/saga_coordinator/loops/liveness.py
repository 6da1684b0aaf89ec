"""Since when somebody has lived: fired timers and reached the broker, without a lapse.

Limits act on silence, and silence proves something only while we ask and could hear. Every instance that fires timers beats once a
second: it asks the broker, then says in the store (two rows in `control`) that it was seen, at the database's time read before that. Who
finds that nobody was seen for longer than `LAPSE_US` writes that a new life begins. Probes of an earlier one do not count
(`engine/timing.py`): what kept us away may have kept the participants away too.

An outage shorter than that goes unnoticed: it takes that much from a grace. What this instance knows is a hint that ages: when its own
last beat is too old (it was suspended, the broker or the database is away), nobody knows, and no limit acts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import Broker, BrokerError
from saga_messaging.clock import Clock

SCOPE: Final = "life"
LOOP: Final = "life"
EVERY_S: Final = 1.0
LAPSE_US: Final = 5_000_000
REACH_S: Final = 3.0
_SEEN, _SINCE = "seen_at", "alive_since"
_TROUBLE = (StoreError, BrokerError, TimeoutError)


class Liveness:
    """The beats of one instance, and what they say."""

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        sends: Callable[[], bool],
        tenant: str,
        clock: Clock,
        who: str,
        instruments: Instruments,
    ) -> None:
        """`sends`: commands leave, as far as this instance knows."""
        self._store = store
        self._broker = broker
        self._sends = sends
        self._tenant = tenant
        self._clock = clock
        self._who = who
        self._instruments = instruments
        self._seen_at = 0
        self._since = 0
        self.trouble = ""
        """Why the last beat failed; empty: it did not."""
        self.kafka_away: str | None = None
        """Why the broker did not answer the last beat; None: it did."""
        self._log = structlog.get_logger("life")

    def since(self, now: int) -> int | None:
        """For a decision at `now`, of the database's clock; None: nobody knows that we live."""
        return self._since if now - self._seen_at <= LAPSE_US else None

    async def run(self) -> None:
        while True:
            try:
                await self.beat()
                self.trouble = ""
                self._instruments.loops.went(LOOP)
            except _TROUBLE as error:
                self._tell(str(error) or type(error).__name__)
            except Exception as error:  # a bug, or a row edited by hand: it holds up limits, and must not end the process
                self._log.error("beat_failed", exc_info=error)
                self._instruments.loop_failed(LOOP)
                self._instruments.loops.failed(LOOP, error)
                self.trouble = type(error).__name__
            await self._clock.sleep(EVERY_S)

    async def beat(self) -> None:
        """Raises StoreError, BrokerError, TimeoutError: then we were not seen."""
        async with asyncio.timeout(LAPSE_US / 1e6):
            at = await self._store.now()  # first: whatever takes long below makes us look older, not younger
            if not self._sends():
                raise BrokerError("commands do not leave")
            await self._reach()
            rows = await self._store.control(SCOPE, self._tenant)
            seen, since = int(rows.get(_SEEN, 0)), int(rows.get(_SINCE, 0))
            lapsed = at - seen > LAPSE_US
            said = {_SEEN: at} | ({_SINCE: at} if lapsed else {})
            async with self._store.transaction() as tx:
                for name, value in said.items():
                    await tx.set_control(
                        scope=SCOPE, tenant=self._tenant, name=name, value=str(value), who=self._who, why="timers are fired"
                    )
        self._seen_at, self._since = at, at if lapsed else since
        if lapsed:
            self._log.info("life_begins", silent_s=round((at - seen) / 1e6) if seen else None)

    async def _reach(self) -> None:
        try:
            async with asyncio.timeout(REACH_S):
                await self._broker.cluster_id()
        except (BrokerError, TimeoutError) as error:
            self.kafka_away = str(error) or f"no answer within {REACH_S:g} s"
            raise
        self.kafka_away = None

    def _tell(self, trouble: str) -> None:
        """Once: no limit acts until it is over."""
        if not self.trouble:
            self._log.warning("limits_wait", error=trouble)
        self.trouble = trouble
