"""What the API may ask of a running coordinator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

import orjson

from saga_coordinator.archive.whereabouts import Whereabouts
from saga_coordinator.batch.completion import CompletionWaiters
from saga_coordinator.batches.facade import ActParts, BatchFacade
from saga_coordinator.batches.operating import Audited
from saga_coordinator.confirmations.gate import Settle
from saga_coordinator.engine.events import (
    Cancel,
    ChangeLimits,
    Event,
    MoveStart,
    Pause,
    Refused,
    Resume,
    RetryStep,
    Terminate,
    WaiveStep,
)
from saga_coordinator.engine.waiting import Held
from saga_coordinator.loops.watchdog import Watchdog
from saga_coordinator.overview.gathering import Overviews
from saga_coordinator.pauses.acts import PauseActs
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.retention.purge import Purge, Purged
from saga_coordinator.retention.removal import Removal
from saga_coordinator.schedules.facade import ScheduleFacade, ScheduleParts
from saga_coordinator.settings import Settings
from saga_coordinator.starts.queue import StartQueue
from saga_coordinator.starts.requests import StartRequest, StartResult
from saga_coordinator.starts.restarting import Restarts
from saga_coordinator.store.pause_port import PauseScope
from saga_coordinator.store.port import ConfirmationRow, SagaRow, Store, StoreError
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.sweep.acts import LostEffectActs
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.views.deliveries import Delivery
from saga_coordinator.views.entries import EntryWriter
from saga_coordinator.views.overview import Overview
from saga_coordinator.views.participant_detail import ParticipantDetail
from saga_coordinator.views.situation import Window
from saga_messaging.background import happened
from saga_messaging.clock import Clock
from saga_schemas.times import format_us
from saga_schemas.topics import Topics

LOOK_EVERY_S = 0.5
"""How often a waiting request looks for an end that another instance committed."""


class Coordinator(BatchFacade, ScheduleFacade):
    """The facade of one instance.

    Every act that changes a saga says who and why, and is audited.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        store: Store,
        definitions: DefinitionCache,
        starts: StartQueue,
        waiters: CompletionWaiters,
        acts: ActParts,
        schedules: ScheduleParts,
        watchdog: Watchdog,
        removal: Removal,
        instruments: Instruments,
        clock: Clock,
        delivery: Callable[[], Delivery],
        entries: EntryWriter,
        whereabouts: Whereabouts | None,
        recovering: Callable[[], Recovering | None],
        unswept: Callable[[], Mapping[str, int]],
        lost_effects: LostEffectActs,
        overviews: Overviews,
        pauses: PauseActs,
        restarts: Restarts,
    ) -> None:
        BatchFacade.__init__(self, acts)
        ScheduleFacade.__init__(self, schedules)
        self.settings = settings
        self.store = store
        self.definitions = definitions
        self.topics = Topics(settings.kafka.topic_prefix)
        self.entries = entries
        self.whereabouts = whereabouts
        self._starts = starts
        self._waiters = waiters
        self._watchdog = watchdog
        self._purge = Purge(store, removal, settings.tenant, settings.retention, settings.horizon)
        self.instruments = instruments
        self._clock = clock
        self._delivery = delivery
        self._recovering = recovering
        self._unswept = unswept
        self.lost_effects = lost_effects
        self._overviews = overviews
        self._pauses = pauses
        self._restarts = restarts

    async def start(self, request: StartRequest) -> StartResult:
        """Start a saga.

        Raises:
            StartRefused: Nothing was started.
            StoreError: The same request id may be sent again.
            TimeoutError: The same.
        """
        return await self._starts.submit(request)

    async def cancel(self, saga_id: UUID, reason: str, actor: str) -> None:
        """Raises Refused (past_pivot, finished, recovering), SagaUnknown, StoreError."""
        await self._act(saga_id, Cancel(reason=reason, actor=actor), act="cancel", why=reason, actor=actor)

    async def retry_step(self, saga_id: UUID, step: str, reason: str, actor: str) -> None:
        """Raises Refused (not_stuck, finished, step_unknown), SagaUnknown, StoreError."""
        await self._act(saga_id, RetryStep(step=step, reason=reason, actor=actor), act=f"retry {step}", why=reason, actor=actor)

    async def waive_step(self, saga_id: UUID, step: str, evidence: str, actor: str, unsafe: bool) -> None:
        """Raises Refused (not_stuck, is_pivot, finished, step_unknown), SagaUnknown, StoreError,
        ConfirmationNeeded."""
        waive = WaiveStep(step=step, evidence=evidence, actor=actor, unsafe=unsafe)
        if self._gate.needed("waive"):
            await self._operating.rehearse(saga_id, lambda _: [waive], actor)
            arguments = {"saga": str(saga_id), "step": step, "unsafe": unsafe}
            await self._gate.ask("waive", f"step {step} of {saga_id}", arguments, who=actor, why=evidence)
        await self._waive(saga_id, waive)

    async def pause(self, saga_id: UUID, reason: str, actor: str) -> None:
        """Hold what is due of the saga. Raises Refused (finished), SagaUnknown, StoreError."""
        await self._act(saga_id, Pause(reason=reason, actor=actor), act="pause", why=reason, actor=actor)

    async def resume(self, saga_id: UUID, reason: str, actor: str) -> None:
        """End its own pause. Raises Refused (not_paused, finished), SagaUnknown, StoreError."""
        await self._act(saga_id, Resume(reason=reason, actor=actor), act="resume", why=reason, actor=actor)

    async def terminate(self, saga_id: UUID, reason: str, actor: str) -> None:
        """End the saga as it is.

        Raises Refused (finished), SagaUnknown, StoreError, ConfirmationNeeded.
        """
        terminate = Terminate(reason=reason, actor=actor)
        if self._gate.needed("terminate"):
            await self._operating.rehearse(saga_id, lambda _: [terminate], actor)
            await self._gate.ask("terminate", str(saga_id), {"saga": str(saga_id)}, who=actor, why=reason)
        await self._terminate(saga_id, terminate)

    async def _terminate(self, saga_id: UUID, terminate: Terminate, settle: Settle | None = None) -> None:
        await self._act(saga_id, terminate, act="terminate", why=terminate.reason, actor=terminate.actor, along=settle)

    async def restart(self, saga_id: UUID, reason: str, actor: str) -> StartResult:
        """Start a finished saga anew, with its input. Raises as `Restarts.restart` does."""
        return await self._restarts.restart(saga_id, reason, actor)

    async def change_limits(self, saga_id: UUID, step: str, changes: Mapping[str, int], reason: str, actor: str) -> None:
        """Change a step's limits for this saga. `changes`: by the names of `engine/limits.py`.

        Raises Refused (limit_refused, not_stuck, finished, step_unknown), SagaUnknown, StoreError.
        """
        event = ChangeLimits(step=step, changes=changes, reason=reason, actor=actor)
        said = ", ".join(f"{name}={value}" for name, value in sorted(changes.items()))
        await self._act(saga_id, event, act=f"limits {step}: {said}", why=reason, actor=actor)

    async def move_start(self, saga_id: UUID, start_at_us: int, reason: str, actor: str) -> None:
        """Let a saga that waits for its start time begin at another.

        Raises Refused (not_scheduled, start_too_far, finished), SagaUnknown, StoreError.
        """
        event = MoveStart(start_at_us=start_at_us, reason=reason, actor=actor)
        await self._act(saga_id, event, act=f"start time {format_us(start_at_us)}", why=reason, actor=actor)

    async def pause_scope(self, scope: PauseScope, name: str, reason: str, actor: str) -> None:
        """Hold what is due of every saga of a definition, or of a participant's steps.

        Raises Refused (definition_unknown, participant_unknown), StoreError.
        """
        await self._pauses.pause(scope, name, reason, actor)

    async def resume_scope(self, scope: PauseScope, name: str, reason: str, actor: str) -> None:
        """What it held is woken in the background. Raises Refused (not_paused), StoreError."""
        await self._pauses.resume(scope, name, reason, actor)

    async def pauses(self) -> list[Held]:
        """The definitions and participants that are paused. Raises StoreError."""
        return await self._pauses.going_on()

    async def _waive(self, saga_id: UUID, waive: WaiveStep, settle: Settle | None = None) -> None:
        act = f"waive {waive.step}" + (" --unsafe" if waive.unsafe else "")
        await self._act(saga_id, waive, act=act, why=waive.evidence, actor=waive.actor, along=settle)

    async def _do_confirmed(self, confirmation: ConfirmationRow, settle: Settle) -> None:
        given, who, why = orjson.loads(confirmation.arguments), confirmation.who, confirmation.why
        match confirmation.act:
            case "waive":
                waive = WaiveStep(step=given["step"], evidence=why, actor=who, unsafe=given["unsafe"])
                await self._waive(UUID(given["saga"]), waive, settle)
            case "terminate":
                await self._terminate(UUID(given["saga"]), Terminate(reason=why, actor=who), settle)
            case "batch":
                query, act, rate = given["query"], given["act"], given["rate"]
                await self._jobs.create(query, act, rate=rate, who=who, why=why, id=confirmation.id, along=settle)
            case _:
                raise Refused("act_unknown", "a later release asked for this act: confirm it there")

    async def _act(self, saga_id: UUID, event: Event, *, act: str, why: str, actor: str, along: Settle | None = None) -> None:
        await self._operating.act(saga_id, lambda _: [event], Audited(act=act, who=actor, why=why), along)

    async def purge(
        self, definition: str, version: int | None, before: str, *, dry_run: bool, who: str, why: str
    ) -> Purged | None:
        """Remove one batch of a definition's finished sagas, or say what there is.

        Returns:
            What was found or removed. None when there is no such definition.

        Raises:
            PurgeRefused, ArchiveError, StoreError: Nothing was removed.
        """
        rows = [row for row in await self.store.definitions(self.settings.tenant) if row.name == definition]
        rows = [row for row in rows if version in (None, row.version)]
        if not rows:
            return None
        if dry_run:
            return await self._purge.look(rows, before)
        target = f"{definition}{'' if version is None else f'@{version}'} before {before}"
        return await self._purge.run(rows, before, who=who, why=why, target=target)

    async def wait_closed(self, saga_id: UUID, timeout_s: float) -> SagaRow | None:
        """Wait until a saga is finished.

        Returns:
            The saga's row: finished, or as it is when `timeout_s` is over or the instance stops.
            None
            when there is no such saga.
        """
        until = self._clock.monotonic_s() + timeout_s
        ended = self._waiters.expect(saga_id)
        try:
            while True:
                row = await self.store.saga(saga_id)
                left = until - self._clock.monotonic_s()
                if row is None or row.closed_at_us is not None or left <= 0 or self._waiters.over:
                    return row
                await happened(ended, self._clock, min(LOOK_EVERY_S, left))
        finally:
            self._waiters.forget(saga_id, ended)

    def stop_waiting(self) -> None:
        """Answer every waiting request with the saga as it is: the instance is about to stop."""
        self._waiters.end()

    def notes(self) -> list[str]:
        """What waits without keeping the instance from its work."""
        troubles = {
            "retention": self.instruments.retention_trouble,
            "batches": self.instruments.batch_trouble,
            "schedules": self.instruments.schedule_trouble,
        }
        return [f"{what}: {trouble}" for what, trouble in troubles.items() if trouble is not None]

    async def ready(self) -> list[str]:
        """The reasons why this instance should get no requests now; none when it should."""
        problems = self._watchdog.troubles()
        try:
            await self.store.now_us()
        except StoreError as error:
            problems.append(f"database: {error}")
        return problems

    async def no_consumer(self) -> Mapping[str, str]:
        """The participants whose command topic nobody reads, each with a sentence that says so."""
        return self._watchdog.unread()

    def lag(self) -> Mapping[str, int]:
        """By topic that coordinators read: records behind its end, when Kafka was asked last."""
        return self._watchdog.lag

    async def overview(self, window: Window) -> Overview:
        """What all sagas do now and over time, and what is wrong. Raises StoreError."""
        return await self._overviews.overview(window)

    async def participant(self, name: str, window: Window) -> ParticipantDetail | None:
        """One participant over time; None: there is none of this name. Raises StoreError."""
        return await self._overviews.participant(name, window)

    @property
    def stopping(self) -> bool:
        """Whether this instance is about to stop."""
        return self._waiters.over

    def delivery(self) -> Delivery:
        """What this instance knows of its way to the broker."""
        return self._delivery()

    def recovering(self) -> Recovering | None:
        """How far the recovery after a restore is; None: none goes on."""
        return self._recovering()

    def unswept(self) -> Mapping[str, int]:
        """Participants whose rows were not all read since the restore, each with how many were."""
        return self._unswept()

    def trace_ignored(self) -> None:
        self.instruments.bad_trace_context("http")
