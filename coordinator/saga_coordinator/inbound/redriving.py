"""A dead letter is sent again to where it came from: its very bytes, once.

What is kept of a letter is cut to bounds, and has no time. So the record itself is read from its
topic where that still holds it, and sent with the time that it had: the time is a part of a start's
identity (docs/adr/0031). Where the topic has let go of it, what is kept is sent, if that is whole.

That a letter is being sent is noted before, and that it was sent once the broker has confirmed it.
Whatever happens between the two, nobody sends it again without saying so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID

from saga_coordinator.engine.events import Refused
from saga_coordinator.inbound.dead_letters import decode_headers, encode_headers
from saga_coordinator.store.columns import storable_text
from saga_coordinator.store.port import DeadLetter, RedriveRow, Store
from saga_messaging.broker import Broker, BrokerError, Outgoing, Record, RecordRefused, TopicPartition
from saga_messaging.dead_letters import HEADERS_BYTES, KEY_BYTES, VALUE_BYTES, Kept, cut
from saga_schemas.limits import HEADER_VALUE_BYTES

UNDER_WAY_US: Final = 60_000_000
"""Longer than a send takes: who finds it younger leaves it to whoever sends it."""
READ_LIMIT_S: Final = 10.0
SEND_LIMIT_S: Final = 10.0
NO_MESSAGES: Final = frozenset({"unreadable_record", "unreadable_batch", "too_large"})
"""Reasons of letters that hold what could not be read, and no message."""
NOTE_CHARS: Final = 300
_NAME_BYTES: Final = 256
"""Of a header: ours are shorter."""


class RedriveUnknown(BrokerError):
    """The broker did not confirm the letter: it may have been sent."""


class Redriving:
    """Sends the letters of one store again."""

    def __init__(self, store: Store, broker: Broker, tenant: str, said: Callable[[str, str], None]) -> None:
        """`said`: is told, of each letter that is sent, its consumer and what the broker said:
        `sent`, `refused` or `unknown`.
        """
        self._store = store
        self._broker = broker
        self._tenant = tenant
        self._said = said

    async def redrive(self, letter_id: UUID, *, again: bool, who: str, why: str) -> RedriveRow:
        """Send a letter again.

        Args:
            letter_id: Which one.
            again: Also one that was sent again before, or may have been.
            who: Who does it.
            why: Why.

        Returns:
            What is known of it now: it is sent.

        Raises:
            Refused: Nothing was sent (dead_letter_unknown, not_redrivable, dead_letter_cut,
                topic_gone, redriven, redrive_under_way, redrive_refused).
            BrokerError: The broker is away. Nothing was sent, unless it is RedriveUnknown.
            StoreError: Nobody noted what became of it.
        """
        letter = await self._letter(letter_id)
        record = await self._record(letter)
        begun = await self._begin(letter, again=again, who=who, why=why)
        return await self._send(letter.consumer, record, begun)

    async def _letter(self, letter_id: UUID) -> DeadLetter:
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise Refused("dead_letter_unknown", "there is no such dead letter")
        if letter.reason in NO_MESSAGES:
            raise Refused("not_redrivable", f"it is no message ({letter.reason}): mend the program that wrote it")
        if letter.value is None:
            raise Refused("not_redrivable", "it has no value (a tombstone): nobody could ever read it")
        return letter

    async def _record(self, letter: DeadLetter) -> Outgoing:
        """The very record, to where it stood."""
        partitions = (await self._broker.partitions([letter.topic])).get(letter.topic, frozenset())
        if not partitions:
            raise Refused("topic_gone", f"the topic {letter.topic} is not there any more")
        kept = Kept(key=letter.key, value=letter.value, headers=decode_headers(letter.headers))
        place = letter.partition if letter.partition in partitions else None
        found = await self._original(letter) if place is not None else None
        if found is not None:
            return replace(found, partition=place)
        if may_be_cut(kept):
            raise Refused(
                "dead_letter_cut", f"{letter.topic} does not hold the record any more, and what is kept of it may be cut"
            )
        return Outgoing(topic=letter.topic, key=kept.key, value=kept.value, headers=kept.headers, partition=place)

    async def _original(self, letter: DeadLetter) -> Outgoing | None:
        """The record as its topic holds it, if it is that very record."""
        consumer = self._broker.consumer(group=None)
        try:
            await consumer.start()
            found = await consumer.read_one(TopicPartition(letter.topic, letter.partition), letter.offset)
        finally:
            await consumer.stop()
        if found is None or found.fault is not None or not is_letter_of(letter, found):
            return None
        return Outgoing(
            topic=found.topic, key=found.key, value=found.value, headers=found.headers, timestamp_ms=found.timestamp_ms
        )

    async def _begin(self, letter: DeadLetter, *, again: bool, who: str, why: str) -> RedriveRow:
        async with self._store.transaction() as tx:
            before = await tx.redrive_of(letter.id)
            if before is not None:
                _refuse_second(before, again, tx.now_us)
            tries = 1 if before is None else before.tries + 1
            begun = RedriveRow(letter_id=letter.id, tries=tries, asked_at_us=tx.now_us, who=who, why=why)
            if not await tx.put_redrive(before, begun):
                raise Refused("redrive_under_way", "somebody else sends it at this moment")
            act = "redrive" if before is None else "redrive again"
            target = f"dead letter {letter.id} of {letter.topic}"
            await tx.add_audit(tenant=self._tenant, act=act, target=target, who=who, why=why, at_us=tx.now_us)
        return begun

    async def _send(self, consumer: str, record: Outgoing, begun: RedriveRow) -> RedriveRow:
        try:
            error = await self._sent(record)
        except BrokerError as unreached:
            self._said(consumer, "refused")
            await self._note(begun, note=str(unreached))
            raise
        self._said(consumer, "sent" if error is None else "refused" if isinstance(error, RecordRefused) else "unknown")
        if isinstance(error, RecordRefused):
            await self._note(begun, note=str(error))
            raise Refused("redrive_refused", f"the broker does not take it: {error}")
        if error is not None:
            raise RedriveUnknown(f"the broker did not confirm it, and may have it: {error}")
        return await self._note(begun)

    async def _sent(self, record: Outgoing) -> BrokerError | None:
        """What the broker said. Raises BrokerError where it was not reached."""
        producer = self._broker.producer()
        await producer.start()
        try:
            return (await producer.send_all([record], timeout_s=SEND_LIMIT_S))[0]
        finally:
            await producer.stop()

    async def _note(self, begun: RedriveRow, *, note: str | None = None) -> RedriveRow:
        async with self._store.transaction() as tx:
            after = (
                replace(begun, note=storable_text(note)[:NOTE_CHARS])
                if note is not None
                else replace(begun, sent_at_us=tx.now_us)
            )
            await tx.put_redrive(begun, after)
        return after


def is_letter_of(letter: DeadLetter, found: Record) -> bool:
    """Whether this is the record that the letter was made of."""
    kept = cut(found)
    return (kept.key, kept.value, encode_headers(kept.headers)) == (letter.key, letter.value, letter.headers)


def may_be_cut(kept: Kept) -> bool:
    """Whether something may be missing of a record that anybody could read."""
    headers_bytes = sum(len(name) + len(value) for name, value in kept.headers)
    return (
        len(kept.key or b"") >= KEY_BYTES
        or len(kept.value or b"") >= VALUE_BYTES
        or headers_bytes + HEADER_VALUE_BYTES + _NAME_BYTES > HEADERS_BYTES
    )


def _refuse_second(before: RedriveRow, again: bool, now_us: int) -> None:
    """Raise Refused unless it may be sent after that."""
    if before.note is not None:
        return  # it surely was not sent
    if before.sent_at_us is None and now_us - before.asked_at_us < UNDER_WAY_US:
        raise Refused("redrive_under_way", "it is being sent at this moment: look again in a minute")
    if again:
        return
    if before.sent_at_us is None:
        raise Refused("redriven", "it may have been sent again before: nobody knows; `again` sends it whatever became of it")
    raise Refused("redriven", f"it was sent again before, by {before.who}; `again` sends it once more")
