"""What the API needs of the coordinator behind it: `saga_coordinator.coordinator.Coordinator` is
one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Request

from saga_coordinator.api.batch_facade import ManyActs
from saga_coordinator.api.schedule_facade import ScheduleActs
from saga_coordinator.archive.whereabouts import Whereabouts
from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.definitions.retention import Terms
from saga_coordinator.engine.waiting import Held
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.retention.purge import Purged
from saga_coordinator.starts.requests import StartRequest, StartResult
from saga_coordinator.store.pause_port import PauseScope
from saga_coordinator.store.port import SagaRow, Store
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.sweep.acts import LostEffectActs
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.views.deliveries import Delivery
from saga_coordinator.views.entries import EntryWriter
from saga_coordinator.views.overview import Overview
from saga_coordinator.views.participant_detail import ParticipantDetail
from saga_coordinator.views.situation import Window
from saga_schemas.topics import Topics


class ApiSettings(Protocol):
    """The part of the settings the API reads."""

    @property
    def tenant(self) -> str: ...

    @property
    def jaeger_url(self) -> str | None: ...

    @property
    def console_prefix(self) -> str: ...

    @property
    def trace_sample_on_failure(self) -> bool: ...

    @property
    def retention(self) -> Terms: ...

    @property
    def horizon(self) -> HorizonTerms: ...

    def shown(self) -> list[tuple[str, str]]:
        """What matters to those who watch an instance, by variable; no secrets."""
        ...


class Facade(ManyActs, ScheduleActs, Protocol):
    """The coordinator as the API sees it."""

    @property
    def store(self) -> Store: ...

    @property
    def definitions(self) -> DefinitionCache: ...

    @property
    def settings(self) -> ApiSettings: ...

    @property
    def topics(self) -> Topics: ...

    @property
    def instruments(self) -> Instruments: ...

    @property
    def entries(self) -> EntryWriter:
        """Makes the records of exported sagas."""
        ...

    @property
    def whereabouts(self) -> Whereabouts | None:
        """Looks for sagas in the archive; None where there is none."""
        ...

    async def start(self, request: StartRequest, /) -> StartResult:
        """Raises StartRefused, StoreError."""
        ...

    async def cancel(self, saga_id: UUID, reason: str, actor: str) -> None:
        """Raises Refused, SagaUnknown; so do the next five. waive_step and terminate also raise
        ConfirmationNeeded."""
        ...

    async def retry_step(self, saga_id: UUID, step: str, reason: str, actor: str) -> None: ...

    async def waive_step(self, saga_id: UUID, step: str, evidence: str, actor: str, unsafe: bool) -> None: ...

    async def pause(self, saga_id: UUID, reason: str, actor: str) -> None: ...

    async def resume(self, saga_id: UUID, reason: str, actor: str) -> None: ...

    async def terminate(self, saga_id: UUID, reason: str, actor: str) -> None: ...

    async def restart(self, saga_id: UUID, reason: str, actor: str) -> StartResult:
        """Raises Refused, StartRefused, SagaUnknown, StoreError."""
        ...

    async def change_limits(self, saga_id: UUID, step: str, changes: Mapping[str, int], reason: str, actor: str) -> None:
        """Raises Refused, SagaUnknown."""
        ...

    async def move_start(self, saga_id: UUID, start_at_us: int, reason: str, actor: str) -> None:
        """Raises Refused, SagaUnknown."""
        ...

    async def pause_scope(self, scope: PauseScope, name: str, reason: str, actor: str) -> None:
        """Raises Refused, StoreError; so does the next."""
        ...

    async def resume_scope(self, scope: PauseScope, name: str, reason: str, actor: str) -> None: ...

    async def pauses(self) -> list[Held]:
        """The definitions and participants that are paused. Raises StoreError."""
        ...

    async def wait_closed(self, saga_id: UUID, timeout_s: float) -> SagaRow | None:
        """The row when the saga is closed, or as it is when the time is over."""
        ...

    async def purge(
        self, definition: str, version: int | None, before: str, *, dry_run: bool, who: str, why: str
    ) -> Purged | None:
        """None: there is no such definition. Raises PurgeRefused, ArchiveError, StoreError."""
        ...

    def notes(self) -> list[str]:
        """What waits without keeping the instance from its work."""
        ...

    async def ready(self) -> list[str]:
        """Why not; empty when ready."""
        ...

    def trace_ignored(self) -> None:
        """A start's trace context was malformed; counted, for the caller's sake."""
        ...

    def recovering(self) -> Recovering | None:
        """How far the recovery after a restore is; None: none goes on."""
        ...

    def unswept(self) -> Mapping[str, int]:
        """Participants whose rows were not all read since the restore, each with how many were."""
        ...

    @property
    def lost_effects(self) -> LostEffectActs:
        """What a person may do about effects that no saga owns."""
        ...

    def delivery(self) -> Delivery:
        """What this instance knows of its way to the broker."""
        ...

    def lag(self) -> Mapping[str, int]:
        """By topic that coordinators read: records behind its end, when Kafka was asked last."""
        ...

    async def overview(self, window: Window) -> Overview:
        """What all sagas do now and over time. Raises StoreError."""
        ...

    async def participant(self, name: str, window: Window) -> ParticipantDetail | None:
        """One participant over time; None: there is none of this name. Raises StoreError."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether this instance is about to stop: what goes on for long ends now."""
        ...

    async def no_consumer(self) -> Mapping[str, str]:
        """By participant: the sentence that nobody reads its command topic."""
        ...


async def _coordinator(request: Request) -> Facade:
    coordinator: Facade = request.app.state.coordinator
    return coordinator


CoordinatorDep = Annotated[Facade, Depends(_coordinator)]
