"""An answer to a command, and the record it is sent as.

Headers always come from the command being answered.
"""

from __future__ import annotations

import os
from typing import Final

from saga_messaging.broker import Outgoing
from saga_participant.barrier.entry import Stored
from saga_schemas.errors import BadMessage
from saga_schemas.headers import CommandHeaders, answer
from saga_schemas.ids import saga_key
from saga_schemas.outcomes import Outcome
from saga_schemas.record_class import record
from saga_schemas.records import EMPTY_BYTES, Empty, Failure, Progress, encode_own

SCHEMA_PATIENCE_MS: Final = 30_000
"""A command in an unknown schema is asked again so late that the usual ten attempts last some
minutes: somebody has to deploy something.
"""
_READABLE_LATER: Final = frozenset({"unknown_schema", "schema_mismatch"})

EMPTY: Final = Stored(record=Empty.avro_name, payload=EMPTY_BYTES)


@record
class Answer:
    """One reply before it has headers."""

    to: CommandHeaders
    outcome: Outcome
    content: Stored = EMPTY
    seq: int | None = None
    """Orders IN_PROGRESS."""
    row_run: int | None = None
    """The row's run, where it is newer than the command's."""
    repeated: bool = False
    """Said before, to an earlier delivery of this command or of another attempt at it: no handler
    ran for this one.
    """
    taken_at_us: int | None = None
    """When this delivery of the command was begun, by this process's clock.

    This and the next are sent and never remembered.
    """
    handler_us: int | None = None
    """How long handlers ran for this delivery; None: none did."""

    def outgoing(
        self, *, topic: str, source: str, time_us: int, traceparent: str | None = None, tracestate: str | None = None
    ) -> Outgoing:
        """The record for Kafka.

        `traceparent`: of the span that worked on the command; None keeps the command's own.
        """
        headers = answer(
            self.to,
            message_id=_random_uuid(),
            source=source,
            record=self.content.record,
            time_us=time_us,
            outcome=self.outcome,
            seq=self.seq,
            row_run=self.row_run,
            traceparent=traceparent,
            tracestate=tracestate,
            taken_at_us=self.taken_at_us,
            handler_us=self.handler_us,
        )
        return Outgoing(topic=topic, key=saga_key(self.to.saga_id), value=self.content.payload, headers=headers.encode())


def _random_uuid() -> str:
    """A UUID of version 4 as text: 1.3 us, where `uuid.uuid4` and its text take 2.7 of the 11 of a
    reply (`benchmarks/wire.py`)."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def unreadable(to: CommandHeaders, bad: BadMessage, *, handled: bool) -> Answer:
    """What is said to a command that cannot be read. `handled`: a handler here serves its record.

    Such a record in a schema that this process does not know, or cannot turn into its own, is a
    matter of who was deployed first: FAILED, so it is asked again and nothing is undone. Everything
    else will never be read here: UNSUPPORTED.
    """
    if handled and bad.reason in _READABLE_LATER:
        return Answer(to=to, outcome=Outcome.FAILED, content=failure(bad.reason, bad.detail, SCHEMA_PATIENCE_MS))
    return Answer(to=to, outcome=Outcome.UNSUPPORTED)


def failure(code: str, message: str = "", retry_after_ms: int | None = None) -> Stored:
    """The content of REJECTED and FAILED."""
    return Stored(record=Failure.avro_name, payload=encode_own(Failure.of(code, message, retry_after_ms)))


def progress(note: str) -> Stored:
    """The content of IN_PROGRESS."""
    return Stored(record=Progress.avro_name, payload=encode_own(Progress.of(note)))
