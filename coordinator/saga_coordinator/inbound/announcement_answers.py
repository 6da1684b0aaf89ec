"""Answers to what was announced on command topics: they come on reply topics, and are about no
single saga."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from saga_messaging.broker import Record
from saga_schemas.errors import BadMessage
from saga_schemas.headers import announcement_kind
from saga_schemas.inbound import AnnouncementAnswer, read_announcement_answer
from saga_schemas.outcomes import AnnouncementKind
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics

Taker = Callable[[str, AnnouncementAnswer], Awaitable[None]]
"""Takes an answer of this participant in, in a transaction of its own. Twice is as good as once.

Raises BadMessage, StoreError.
"""


class AnnouncementAnswers:
    """Reads answers, and gives each to whoever waits for its kind."""

    def __init__(self, *, keys: TokenKeys, tenant: str, topics: Topics, takers: Mapping[AnnouncementKind, Taker]) -> None:
        self._keys = keys
        self._tenant = tenant
        self._topics = topics
        self._takers = takers

    @staticmethod
    def is_one(record: Record) -> bool:
        """By a look at one header."""
        return announcement_kind(record.headers) is not None

    async def take(self, record: Record) -> None:
        """Take one in, before the position moves past it.

        Raises:
            BadMessage: It is no answer to an announcement of ours.
            StoreError: It is to be taken again.
        """
        participant = self._topics.participant_of_reply(record.topic)
        if participant is None:
            raise BadMessage("wrong_topic", "not the reply topic of a participant")
        record.check()
        answer = read_announcement_answer(record, tenant=self._tenant, keys=self._keys, participant=participant)
        await self._takers[answer.headers.kind](participant, answer)
