"""What a tick's start needs: the definition, the input, the key, and the saga's id."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine.definition import MappingFailed
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.program import Moment, ScheduleProgram
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.schedules.turn import Begun, Prepare
from saga_coordinator.starts.identities import Identified, StartedBy, StartIdentities, id_of
from saga_coordinator.starts.preparation import Identity, Prepared, StartPreparation, body_hash
from saga_coordinator.starts.requests import INPUT_INVALID, StartRefused, StartRequest
from saga_coordinator.store.removal_port import SCHEDULE_SOURCE

Found = tuple[int, CompiledDefinition] | StartRefused
"""A definition with its id, or why there is none."""

SCHEDULE_LABEL: Final = "schedule"
SCHEDULED_FOR_LABEL: Final = "scheduled_for"


class TickStarts:
    """Prepares the starts of one tenant's ticks."""

    def __init__(self, preparation: StartPreparation, identities: StartIdentities, tenant: str) -> None:
        self._preparation = preparation
        self._identities = identities
        self._tenant = tenant

    async def definitions(self, documents: Sequence[ScheduleDocument]) -> list[Found]:
        """The definition of each, in their order. Raises StoreError."""
        wanted = [(document.definition, document.definition_version) for document in documents]
        once = list(dict.fromkeys(wanted))
        found = dict(zip(once, await asyncio.gather(*itertools.starmap(self._definition, once)), strict=True))
        return [found[one] for one in wanted]

    async def _definition(self, name: str, version: int | None) -> Found:
        try:
            return await self._preparation.definition(name, version)
        except StartRefused as refused:
            return refused

    def preparing(self, program: ScheduleProgram, found: Found) -> Prepare:
        """What makes the starts of one schedule."""

        def prepare(moment: Moment) -> Prepared:
            if isinstance(found, StartRefused):
                raise found
            definition_id, compiled = found
            try:
                framed = program.input_of(compiled, moment)
                key = None if compiled.has_key else program.key_of(moment) or request_id(moment)
            except MappingFailed as failure:
                raise StartRefused(INPUT_INVALID, failure.detail) from None
            request = self._request(program, moment, key)
            identity = id_of(self._started_by(moment.at_us, request.request_id))
            known = None if identity is None else Identity(identity)
            return self._preparation.prepare_framed(request, definition_id, compiled, framed, known)

        return prepare

    def _request(self, program: ScheduleProgram, moment: Moment, key: str | None) -> StartRequest:
        return StartRequest(
            tenant=self._tenant,
            definition=program.document.definition,
            version=program.document.definition_version,
            input={},
            key=key,
            labels={SCHEDULE_LABEL: moment.name, SCHEDULED_FOR_LABEL: tick_text(moment.at_us)},
            request_id=request_id(moment),
            source=SCHEDULE_SOURCE,
            body_hash=body_hash(request_id(moment).encode()),
        )

    async def identified(self, begun: Sequence[Begun]) -> list[Identified]:
        """Which saga each may begin, in their order. Raises StoreError."""
        return await self._identities.of([self._started_by(one.tick.at_us, one.start.claim.request_id) for one in begun])

    def _started_by(self, at_us: int, request: str) -> StartedBy:
        return StartedBy(timestamp_ms=at_us // 1000, tenant=self._tenant, source=SCHEDULE_SOURCE, message_id=request)


def request_id(moment: Moment) -> str:
    """What a tick's start is known by, and its business key where nothing else is said."""
    return f"{moment.name}@{tick_text(moment.at_us)}"
