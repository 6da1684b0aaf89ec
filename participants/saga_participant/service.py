"""A participant at work: its parts put together on a broker, started and stopped in order."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import TracerProvider

from saga_messaging.background import end
from saga_messaging.broker import Broker
from saga_messaging.clock import Clock
from saga_participant.announcements.collector import Collector
from saga_participant.announcements.listener import Listener
from saga_participant.consuming.command_loop import DRAIN_MARGIN_S, CommandLoop
from saga_participant.consuming.command_processor import CommandProcessor
from saga_participant.consuming.dead_letters import DeadLetters
from saga_participant.consuming.keyed_workers import KeyedWorkers
from saga_participant.consuming.reply_sender import ReplySender
from saga_participant.consuming.schema_topic import SchemaTopic
from saga_participant.consuming.topic_watch import TopicWatch
from saga_participant.database.memory import AnnouncedMemory
from saga_participant.delivery.execution import Execution
from saga_participant.handling.containment import contained
from saga_participant.telemetry.metrics import Metrics
from saga_participant.telemetry.pulse import watch_pulse
from saga_participant.telemetry.tracing import Tracing
from saga_schemas.token import AnnouncementKeys
from saga_schemas.topics import Topics

LARGEST_IN_HAND: Final = 512
"""Commands taken from Kafka and not finished: bounds memory and what comes again after a crash."""


@dataclass(slots=True, kw_only=True)
class Service:
    """One participant on one broker."""

    name: str
    execution: Execution
    broker: Broker
    clock: Clock
    topics: Topics
    instance: str | None
    metrics: Metrics
    processor: CommandProcessor
    workers: KeyedWorkers
    loop: CommandLoop
    watch: TopicWatch
    collector: Collector

    @classmethod
    def assemble(
        cls,
        *,
        name: str,
        execution: Execution,
        broker: Broker,
        clock: Clock,
        topics: Topics,
        instance: str | None,
        metrics: Metrics,
        tracer_provider: TracerProvider | None = None,
        announcement_keys: AnnouncementKeys | None = None,
    ) -> Service:
        """All parts, nothing started."""
        group = topics.command_group(name)
        memory, reply_topic = AnnouncedMemory(execution.database, clock), topics.reply(name)
        source = f"{name}/{instance or f'{socket.gethostname()}-{os.getpid()}'}"
        sender = ReplySender(broker, clock, metrics)
        schemas = SchemaTopic(broker=broker, topic=topics.schemas, registry=execution.registry, metrics=metrics, clock=clock)
        execution.missing = schemas.expect
        processor = CommandProcessor(
            execution=execution,
            sender=sender,
            dead_letters=DeadLetters(broker, topics.dlq(name), metrics),
            schemas=schemas,
            tracing=Tracing(name, group, tracer_provider),
            metrics=metrics,
            clock=clock,
            reply_topic=reply_topic,
            source=source,
            listener=Listener(name, memory, announcement_keys, clock=clock, reply_topic=reply_topic, source=source),
        )
        workers = KeyedWorkers(processor.serve, workers=execution.at_once, capacity=LARGEST_IN_HAND)
        _connect(metrics, execution, sender, workers, clock)
        loop = CommandLoop(
            broker=broker,
            topic=topics.command(name),
            group=group,
            instance=instance,
            workers=workers,
            clock=clock,
            metrics=metrics,
            drain_s=execution.calls.limit_s + DRAIN_MARGIN_S,
        )
        own = (topics.command(name), reply_topic, topics.dlq(name))
        watch = TopicWatch(broker=broker, topics=own, sender=sender, loop=loop, clock=clock)
        return cls(
            name=name,
            execution=execution,
            broker=broker,
            clock=clock,
            topics=topics,
            instance=instance,
            metrics=metrics,
            processor=processor,
            workers=workers,
            loop=loop,
            watch=watch,
            collector=Collector(memory=memory, metrics=metrics, clock=clock),
        )

    async def run(self, stop: asyncio.Event, *, ready: Callable[[], None]) -> None:
        """Until `stop` is set (what is in hand is finished first) or until cancelled (it comes
        again).
        """
        with contained():
            await self._run(stop, ready)

    async def _run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(self.processor.sender.run()), group.create_task(self.workers.run())]
            await self.watch.look()
            background.append(group.create_task(self.watch.run()))
            await self.processor.schemas.look()  # before the first command: most that are unknown to the files are known then
            background.append(group.create_task(self.processor.schemas.run()))
            background.append(group.create_task(watch_pulse(self.clock, self.metrics)))
            background.append(group.create_task(self.collector.run()))
            ready()
            await self.loop.run(stop)
            await end(background)


def _connect(metrics: Metrics, execution: Execution, sender: ReplySender, workers: KeyedWorkers, clock: Clock) -> None:
    """What the metrics and the sender read of the other parts when they are asked."""
    sender.at_work = lambda: workers.in_hand
    runs, stalled_s = execution.calls.runs, 2 * execution.calls.transaction_limit_s
    metrics.at_work, metrics.workers_replaced = lambda: workers.at_work, lambda: workers.replaced
    metrics.groups, metrics.now_s = execution.groups.counts, clock.monotonic_s
    metrics.handlers_left = lambda: (runs.left_behind, len(runs.left))
    metrics.unready = lambda: metrics.serves_nobody(clock.monotonic_s(), stalled_s)
