"""Answers of participants to announcements: they come on reply topics, and are about no saga."""

from __future__ import annotations

from saga_messaging.broker import Record
from saga_schemas.errors import BadMessage
from saga_schemas.headers import announcement_kind
from saga_schemas.inbound import AnnouncementAnswer, read_announcement_answer
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics


class AnnouncementAnswers:
    """Reads the answers to one tenant's announcements."""

    def __init__(self, *, keys: TokenKeys, tenant: str, topics: Topics) -> None:
        self._keys = keys
        self._tenant = tenant
        self._topics = topics

    def is_one(self, record: Record) -> bool:
        """Whether the record says that it is one, and no reply of a saga's step."""
        return announcement_kind(record.headers) is not None

    def read(self, record: Record) -> tuple[str, AnnouncementAnswer]:
        """Its participant, and what it says.

        Raises:
            BadMessage: It is no answer to an announcement of ours to that participant.
        """
        record.check()
        participant = self._topics.participant_of_reply(record.topic)
        if participant is None:
            raise BadMessage("header_invalid", "an answer to an announcement belongs on a participant's reply topic")
        return participant, read_announcement_answer(record, tenant=self._tenant, keys=self._keys, participant=participant)
