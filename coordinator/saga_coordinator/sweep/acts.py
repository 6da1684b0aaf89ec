"""What a person does about effects that no saga owns, and about a participant that cannot be asked.

Each act locks the effect, so that of two acts, or of an act and a start that is read again, the
later one finds it settled. Each is audited in its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from saga_coordinator.batch.committer import Committer
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.starts.execution import StartExecution, claims_of
from saga_coordinator.starts.preparation import Identity, Prepared, StartPreparation, body_hash
from saga_coordinator.starts.requests import KEY_HELD, StartRefused, StartRequest
from saga_coordinator.store.port import LostEffect, Store, Transaction
from saga_coordinator.store.sweep_records import ADOPTING
from saga_coordinator.store.sweep_tables import ADOPTED, KEPT, OPEN, UNDOING
from saga_coordinator.sweep.undoing import compensation

UNKNOWN: Final = "effect_unknown"
SETTLED: Final = "effect_settled"
BESIDE: Final = "effect_beside"


class EffectRefused(Exception):
    """Nothing was done. `code` is the HTTP problem's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class LostEffectActs:
    """Keeping, undoing and adopting."""

    def __init__(
        self,
        *,
        store: Store,
        committer: Committer,
        definitions: DefinitionCache,
        preparation: StartPreparation,
        execution: StartExecution,
        tenant: str,
        stir: Callable[[], None],
    ) -> None:
        """`stir`: is called when an undo is to be asked for; it must not wait."""
        self._store = store
        self._committer = committer
        self._definitions = definitions
        self._preparation = preparation
        self._execution = execution
        self._tenant = tenant
        self._stir = stir

    async def keep(self, saga_id: UUID, step: str, *, who: str, why: str) -> None:
        """The effect stays, and leaves the list.

        Also one that is being undone: then its participant did not do it, and somebody saw to it
        by hand.

        Raises EffectRefused, StoreError.
        """
        async with self._store.transaction() as tx:
            effect = await self._effect(tx, saga_id, step, (OPEN, UNDOING))
            await tx.settle_lost(effect, replace(effect, status=KEPT, settled_at_us=tx.now_us, who=who, why=why))
            await self._audit(tx, f"keep {step}", saga_id, who, why)

    async def undo(
        self, saga_id: UUID, step: str, *, definition: str, version: int | None, given: Mapping[str, Any], who: str, why: str
    ) -> None:
        """Ask the participant for its compensation, until it answers.

        Args:
            saga_id: Of the lost saga.
            step: The step whose effect it is.
            definition: The definition whose compensation it is.
            version: Its version; None: the active one.
            given: Fields of the compensation, as plain JSON, before what the row holds.
            who: Who does it.
            why: Why.

        Raises:
            EffectRefused, UndoIncomplete, StartRefused, StoreError: Nothing is asked.
        """
        _, compiled = await self._preparation.definition(definition, version)
        async with self._store.transaction() as tx:
            await tx.hold_starts()
            effect = await self._effect(tx, saga_id, step, (OPEN,))
            if effect.beside:
                raise EffectRefused(BESIDE, "its saga is here, without such a step: undo it by hand, then `saga recover keep`")
            await self._check_absent(tx, saga_id)
            record, value = compensation(compiled, effect, given, self._definitions.catalog)
            undone = replace(
                effect,
                status=UNDOING,
                who=who,
                why=why,
                definition_hash=compiled.definition.hash,
                undo_record=record,
                undo_value=value,
            )
            await tx.settle_lost(effect, undone)
            await self._audit(tx, f"undo {step}", saga_id, who, why)
        self._stir()

    async def adopt(
        self, saga_id: UUID, *, definition: str, version: int | None, input: Mapping[str, Any], who: str, why: str
    ) -> None:
        """Let the lost saga begin again under its id, as if the backup had been taken just then.

        It asks each of its steps again, and its participants answer from their rows.

        Raises:
            EffectRefused, StartRefused, StoreError: No saga began.
        """
        request = StartRequest(
            tenant=self._tenant,
            definition=definition,
            version=version,
            input=input,
            request_id=str(saga_id),
            source=ADOPTING,
            body_hash=body_hash(saga_id.bytes),
        )
        start = await self._preparation.prepare(request, Identity(saga_id, recovered=True))
        await self._adopt(saga_id, start, who=who, why=why)

    async def _adopt(self, saga_id: UUID, start: Prepared, *, who: str, why: str) -> None:
        async with self._committer.batch(claims_of([start])) as batch:
            is_let = await batch.tx.let_adopt(self._tenant, saga_id)
            effects = await self._effects(batch.tx, saga_id, (OPEN,))
            await self._check_absent(batch.tx, saga_id)
            if not is_let:
                raise EffectRefused("below_horizon", "its saga had ended and was removed: undo its effects, or keep them")
            await self._check_steps(effects, start.row.definition_id)
            claimed = batch.tx.claimed[saga_id]
            if not claimed.won:
                holder = claimed.key_saga or claimed.request_saga
                raise StartRefused(
                    KEY_HELD, "another saga has its business key: undo or keep its effects", {"saga_id": str(holder)}
                )
            await self._execution.begin(batch, [start])
            for effect in effects:
                await batch.tx.settle_lost(
                    effect, replace(effect, status=ADOPTED, settled_at_us=batch.tx.now_us, who=who, why=why)
                )
            await self._audit(batch.tx, "adopt", saga_id, who, why)

    async def skip(self, participant: str, *, who: str, why: str) -> None:
        """Take a participant's sweep for done though it is not.

        Raises EffectRefused, StoreError.
        """
        async with self._store.transaction() as tx:
            if not await tx.skip_sweep(self._tenant, participant, why):
                raise EffectRefused("sweep_not_open", f"no sweep of {participant} is open: see `saga recover status`")
            await self._audit(tx, "skip participant", participant, who, why)
        self._stir()

    async def _effect(self, tx: Transaction, saga_id: UUID, step: str, statuses: Sequence[str]) -> LostEffect:
        found = [one for one in await tx.lost_of(self._tenant, saga_id) if one.step == step]
        left = [one for one in found if one.status in statuses]
        return _checked(left or found, saga_id, statuses)[0]

    async def _effects(self, tx: Transaction, saga_id: UUID, statuses: Sequence[str]) -> Sequence[LostEffect]:
        return _checked(await tx.lost_of(self._tenant, saga_id), saga_id, statuses)

    async def _check_absent(self, tx: Transaction, saga_id: UUID) -> None:
        if await tx.exists([saga_id]):
            raise EffectRefused(SETTLED, "the saga is here again and owns its effects: `saga show` has it")

    async def _check_steps(self, effects: Sequence[LostEffect], definition_id: int) -> None:
        """That the definition has the steps whose effects are listed."""
        try:
            compiled = await self._definitions.get(definition_id)
        except DefinitionMissing as missing:
            raise EffectRefused("definition_missing", str(missing)) from None
        steps = {(step.name, step.participant) for step in compiled.definition.steps}
        for effect in effects:
            if (effect.step, effect.participant) not in steps:
                name = f"{compiled.definition.name}@{compiled.definition.version}"
                raise EffectRefused("step_unknown", f"{name} has no step {effect.step} of {effect.participant}")

    async def _audit(self, tx: Transaction, act: str, target: object, who: str, why: str) -> None:
        await tx.add_audit(tenant=self._tenant, act=f"recover {act}", target=str(target), who=who, why=why, at_us=tx.now_us)


def _checked(found: Sequence[LostEffect], saga_id: UUID, statuses: Sequence[str]) -> Sequence[LostEffect]:
    if not found:
        raise EffectRefused(UNKNOWN, f"no such effect of saga {saga_id} is listed: see `saga recover orphans`")
    settled = next((one for one in found if one.status not in statuses), None)
    if settled is not None:
        raise EffectRefused(SETTLED, f"step {settled.step} is {settled.status}" + (f" by {settled.who}" if settled.who else ""))
    return found
