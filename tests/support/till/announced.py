"""Announcements to the till: as Kafka would bring them, and what is remembered of them."""

from __future__ import annotations

import uuid
from typing import Any

from saga_messaging.broker import Outgoing, Record
from saga_messaging.clock import SystemClock
from saga_participant.announcements.collector import Collector
from saga_participant.announcements.listener import Listener
from saga_participant.database.database import Database
from saga_participant.database.memory import AnnouncedMemory
from saga_participant.telemetry.metrics import Metrics
from saga_schemas.headers import AnnouncementHeaders
from saga_schemas.horizon import Horizon
from saga_schemas.ids import announcement_id
from saga_schemas.inbound import read_announcement_answer
from saga_schemas.outcomes import AnnouncementKind
from saga_schemas.records import HorizonHeard, HorizonRecord, Sweep, SweptRows, encode_own
from saga_schemas.token import TokenKeys

TOKEN_KEYS = TokenKeys(current="k1", keys={"k1": b"1" * 32})
KEYS = TOKEN_KEYS.announcement_keys()


def announcement(content: HorizonRecord | Sweep, *, tenant: str = "default", incarnation: int = 1, **headers: bytes) -> Outgoing:
    """As the coordinator sends it, but for these headers."""
    kind = AnnouncementKind.SWEEP if isinstance(content, Sweep) else AnnouncementKind.HORIZON
    value = encode_own(content)
    made = AnnouncementHeaders(
        message_id=announcement_id(kind, incarnation, uuid.uuid4()),
        source="/saga-coordinator/tests",
        record=content.avro_name,
        time_us=1_762_179_906_000_123,
        tenant=tenant,
        kind=kind,
        incarnation=incarnation,
        token=KEYS.sign(tenant, "till", kind, incarnation, value),
    )
    return Outgoing(topic="saga.cmd.till", key=kind.encode(), value=value, headers=tuple((dict(made.encode()) | headers).items()))


def received(sent: Outgoing) -> Record:
    return Record(
        topic=sent.topic, partition=0, offset=0, timestamp_ms=0, key=sent.key, value=sent.value, headers=tuple(sent.headers)
    )


class _Hurried(SystemClock):
    """Rests end at once."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.005))


class Announcer:
    """The coordinator's side of one till, for one tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        clock = _Hurried()
        self.tenant = tenant
        self.metrics = Metrics("till")
        self.memory = AnnouncedMemory(database, clock)
        self.listener = Listener("till", self.memory, KEYS, clock=clock, reply_topic="saga.reply.till", source="/till")
        self.collector = Collector(memory=self.memory, metrics=self.metrics, clock=clock)

    async def tells(self, content: Horizon | Sweep, *, incarnation: int = 1) -> HorizonHeard | SweptRows | None:
        """What the till answers."""
        told = HorizonRecord.of(content) if isinstance(content, Horizon) else content
        answer = await self.listener.answer(received(announcement(told, tenant=self.tenant, incarnation=incarnation)))
        if answer is None:
            return None
        return read_announcement_answer(received(answer), tenant=self.tenant, keys=TOKEN_KEYS, participant="till").content

    async def hears(self, below_ms: int, *exceptions: Any) -> int:
        """The horizon that the till says it remembers."""
        answer = await self.tells(Horizon(below_ms=below_ms, exceptions=frozenset(exceptions)))
        assert isinstance(answer, HorizonHeard)
        return answer.below_ms

    async def sweeps(self, *, incarnation: int = 1, **asked: Any) -> SweptRows:
        """A page of its rows."""
        answer = await self.tells(Sweep.of(**{"limit": 500} | asked), incarnation=incarnation)
        assert isinstance(answer, SweptRows)
        return answer
