"""After the pause of a definition or a participant the sagas that it held are woken.

Pages of open sagas are locked, and their wake-ups made due; the timer loop does the rest, at its
own pace. How far that is stands in the pause's row and moves with each page, in its transaction. So
a crash between any two lines costs a page that is woken twice, and of two instances at the same
page one rolls back.

An instance that has not heard of the end yet may decide by an older look for some seconds, and
leave a saga held that was woken already. So there is a second round once all have heard: a
transaction that decided before holds the saga's lock, and the second round waits for it.
"""

from __future__ import annotations

from typing import Final

import structlog

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.loader import SagaLoader
from saga_coordinator.failures import one_line
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.pauses.stored import read, write
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.store.look import Look
from saga_coordinator.store.pause_port import CONTROL_SCOPES, PauseScope
from saga_coordinator.store.port import LockFirst, Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.clock import Clock

LOOP: Final = "resuming"
PAGE: Final = 100
"""Sagas of one transaction."""
_AGAIN_S: Final = 1.0


class _Moved(Exception):
    """Another instance has woken this page, or the pause has begun anew."""


class ResumeLoop:
    """Wakes what pauses held."""

    def __init__(
        self,
        *,
        store: Store,
        lookout: Lookout,
        committer: Committer,
        loader: SagaLoader,
        definitions: DefinitionCache,
        tenant: str,
        clock: Clock,
        instruments: Instruments,
        page: int = PAGE,
    ) -> None:
        self._store = store
        self._looks = lookout.looks()
        self._committer = committer
        self._loader = loader
        self._definitions = definitions
        self._tenant = tenant
        self._clock = clock
        self._instruments = instruments
        self._page = page
        self._log = structlog.get_logger("resuming")

    async def run(self) -> None:
        while True:
            try:
                await self.look(await self._looks.next())
                self._instruments.loops.went(LOOP)
            except (StoreError, TimeoutError) as error:  # also a saga that is locked for long: the page comes again
                self._log.debug("sagas_not_woken_yet", error=one_line(error))
                await self._clock.sleep(_AGAIN_S)
            except Exception as error:  # a bug must not end the process
                self._instruments.loops.failed(LOOP, error)
                self._log.error("sagas_not_woken", exc_info=error)
                self._instruments.loop_failed(LOOP)
                await self._clock.sleep(_AGAIN_S)

    async def look(self, look: Look) -> None:
        """Wake what is to be woken by this look, all pages. Raises StoreError."""
        for scope, stored in CONTROL_SCOPES.items():
            for name, value in look.control.get(stored, {}).items():
                waking = read(value).waking
                if waking is not None and waking.not_before_us <= look.now_us:
                    while await self.wake_page(scope, name):
                        pass

    async def wake_page(self, scope: PauseScope, name: str) -> bool:
        """Wake one page. Returns whether it was one. Raises StoreError."""
        rows = [row for row in await self._store.pause_rows(self._tenant) if (row.scope, row.name) == (scope, name)]
        pauses = read(rows[0].value) if rows else None
        if pauses is None or pauses.waking is None or pauses.waking.not_before_us > await self._store.now_us():
            return False
        row, after = rows[0], pauses.waking.after
        ids = await self._store.open_sagas(self._tenant, await self._of(scope, name), after=after, limit=self._page)
        try:
            async with self._committer.batch(LockFirst(ids, wait=True)) as batch:
                found = await batch.tx.pause_row(self._tenant, scope, name)
                if found is None or found.value != row.value:
                    raise _Moved
                for work in (await self._loader.open(batch.tx)).values():
                    work.wake_now = True
                    batch.works.append(work)
                value = write(pauses.woken(ids))
                stored = CONTROL_SCOPES[scope]
                await batch.tx.set_control(scope=stored, tenant=self._tenant, name=name, value=value, who=row.who, why=row.why)
        except _Moved:
            return True
        return bool(ids)

    async def _of(self, scope: PauseScope, name: str) -> set[str]:
        """The definitions whose sagas it held."""
        if scope == "definition":
            return {name}
        await self._definitions.refresh()
        found = await self._definitions.load(row.id for row in self._definitions.rows())
        names = set()
        for row in self._definitions.rows():
            compiled = found.get(row.id)
            steps = () if compiled is None or isinstance(compiled, DefinitionMissing) else compiled.definition.steps
            if any(step.participant == name for step in steps):
                names.add(row.name)
        return names
