"""How the coordinator and the floor are asked to carry out an order."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

from floor_messages import Message, decoded
from http_load import Posted, starts_by_http
from load import Start, starts_by_kafka
from system import DEMO

from saga_messaging.broker import Outgoing, Record
from saga_messaging.kafka import KafkaBroker
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import StartHeaders
from saga_schemas.records import SagaEvent, read_own
from saga_schemas.topics import Topics


class Ours:
    """Starts by Kafka."""

    def __init__(self, topic_prefix: str, definition: str = "order", address: str = "1 Main Street") -> None:
        topics = Topics(topic_prefix)
        self._definition, self._address = definition, address
        self.events = topics.events
        self._starts = topics.start
        schema = Catalog(read_schemas(DEMO / "schemas")).latest("shop.PlaceOrder")
        assert schema is not None
        self._schema = schema

    def starting(self, broker: KafkaBroker) -> AbstractAsyncContextManager[Start]:
        return starts_by_kafka(broker, self._start)

    def _start(self, key: str, number: int) -> Outgoing:
        headers = StartHeaders(
            message_id=key,
            source="/benchmark",
            record="shop.PlaceOrder",
            tenant="default",
            definition=self._definition,
            time_us=time.time_ns() // 1000,
        )
        value = encode(self._schema, order(key, number) | {"address": self._address})
        return Outgoing(topic=self._starts, key=key.encode(), value=value, headers=headers.encode())

    def ended(self, record: Record) -> tuple[str, str] | None:
        event = read_own(record.value or b"", SagaEvent)
        return (event.business_key, event.phase) if event.event == "finished" and event.business_key else None


class OursByHttp(Ours):
    """Starts by HTTP; the ends are read on Kafka all the same."""

    def __init__(self, topic_prefix: str, server: str) -> None:
        super().__init__(topic_prefix)
        self._url = f"{server}/v1/sagas"

    def starting(self, broker: KafkaBroker) -> AbstractAsyncContextManager[Start]:
        return starts_by_http(self._request)

    def _request(self, key: str, number: int) -> Posted:
        return Posted(self._url, {"definition": "order", "input": order(key, number)}, {"idempotency-key": key})


def order(key: str, number: int) -> dict[str, Any]:
    """One in ten names no carrier, and is rejected at ship."""
    return {
        "order_id": key,
        "customer": "c-1",
        "account": f"a-{number % 1000}",
        "sku": f"sku-{number % 100}",
        "quantity": 1,
        "total": 1250,
        "carrier": None if number % 10 == 0 else "ups",
        "address": "1 Main Street",
        "faults": [],
    }


class Floor:
    def __init__(self, topic_prefix: str) -> None:
        self.events = f"{topic_prefix}events"
        self._starts = f"{topic_prefix}starts"

    def starting(self, broker: KafkaBroker) -> AbstractAsyncContextManager[Start]:
        return starts_by_kafka(broker, self._start)

    def _start(self, key: str, number: int) -> Outgoing:
        saga_id = str(uuid4())
        message = Message(saga_id=saga_id, key=key, step=0, operation="", status="START", rejects=number % 10 == 0)
        return Outgoing(topic=self._starts, key=saga_id.encode(), value=message.encoded(), headers=())

    def ended(self, record: Record) -> tuple[str, str] | None:
        message = decoded(record.value or b"")
        return message.key, message.status
