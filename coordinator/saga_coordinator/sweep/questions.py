"""What a participant is asked after a restore: for a page of its rows, and to undo an effect that
no saga owns. Pure."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_coordinator.engine.facts import CommandSent
from saga_coordinator.engine.state import Status
from saga_coordinator.sagas.messages import Outbound, SagaIdentity
from saga_coordinator.store.port import LostEffect, ParticipantSweep
from saga_messaging.broker import Outgoing
from saga_schemas.ids import trace_id_of
from saga_schemas.limits import SWEEP_ROWS
from saga_schemas.outcomes import AnnouncementKind, Kind
from saga_schemas.records import Sweep, SweepPosition, encode_own

EXPIRY_US: Final = 3_600_000_000
"""How long the command to undo may wait to be read."""


class Questions:
    """Makes them."""

    def __init__(self, outbound: Outbound, tenant: str) -> None:
        self._outbound = outbound
        self._tenant = tenant

    def sweep(self, one: ParticipantSweep, *, above_ms: int, random: UUID, now_us: int) -> Outgoing:
        """The question for the next page. Rows of sagas below `above_ms` need not be told."""
        after = None if one.after is None else SweepPosition(saga_id=one.after[0], step=one.after[1])
        asked = Sweep.of(after=after, above_ms=above_ms, limit=SWEEP_ROWS, detail=True)
        return self._outbound.announcement(
            AnnouncementKind.SWEEP,
            one.participant,
            tenant=self._tenant,
            incarnation=one.incarnation,
            record=Sweep.avro_name,
            value=encode_own(asked),
            random=random,
            at_us=now_us,
        )

    def undo(self, effect: LostEffect, *, incarnation: int, now_us: int) -> Outgoing:
        """The compensation of an effect that is being undone."""
        assert effect.undo_record is not None
        assert effect.undo_value is not None
        asked = effect.asks + 1
        identity = SagaIdentity(
            id=effect.saga_id,
            tenant=self._tenant,
            incarnation=incarnation,
            definition="",
            definition_version=1,
            definition_hash=effect.definition_hash or "",
            key=None,
            trace_id=trace_id_of(effect.saga_id),
            parent_span=None,
            trace_flags=0,
            tracestate=None,
            baggage=None,
        )
        sent = CommandSent(
            step=effect.step,
            row="undo",
            kind=Kind.COMPENSATION,
            run=effect.run,
            attempt=asked,
            participant=effect.participant,
            record=effect.undo_record,
            payload=effect.undo_value,
            expiry_at_us=now_us + EXPIRY_US,
            at_us=now_us,
            due_at_us=now_us,
            status=Status.UNDO_ASKED,
        )
        return self._outbound.message(identity, sent, version=asked, ord=0, at_us=now_us)
