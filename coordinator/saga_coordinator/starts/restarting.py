"""A person restarts a finished saga: a new saga of the active version, with the same input.

The request id is the old saga's id, so a repeated click, or one on another instance, finds the saga
that the first one began. A business key goes over to the new saga, as with `on_closed: allow`;
where another open saga holds it by now, nothing starts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from saga_coordinator.batch.plan import Batch
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.engine.events import Refused
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.sagas.stored_saga import read_saga
from saga_coordinator.starts.execution import StartExecution
from saga_coordinator.starts.preparation import Prepared, StartPreparation, body_hash
from saga_coordinator.starts.requests import SagaUnknown, StartRefused, StartRequest, StartResult
from saga_coordinator.store.port import SagaRow, Store, Transaction
from saga_coordinator.store.removal_port import RESTART_SOURCE
from saga_schemas.codec import decode
from saga_schemas.errors import BadMessage
from saga_schemas.plain import to_plain

Along = Callable[[Transaction], Awaitable[None]]

NOT_FINISHED: Final = "not_finished"


class Restarts:
    """Restarting."""

    def __init__(
        self, store: Store, definitions: DefinitionCache, preparation: StartPreparation, execution: StartExecution, tenant: str
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._preparation = preparation
        self._execution = execution
        self._tenant = tenant

    async def restart(self, saga_id: UUID, reason: str, actor: str, along: Along | None = None) -> StartResult:
        """Start anew what has finished.

        Args:
            saga_id: The finished saga.
            reason: Why.
            actor: Who does it.
            along: What else is done in the transaction. It raises to undo all of it.

        Returns:
            The new saga; `created` is False when it was restarted before.

        Raises:
            SagaUnknown: There is no such saga.
            Refused: It is not finished, or cannot be read.
            StartRefused: Its input or key does not fit the active version, or another saga holds
                the key.
            StoreError: Nothing is known to be started: it may be asked again.
        """
        start = await self.prepared(saga_id)

        async def begin(batch: Batch, starts: Sequence[Prepared]) -> StartResult:
            (began,) = await self._execution.begin(batch, starts)
            if isinstance(began, StartRefused):
                raise began
            if began.created:
                act = f"restart as {began.saga_id}"
                await batch.tx.add_audit(
                    tenant=self._tenant, act=act, target=str(saga_id), who=actor, why=reason, at_us=batch.tx.now_us
                )
            if along is not None:
                await along(batch.tx)
            return began

        return await self._execution.apply([start], begin)

    async def prepared(self, saga_id: UUID) -> Prepared:
        """What would be started. Raises as `restart` does; nothing is changed."""
        row = await self._store.saga(saga_id)
        if row is None or row.tenant != self._tenant:
            raise SagaUnknown(saga_id)
        if row.closed_at_us is None:
            raise Refused(NOT_FINISHED, "the saga is still open: cancel or terminate it first")
        return replace(await self._prepared(row), restarted_from=str(saga_id))

    async def _prepared(self, row: SagaRow) -> Prepared:
        name = (await self._definitions.get(row.definition_id)).definition.name
        _, active = await self._preparation.definition(name, None)
        try:
            saga = await read_saga(self._store, row)
            decoded = decode(saga.input, self._definitions.catalog)
        except (UnreadableState, BadMessage) as unreadable:
            raise Refused("unreadable", f"its input cannot be read: {unreadable}") from unreadable
        request = StartRequest(
            tenant=self._tenant,
            definition=name,
            input=to_plain(decoded.writer, decoded.value),
            key=None if active.has_key else row.business_key,
            request_id=str(row.id),
            source=RESTART_SOURCE,
            on_open="reject",
            on_closed="allow",
            body_hash=body_hash(row.id.bytes),
        )
        return await self._preparation.prepare(request)
