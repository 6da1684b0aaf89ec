"""Puts one instance together: which part knows which other, and which loops make up a role."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from saga_coordinator.archive.keeping import archived
from saga_coordinator.archive.port import Archive
from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.completion import CompletionWaiters
from saga_coordinator.batch.fold import EventFold
from saga_coordinator.batch.loader import SagaLoader
from saga_coordinator.batch.refusals import Refusals
from saga_coordinator.batch.relay import Relay
from saga_coordinator.coordinator import Coordinator
from saga_coordinator.inbound.announcement_answers import AnnouncementAnswers
from saga_coordinator.inbound.origins import Origin
from saga_coordinator.inbound.partition_reader import PartitionReader
from saga_coordinator.inbound.reply_envelope import ReplyEnvelopes
from saga_coordinator.inbound.reply_payload import ReplyPayloads
from saga_coordinator.loops import catch_up_loop, key_agreement, liveness, recovery_watch
from saga_coordinator.loops.batching import Batching, batching
from saga_coordinator.loops.catch_up_loop import CatchUpLoop, CatchUpRequests
from saga_coordinator.loops.key_agreement import KeyAgreement, token_keys
from saga_coordinator.loops.liveness import Liveness
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.outside import Outside
from saga_coordinator.loops.partitions import PartitionLoop
from saga_coordinator.loops.recovery_watch import RecoveryWatch
from saga_coordinator.loops.reply_loop import ReplyLoop
from saga_coordinator.loops.resuming import ResumeLoop
from saga_coordinator.loops.scheduling import Scheduling, scheduling
from saga_coordinator.loops.schema_topic import SchemaTopic
from saga_coordinator.loops.start_loop import StartLoop
from saga_coordinator.loops.sweeper import Sweeper
from saga_coordinator.loops.sweeping import sweeping
from saga_coordinator.loops.timer_loop import TimerLoop
from saga_coordinator.loops.traffic import TrafficLoop
from saga_coordinator.loops.upkeep import horizon, retention
from saga_coordinator.loops.watchdog import Presence, Watchdog
from saga_coordinator.overview.assembly import overviews
from saga_coordinator.pauses.acts import PauseActs
from saga_coordinator.pauses.known import SCOPES as PAUSED
from saga_coordinator.pauses.known import KnownPauses
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.retention.removal import Removal
from saga_coordinator.retention.short import refuse_short_retention
from saga_coordinator.sagas.messages import Outbound, Ticket
from saga_coordinator.sagas.work import FoldContext
from saga_coordinator.schedules.facade import ScheduleParts
from saga_coordinator.settings import Settings
from saga_coordinator.starts.execution import StartExecution
from saga_coordinator.starts.identities import StartIdentities
from saga_coordinator.starts.preparation import StartPreparation
from saga_coordinator.starts.queue import StartQueue
from saga_coordinator.starts.restarting import Restarts
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import Meta, Store
from saga_coordinator.telemetry.committed import CommitTelemetry
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.traces.sampling import Sampling
from saga_coordinator.views.deliveries import Delivery
from saga_coordinator.views.entries import EntryWriter
from saga_messaging.broker import Broker
from saga_messaging.clock import Clock
from saga_messaging.sender import Sender
from saga_schemas.records import EMPTY_BYTES
from saga_schemas.topics import Topics

Loop = Callable[[], Coroutine[Any, Any, None]]
_NOTED: Final = frozenset({liveness.SCOPE, catch_up_loop.SCOPE, key_agreement.SCOPE, recovery_watch.SCOPE}) | PAUSED
"""What loops read of the control table."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A coordinator that is put together: its facade, and its loops by role."""

    coordinator: Coordinator
    key_agreement: KeyAgreement
    presence: Presence
    loops: dict[str, list[Loop]]
    relay: Relay
    sender: Sender[Ticket]
    pauses: KnownPauses


class _Parts:
    """Everything that more than one loop needs."""

    def __init__(
        self, settings: Settings, store: Store, broker: Broker, meta: Meta, clock: Clock, archive: Archive | None
    ) -> None:
        self.settings, self.store, self.broker, self.meta, self.clock = settings, store, broker, meta, clock
        self.topics = Topics(settings.kafka.topic_prefix)
        self.keys = token_keys(settings, meta)
        self.readers: list[PartitionReader] = []
        self.definitions = DefinitionCache(store, settings.tenant)
        self.instruments = Instruments()
        self.outbound = Outbound(topics=self.topics, keys=self.keys, cluster_id=meta.cluster_id)
        self.sampling = Sampling.of(settings)
        context = FoldContext(outbound=self.outbound, empty=EMPTY_BYTES, new_id=new_id, sampling=self.sampling)
        self.states = context.states
        self.loader = SagaLoader(self.definitions, context, self.instruments)
        self.sender = self._sender()
        self.instruments.watch(self.sender)
        self.refusals = Refusals()
        self.relay = Relay(store, self.sender, clock, self.refusals)
        self.lookout = Lookout(store, settings.tenant, _NOTED, clock)
        self.pauses, self.recovery = KnownPauses(lambda: self.lookout.latest), self._recovery()
        self.events = EventFold(self.instruments, self.recovery.incarnation, self.pauses)
        self.waiters = CompletionWaiters()
        self.committer = Committer(
            store=store,
            relay=self.relay,
            states=self.states,
            waiters=self.waiters,
            telemetry=CommitTelemetry(self.instruments),
            clock=clock,
            committed=self.lookout.stir,
        )
        self.envelopes = ReplyEnvelopes(keys=self.keys, tenant=settings.tenant)
        self.payloads = ReplyPayloads(catalog=self.definitions.catalog, topics=self.topics)
        self.catch_up_requests = CatchUpRequests(store, broker, self.topics, settings.tenant)
        self.key_agreement = KeyAgreement(store, self.keys, settings.tenant, who=settings.instance or "watchdog")
        self.liveness = Liveness(
            store=store,
            lookout=self.lookout,
            broker=broker,
            sends=lambda: self.sender.healthy,
            tenant=settings.tenant,
            who=settings.instance or "timers",
            instruments=self.instruments,
        )
        self.preparation = StartPreparation(
            definitions=self.definitions, clock=clock, incarnation=self.recovery.incarnation, sampling=self.sampling
        )
        self.execution = StartExecution(self.committer, context, store, settings.tenant, self.pauses)
        self.sweeping = sweeping(self, tenant=settings.tenant, incarnation=self.recovery.incarnation)
        self.entries = self._entries()
        self.whereabouts, own = archived(settings.archive, self.entries.of)
        self.removal = Removal(store, archive or own)
        self.traffic = TrafficLoop(store=store, tenant=settings.tenant, instruments=self.instruments, clock=clock)
        self.queue = StartQueue(self.preparation, self.execution, self.instruments, limit=settings.start_queue)

    def _sender(self) -> Sender[Ticket]:
        rows, size = self.settings.sender_rows, self.settings.sender_bytes
        return Sender(self.broker, self.clock, max_rows=rows, max_bytes=size, batch_sent=self.instruments.sender_batch)

    @cached_property
    def restarts(self) -> Restarts:
        return Restarts(self.store, self.definitions, self.preparation, self.execution, self.settings.tenant)

    @cached_property
    def batches(self) -> Batching:
        return batching(self, self.settings)

    def _recovery(self) -> RecoveryWatch:
        return RecoveryWatch(
            store=self.store,
            lookout=self.lookout,
            tenant=self.settings.tenant,
            incarnation=self.meta.incarnation,
            clock=self.clock,
            instruments=self.instruments,
        )

    def _entries(self) -> EntryWriter:
        return EntryWriter(
            store=self.store,
            definitions=self.definitions,
            cluster_id=self.meta.cluster_id,
            jaeger_url=self.settings.jaeger_url,
            failed_are_exported=self.settings.trace_sample_on_failure,
        )

    def group(self, name: str) -> str:
        return self.settings.kafka.topic_prefix + name

    def reader(self, group: str) -> PartitionReader:
        name, instance = self.group(group), self.settings.instance
        made = PartitionReader(lambda: self.broker.consumer(group=name, instance=instance), self.store, self.clock)
        self.readers.append(made)
        return made

    def watchdog(self) -> Watchdog:
        return Watchdog(
            store=self.store,
            lookout=self.lookout,
            broker=self.broker,
            definitions=self.definitions,
            topics=self.topics,
            instruments=self.instruments,
            sampling=self.sampling,
            clock=self.clock,
            presence=Presence.of(self.settings),
            reply_group=self.group(self.settings.reply_group),
            start_group=self.group(self.settings.start_group),
            readers=self.readers,
            key_agreement=self.key_agreement,
        )

    def schema_topic(self) -> SchemaTopic:
        return SchemaTopic(broker=self.broker, topic=self.topics.schemas, definitions=self.definitions, clock=self.clock)

    def reply_loops(self, made_at_us: int | None) -> list[Loop]:
        """The loop that reads replies, and the loop that measures how far they are read, on the
        same partitions."""
        reader = self.reader(self.settings.reply_group)
        replies = ReplyLoop(
            reader=reader,
            committer=self.committer,
            definitions=self.definitions,
            envelopes=self.envelopes,
            payloads=self.payloads,
            announced=AnnouncementAnswers(keys=self.keys, tenant=self.settings.tenant, topics=self.topics),
            sweeping=self.sweeping,
            loader=self.loader,
            events=self.events,
            topics=self.topics,
            clock=self.clock,
            instruments=self.instruments,
            batch_records=self.settings.batch_records,
            tenant=self.settings.tenant,
            made_at_us=made_at_us,
        )
        catch_up = CatchUpLoop(
            store=self.store,
            lookout=self.lookout,
            reader=reader,
            topics=self.topics,
            clock=self.clock,
            instruments=self.instruments,
        )
        return [replies.run, catch_up.run]

    def identities(self, made_at_us: int | None) -> StartIdentities:
        return StartIdentities(
            store=self.store,
            tenant=self.settings.tenant,
            incarnation=self.recovery.incarnation,
            skew_ms=self.settings.horizon.clock_skew_ms,
            made_at_ms=0 if made_at_us is None else made_at_us // 1000,
        )

    def start_loop(self, identities: StartIdentities) -> StartLoop:
        return StartLoop(
            reader=self.reader(self.settings.start_group),
            committer=self.committer,
            definitions=self.definitions,
            preparation=self.preparation,
            identities=identities,
            execution=self.execution,
            topics=self.topics,
            clock=self.clock,
            instruments=self.instruments,
            tenant=self.settings.tenant,
            batch_records=self.settings.batch_records,
        )

    def timer_loop(self) -> TimerLoop:
        return TimerLoop(
            store=self.store,
            lookout=self.lookout,
            committer=self.committer,
            loader=self.loader,
            events=self.events,
            envelopes=self.envelopes,
            payloads=self.payloads,
            catch_up_requests=self.catch_up_requests,
            liveness=self.liveness,
            clock=self.clock,
            instruments=self.instruments,
            batch_sagas=self.settings.batch_sagas,
        )

    def resuming(self) -> ResumeLoop:
        return ResumeLoop(
            store=self.store,
            lookout=self.lookout,
            committer=self.committer,
            loader=self.loader,
            definitions=self.definitions,
            tenant=self.settings.tenant,
            clock=self.clock,
            instruments=self.instruments,
        )

    def sweeper(self) -> Sweeper:
        return Sweeper(
            store=self.store,
            lookout=self.lookout,
            broker=self.broker,
            definitions=self.definitions,
            outbound=self.outbound,
            clock=self.clock,
            instruments=self.instruments,
            refusals=self.refusals,
        )

    def outside(self) -> Outside:
        return Outside.of(self, cluster_id=self.meta.cluster_id)

    def delivery(self, watchdog: Watchdog) -> Delivery:
        """What this instance knows now of its way to the broker."""
        silent = self.sender.last_error if not self.sender.healthy else self.liveness.kafka_away or watchdog.kafka_away
        return Delivery(kafka_away=silent, refusals=self.refusals)

    def scheduling(self, identities: StartIdentities) -> Scheduling:
        return scheduling(self, self.batches.operating, identities, self.settings.tenant)

    def coordinator(self, watchdog: Watchdog, schedules: ScheduleParts) -> Coordinator:
        pauses = PauseActs(self.store, self.definitions, self.settings.tenant, self.lookout.stir)
        return Coordinator(
            settings=self.settings,
            store=self.store,
            definitions=self.definitions,
            starts=self.queue,
            waiters=self.waiters,
            acts=self.batches.acts,
            schedules=schedules,
            watchdog=watchdog,
            removal=self.removal,
            instruments=self.instruments,
            clock=self.clock,
            delivery=lambda: self.delivery(watchdog),
            entries=self.entries,
            whereabouts=self.whereabouts,
            recovering=lambda: self.recovery.recovering,
            unswept=lambda: self.sweeping.sweeps.unswept,
            lost_effects=self.sweeping.acts,
            overviews=overviews(self, watchdog, pauses.going_on),
            pauses=pauses,
            restarts=self.restarts,
        )


async def build(
    settings: Settings, store: Store, broker: Broker, meta: Meta, clock: Clock, archive: Archive | None = None
) -> Instance:
    """Wire one instance together, read the definitions, and see to the topics.

    Raises ConfigurationError, StoreError.
    """
    parts = _Parts(settings, store, broker, meta, clock, archive)
    outside = parts.outside()
    registry_loops = outside.registry()
    await parts.definitions.refresh()
    await parts.pauses.begin(store, settings.tenant)
    refuse_short_retention(parts.definitions, settings)
    partitions = PartitionLoop(store, settings.store_partitions, clock, parts.instruments)
    watchdog = parts.watchdog()
    await watchdog.ensure_topics_at_start()
    made_at_us = await Origin(store, broker, settings).made_at_us()
    identities = parts.identities(made_at_us)
    schedules = parts.scheduling(identities)
    loops: dict[str, list[Loop]] = {
        "api": [parts.queue.run],
        "replies": parts.reply_loops(made_at_us),
        "starts": [parts.start_loop(identities).run],
        "timers": [parts.liveness.run, parts.timer_loop().run, parts.resuming().run, schedules.loop.run],
        "sweeper": [parts.sweeper().run, retention(parts).run, horizon(parts).run, partitions.run, parts.batches.loop.run],
        "projector": outside.spans(),
        "watchdog": [
            watchdog.run,
            parts.recovery.run,
            parts.sweeping.sweeps.run,
            parts.schema_topic().run,
            parts.traffic.run,
            *registry_loops,
            *outside.metrics(),
        ],
    }
    return Instance(
        coordinator=parts.coordinator(watchdog, schedules.parts),
        key_agreement=parts.key_agreement,
        presence=watchdog.presence,
        loops=loops,
        relay=parts.relay,
        sender=parts.sender,
        pauses=parts.pauses,
    )
