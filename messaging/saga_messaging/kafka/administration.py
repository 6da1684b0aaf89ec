"""A cluster's administration: its id, topics and their partitions, groups. It must not know the
clients that read and write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from saga_messaging.broker import BrokerError, TopicForbidden, TopicPartition
from saga_messaging.kafka.aside import Aside, Offset
from saga_messaging.kafka.connection import CLIENT_ERRORS, bounded, connection_options, kafka_partition, one_line
from saga_messaging.kafka.refusal import unreached
from saga_messaging.settings import KafkaSettings

RETRY_PAUSE_S = 0.1
GROUP_ID_NOT_FOUND = 69
_SPARES_MISSING = 4
"""From this version on a metadata request can say that topics are not to be made."""
COMPACTED = {"cleanup.policy": "compact"}
_FORBIDDEN = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError, PolicyViolationError, InvalidTopicError)
Result = TypeVar("Result")


class _OfThese(MetadataRequest):  # type: ignore[misc]  # aiokafka is untyped
    """Asks for some topics, and makes none by asking.

    A server that is too old to be asked so is asked for all topics: it would make what is missing.
    """

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class.API_VERSION < _SPARES_MISSING:
            return MetadataRequest().build(request_struct_class)
        return super().build(request_struct_class)


class Administration:
    """What a cluster is asked, and asked to do, apart from reading and writing.

    One connection, made when first needed and given up when the cluster does not answer. Every
    question has the settings' time limit and raises BrokerError after it.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._options = connection_options(settings)
        self._timeout_s = settings.request_timeout_ms / 1000
        self._admin: Any = None
        self._admin_lock = asyncio.Lock()
        self._aside = Aside(self._options, self._timeout_s)

    def __str__(self) -> str:
        return self._settings.where

    async def start(self) -> None:
        await self.cluster_id()

    async def stop(self) -> None:
        await self._aside.stop()
        await self._drop_admin()

    async def cluster_id(self) -> str:
        """The id of the cluster.

        It is asked for every second, so no topic is named: aiokafka's own question brings all
        topics.
        """
        described = await self._ask(lambda admin: admin._get_cluster_metadata(topics=[]))
        return str(described.to_object()["cluster_id"])

    async def ensure_topics(self, topics: Iterable[str], *, compacted: bool = False) -> None:
        wanted = set(topics)
        missing = await self._missing(wanted)
        if not missing:
            return
        if self._settings.stand_in:
            await self._ask(lambda admin: admin.describe_topics(sorted(missing)))  # asking for a topic makes it
        else:
            await self._create(missing, compacted)
        async with _limit(self._timeout_s, "the new topics did not appear"):
            while await self._missing(wanted):  # noqa: ASYNC110  # only asking again can tell
                await asyncio.sleep(RETRY_PAUSE_S)

    async def delete_topics(self, topics: Iterable[str]) -> None:
        """Deletes topics; one that does not exist is no error.

        It is for tests and for wiping a development cluster, and no part of the port.
        """
        names = sorted(topics)
        await self._ask(lambda admin: admin.delete_topics(names))

    async def partitions(self, topics: Iterable[str]) -> Mapping[str, frozenset[int]]:
        asked = list(topics)
        described = await self._ask(lambda admin: admin._send_request(_OfThese(asked, allow_auto_topic_creation=False)))
        held = {
            str(t["topic"]): frozenset(int(p["partition"]) for p in t["partitions"])
            for t in described.to_object()["topics"]
            if not t["error_code"]
        }
        return {topic: held.get(topic, frozenset()) for topic in asked}

    async def readers(self, group: str) -> int | None:
        if self._settings.stand_in:
            return None
        answers = await self._ask(lambda admin: admin.describe_consumer_groups([group]))
        described = answers[0].to_object()["groups"][0]
        if described["error_code"] and described["error_code"] != GROUP_ID_NOT_FOUND:  # else nobody ever read
            raise BrokerError(f"group {group}: {for_code(described['error_code']).__name__}")
        return len(described["members"])

    async def group_lag(self, group: str, topics: Iterable[str]) -> Mapping[TopicPartition, int]:
        """Where the group has committed nothing, all that the topic holds counts as lag."""
        if self._settings.stand_in:
            return {}
        held = await self.partitions(topics)
        positions = [TopicPartition(topic, number) for topic, numbers in held.items() for number in numbers]
        if not positions:
            return {}
        committed = await self._ask(lambda admin: admin.list_consumer_group_offsets(group))
        earliest = await self._aside.offsets(positions, Offset.FIRST)
        read = {
            at: committed[kafka_partition(at)].offset if kafka_partition(at) in committed else earliest[at] for at in positions
        }
        ends = await self._aside.offsets(positions, Offset.END)
        return {at: max(0, ends[at] - read[at]) for at in positions}

    async def existing(self, positions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Those of these partitions that the cluster holds now."""
        asked = list(positions)
        held = await self.partitions({position.topic for position in asked})
        return [position for position in asked if position.partition in held[position.topic]]

    async def _missing(self, topics: set[str]) -> set[str]:
        return {topic for topic, held in (await self.partitions(topics)).items() if not held}

    async def _create(self, topics: set[str], compacted: bool) -> None:
        settings = self._settings
        partitions, configs = (1, COMPACTED) if compacted else (settings.partitions, {})
        new = [NewTopic(topic, partitions, settings.replication_factor, topic_configs=configs) for topic in sorted(topics)]
        answer = await self._ask(lambda admin: admin.create_topics(new))
        forbidden, failed = [], []
        for topic, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and issubclass(error, _FORBIDDEN):
                forbidden.append(topic)
            elif code and error is not TopicAlreadyExistsError:
                failed.append(f"{topic}: {error.__name__}")
        if forbidden:
            raise TopicForbidden(f"may not be created here: {', '.join(forbidden)}")
        if failed:
            raise BrokerError(f"not created: {', '.join(failed)}")

    async def _ask(self, request: Callable[[Any], Awaitable[Result]]) -> Result:
        """Asks the cluster until the time limit, on another node when one does not answer.

        After a failure the next question starts with a fresh connection.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    try:
                        return await request(await self._started_admin())
                    except (KafkaError, OSError) as error:
                        if isinstance(error, KafkaError) and not error.retriable:
                            raise
                        await asyncio.sleep(RETRY_PAUSE_S)
        except (*CLIENT_ERRORS, AttributeError) as error:  # AttributeError: no controller is known
            await self._drop_admin()
            raise await unreached(f"the cluster did not answer: {one_line(error)}", self._options) from error

    async def _started_admin(self) -> Any:
        async with self._admin_lock:
            if self._admin is None:
                admin = AIOKafkaAdminClient(**self._options)
                try:
                    await admin.start()
                except BaseException:
                    await bounded(admin.close())
                    raise
                self._admin = admin
            return self._admin

    async def _drop_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await bounded(admin.close())


@contextlib.asynccontextmanager
async def _limit(timeout_s: float, otherwise: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise BrokerError(f"{otherwise} within {timeout_s:g} s") from None
