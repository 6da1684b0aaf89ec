"""The first stage of a reply: what its record alone says (size, headers, key, tenant, token)."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_messaging.broker import Record
from saga_schemas.headers import ReplyHeaders
from saga_schemas.inbound import Envelope, read_reply_envelope
from saga_schemas.record_class import record
from saga_schemas.token import TokenKeys

CONSUMER: Final = "replies"
"""The name of the reply loop's positions and dead letters in the store."""


@record
class IncomingReply:
    """A reply whose envelope is good: it is to a command of ours, by its token."""

    record: Record
    envelope: Envelope[ReplyHeaders]

    @property
    def headers(self) -> ReplyHeaders:
        return self.envelope.headers

    @property
    def saga_id(self) -> UUID:
        return self.envelope.headers.saga_id


class ReplyEnvelopes:
    """Reads the envelopes of replies to one tenant's commands."""

    def __init__(self, *, keys: TokenKeys, tenant: str) -> None:
        self._keys = keys
        self._tenant = tenant

    def read(self, record: Record) -> IncomingReply:
        """Read the envelope. Nothing but the record is needed.

        Raises:
            BadMessage: The record is no reply to a command of ours.
        """
        return IncomingReply(record=record, envelope=read_reply_envelope(record, tenant=self._tenant, keys=self._keys))
