"""Reads a sample of the open sagas, to tell whom they wait for.

A saga's state is no column, and most of them are known to this process anyway: those are not read
again. What must be read is bounded, and so is the share of the time that goes into it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.engine.state import Saga
from saga_coordinator.failures import read_apart
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.sagas.state_cache import StateCache
from saga_coordinator.sagas.stored_saga import stored_saga
from saga_coordinator.store.port import SagaRow, Store
from saga_coordinator.views.open_waits import NOBODY, OpenWait, Waits, open_waits, waits
from saga_messaging.clock import Clock

LOOKED_AT_MOST: Final = 200
"""Sagas of a sample."""
CHOSEN_FROM: Final = 5_000
AT_ONCE: Final = 25
LONGEST_JOURNAL: Final = 200
"""A saga with more records since its stored state is left out, unless it is known."""
PAUSE: Final = 200
"""A sample is good for so many times as long as it took."""
GOOD_FOR_S: Final = 3.0
"""At least."""


class OpenSagas:
    """Whom open sagas wait for, as it was a moment ago."""

    def __init__(self, *, store: Store, tenant: str, definitions: DefinitionCache, states: StateCache, clock: Clock) -> None:
        self._store = store
        self._tenant = tenant
        self._definitions = definitions
        self._states = states
        self._clock = clock
        self._latest = NOBODY
        self._good_until_s = -math.inf

    async def waits(self, open_sagas: int) -> Waits:
        """Whom they wait for; `open_sagas`: how many there are. Raises StoreError."""
        if not open_sagas:
            return NOBODY
        if self._clock.monotonic_s() >= self._good_until_s:
            began_s = self._clock.monotonic_s()
            self._latest = await self._sample(open_sagas)
            ended_s = self._clock.monotonic_s()
            self._good_until_s = ended_s + max(GOOD_FOR_S, (ended_s - began_s) * PAUSE)
        return self._latest

    async def _sample(self, open_sagas: int) -> Waits:
        ids = await self._store.open_saga_ids(self._tenant, CHOSEN_FROM)
        chosen = ids[:: math.ceil(len(ids) / LOOKED_AT_MOST)] if ids else []
        found: list[OpenWait] = []
        looked_at = 0
        for start in range(0, len(chosen), AT_ONCE):
            read = await read_apart(chosen[start : start + AT_ONCE], self._read, lambda *_: [])
            looked_at += len(read)
            found += [wait for waits in read for wait in waits]
            await asyncio.sleep(0)  # others first
        return waits(found, looked_at, max(open_sagas, len(ids)) if len(chosen) < len(ids) else looked_at)

    async def _read(self, ids: Sequence[UUID]) -> list[list[OpenWait]]:
        """What each of them waits for, but for those that cannot be read."""
        rows = await self._store.sagas(ids)
        sagas = {id: known.saga for id, row in rows.items() if (known := self._states.of(row)) is not None}
        sagas |= await self._unknown([row for id, row in rows.items() if id not in sagas])
        found: list[list[OpenWait]] = []
        for id, saga in sagas.items():
            try:
                compiled = await self._definitions.get(rows[id].definition_id)
            except DefinitionMissing:
                continue
            found.append(open_waits(id, rows[id].business_key, compiled.definition, saga))
        return found

    async def _unknown(self, rows: Sequence[SagaRow]) -> dict[UUID, Saga]:
        short = {row.id: row for row in rows if row.version <= LONGEST_JOURNAL}
        journals = await self._store.journals(short)
        found: dict[UUID, Saga] = {}
        for id, row in short.items():
            try:
                found[id] = stored_saga(
                    row, [record for record in journals[id] if row.state_version < record.version <= row.version]
                )
            except UnreadableState:
                continue
        return found
