"""A person pauses or resumes a definition or a participant. Every instance hears of it with its
next look (`loops/lookout.py`); the sagas that were held are woken by `loops/resuming.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from saga_coordinator.engine.events import Refused
from saga_coordinator.engine.waiting import Held
from saga_coordinator.pauses.stored import ScopePauses, held, read, write
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.pause_port import CONTROL_SCOPES, PauseScope
from saga_coordinator.store.port import Store, Transaction


class PauseActs:
    """Pausing and resuming."""

    def __init__(self, store: Store, definitions: DefinitionCache, tenant: str, stir: Callable[[], None]) -> None:
        """`stir`: is called when sagas are to be woken; it must not wait."""
        self._store = store
        self._definitions = definitions
        self._tenant = tenant
        self._stir = stir

    async def pause(self, scope: PauseScope, name: str, reason: str, actor: str) -> None:
        """Pausing what is paused already is fine and changes nothing.

        Raises Refused (definition_unknown, participant_unknown), StoreError.
        """
        await self._check(scope, name)
        async with self._store.transaction() as tx:
            pauses = await self._read(tx, scope, name)
            if pauses.going_on is None:
                await self._write(tx, scope, name, pauses.begun(tx.now_us), reason, actor)
                await self._audit(tx, f"pause {scope}", name, reason, actor)
        self._stir()

    async def resume(self, scope: PauseScope, name: str, reason: str, actor: str) -> None:
        """Raises Refused (not_paused), StoreError."""
        async with self._store.transaction() as tx:
            pauses = await self._read(tx, scope, name)
            if pauses.going_on is None:
                raise Refused("not_paused", f"the {scope} {name} is not paused")
            await self._write(tx, scope, name, pauses.ended(tx.now_us), reason, actor)
            await self._audit(tx, f"resume {scope}", name, reason, actor)
        self._stir()

    async def going_on(self) -> list[Held]:
        """What is paused, by name. Raises StoreError."""
        return held(await self._store.pause_rows(self._tenant))

    async def _check(self, scope: PauseScope, name: str) -> None:
        await self._definitions.refresh()
        if scope == "definition" and not self._definitions.knows(name):
            raise Refused("definition_unknown", f"no definition {name} is registered")
        if scope == "participant" and name not in await self._definitions.participants():
            raise Refused("participant_unknown", f"no definition that is active or in use has a step of {name}")

    async def _read(self, tx: Transaction, scope: PauseScope, name: str) -> ScopePauses:
        row = await tx.pause_row(self._tenant, scope, name)
        return ScopePauses() if row is None else read(row.value)

    async def _write(self, tx: Transaction, scope: PauseScope, name: str, pauses: ScopePauses, reason: str, actor: str) -> None:
        stored = CONTROL_SCOPES[scope]
        await tx.set_control(scope=stored, tenant=self._tenant, name=name, value=write(pauses), who=actor, why=reason)

    async def _audit(self, tx: Transaction, act: str, target: str, reason: str, actor: str) -> None:
        await tx.add_audit(tenant=self._tenant, act=act, target=target, who=actor, why=reason, at_us=tx.now_us)
