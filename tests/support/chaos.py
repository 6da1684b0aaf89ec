"""What is done to a running shop: processes killed one after the other and started again, all
topics deleted. Every act is noted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka.admin import AdminClient

from saga_messaging.broker import TopicPartition
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from support.orders import OpenCount, until
from support.processes import SagaProcess
from support.shop import PARTICIPANTS, Shop

OPEN_LIMIT_S = 60.0
RECREATED_LIMIT_S = 30.0
LIST_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Act:
    """One thing done, and how many sagas were open then."""

    at_s: float
    what: str
    open: int


@dataclass(slots=True)
class Chaos:
    """Kills with enough orders open; the list of what was done is printed and asserted."""

    shop: Shop
    count: OpenCount
    began: float = field(default_factory=time.monotonic)
    acts: list[Act] = field(default_factory=list)

    async def kill_in_turn(self, *, rounds: int, every_s: float, at_least: int) -> None:
        """Each process `rounds` times, one every `every_s`, started again at once; those of one
        group are as far apart as can be."""
        due = time.monotonic()
        async with asyncio.TaskGroup() as restarts:
            for _ in range(rounds):
                for process in _interleaved(self.shop):
                    due += every_s
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    await self.kill(process, at_least=at_least)
                    restarts.create_task(_back(process))

    async def kill(self, process: SagaProcess, *, at_least: int) -> None:
        await self.count.reaches(lambda open_: open_ >= at_least, OPEN_LIMIT_S, f"{at_least} orders open before a kill")
        await process.ready()  # what is killed was at work
        self._note(f"kill -9 {process.name} ({process.kills + 1})")
        await process.kill()

    async def delete_all_topics(self, *, at_least: int) -> None:
        """Every `saga.*` topic of the cluster.

        Returns once the coordinators (or the participants) have made them anew.
        """
        topics = await _all_topics(self.shop)
        broker = KafkaBroker(KafkaSettings(bootstrap_servers=self.shop.kafka))
        try:
            before = await _ends(broker, topics)
            await self.count.reaches(lambda open_: open_ >= at_least, OPEN_LIMIT_S, f"{at_least} orders open before the wipe")
            self._note(f"deleted all {len(topics)} topics")
            await broker.delete_topics(topics)

            async def recreated() -> bool:
                held = await broker.partitions(topics)
                return all(held.values()) and sum((await _ends(broker, topics)).values()) < sum(before.values())

            await until(recreated, RECREATED_LIMIT_S, "all topics are made again")
            self._note("all topics are back")
        finally:
            await broker.stop()

    def _note(self, what: str) -> None:
        self.acts.append(Act(round(time.monotonic() - self.began, 1), what, self.count.now))

    def kills(self) -> list[Act]:
        return [act for act in self.acts if act.what.startswith("kill")]

    def report(self) -> str:
        return "\n".join(f"  {act.at_s:6.1f} s  {act.open:4d} open  {act.what}" for act in self.acts)


def _interleaved(shop: Shop) -> Sequence[SagaProcess]:
    """One of each consumer group after the other."""
    groups = [shop.coordinators, *(shop.instances(name) for name in PARTICIPANTS)]
    return [process for turn in zip(*groups, strict=True) for process in turn]


async def _back(process: SagaProcess) -> None:
    await process.start()
    await process.ready()


async def _all_topics(shop: Shop) -> list[str]:
    """Every topic of the system that the cluster holds, whoever made it."""
    client = AdminClient({"bootstrap.servers": shop.kafka, "log_level": 0})
    metadata = await asyncio.to_thread(client.list_topics, timeout=LIST_LIMIT_S)
    return sorted(topic for topic in metadata.topics if topic.startswith(f"{shop.topic_prefix}saga."))


async def ends_of(shop: Shop, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """End offsets of these topics."""
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=shop.kafka))
    try:
        return await _ends(broker, topics)
    finally:
        await broker.stop()


async def _ends(broker: KafkaBroker, topics: Sequence[str]) -> dict[TopicPartition, int]:
    held = await broker.partitions(topics)
    at = [TopicPartition(topic, number) for topic, numbers in held.items() for number in numbers]
    return dict(await broker.consumer(group="looking").end_offsets(at))
