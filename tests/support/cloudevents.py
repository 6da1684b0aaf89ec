"""Messages as the official SDK of CloudEvents in Go reads and writes them
(examples/payment-go/cloudevents)."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from saga_messaging.broker import Record
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_messaging.whole_topic import read_whole
from support.payment_go import cloudevents_check

READ_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message in CloudEvents' binary mode."""

    headers: dict[str, str]
    value: bytes

    def line(self) -> str:
        return json.dumps({"headers": self.headers, "value": base64.b64encode(self.value).decode()}) + "\n"


@dataclass(frozen=True, slots=True)
class ReadBySdk:
    """What the SDK made of messages."""

    ids: list[str]
    """The `ce_id` of each message that it read."""
    starts: list[Message]
    """For each that was a start, one of its own with the same data."""


def read_by_sdk(messages: Sequence[Message]) -> ReadBySdk:
    """Have the SDK read them. AssertionError when it does not take one for a valid event."""
    given = "".join(message.line() for message in messages)
    done = subprocess.run([cloudevents_check()], input=given, capture_output=True, text=True, timeout=READ_LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    ids, starts = [], []
    for line in done.stdout.splitlines():
        kind, _, said = line.partition(" ")
        if kind == "read":
            ids.append(said.rpartition(" ")[2])
        else:
            found = json.loads(said)
            starts.append(Message(found["headers"], base64.b64decode(found["value"])))
    return ReadBySdk(ids, starts)


async def messages_of(kafka: str, topics: Sequence[str]) -> list[Message]:
    """Everything that stands in these topics."""
    found: list[Message] = []

    def take(record: Record) -> None:
        found.append(Message({name: (value or b"").decode() for name, value in record.headers}, record.value or b""))

    broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka))
    try:
        for topic in topics:
            await read_whole(broker, topic, take, limit_s=READ_LIMIT_S)
    finally:
        await broker.stop()
    return found
