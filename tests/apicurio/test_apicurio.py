"""A real Apicurio as the registry beside the coordinator: what it can do, and what it cannot."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from structlog.testing import capture_logs

from saga_coordinator.registry import adoption
from saga_schemas.headers import StartHeaders
from saga_schemas.records import OWN
from support.apicurio import apicurio, import_all
from support.confluent_shop import CATALOG, INPUT, KINDS, Shop, answering, read_all, run_sagas, shop
from support.scripted import eventually


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """One of the test's own: what it has numbered once, it does not take with another id."""
    with apicurio(tmp_path) as started:
        yield started


@pytest.fixture
def compatible(address: str) -> str:
    """Where it speaks Confluent's API."""
    return f"{address}/apis/ccompat/v7"


NEWER = json.loads(INPUT)
NEWER["fields"].append({"name": "coupon", "type": ["null", "string"], "default": None})
ORDER = {"customer": "ada", "account": "a-1", "sku": "s-1", "quantity": 2, "total": 1999, "address": "Main St", "faults": []}


def start(running: Shop, registry: str, order: str) -> int:
    """Start a saga as an application that registers its newer schema in Apicurio; the number that
    it got there."""
    serializer = AvroSerializer(SchemaRegistryClient({"url": registry}), json.dumps(NEWER))
    topic = running.topics.start
    plain = ORDER | {"order_id": order, "carrier": None, "coupon": "x-1"}
    value = serializer(plain, SerializationContext(topic, MessageField.VALUE))
    headers = StartHeaders(
        message_id=str(uuid4()),
        source="/shop",
        record="shop.PlaceOrder",
        tenant="default",
        definition="order",
        time_us=time.time_ns() // 1000,
    )
    producer = Producer({"bootstrap.servers": running.kafka.bootstrap_servers})
    producer.produce(topic, value, headers=list(headers.encode()))
    assert producer.flush(30) == 0
    return int.from_bytes(value[1:5], "big")


async def test_it_keeps_none_of_our_ids_and_gives_the_schemas_that_it_numbered(
    kafka_address: str, tmp_path: Path, compatible: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "WAIT_S", 10.0)  # a Java that has just begun is slow
    with capture_logs() as lines:
        async with shop(kafka_address, tmp_path, schema_registry_url=compatible, schema_registry_timeout_s=10) as running:
            running.answer(answering())

            async def told() -> bool:
                return any(line["event"] == "schemas_not_written" for line in lines)

            await eventually(told)
            number = await asyncio.to_thread(start, running, compatible, "numbered")
            assert number < 0x4000_0000
            assert await running.ended("numbered") == "COMPLETED"
    said = [line["error"] for line in lines if line["event"] == "schemas_not_written"]
    assert len(said) == 1 and "it gives ids of its own" in said[0]
    assert [line["schema_id"] for line in lines if line["event"] == "schema_fetched"] == [number]


async def test_by_its_own_import_it_holds_our_ids_and_confluents_client_reads_everything_with_it(
    kafka_address: str, tmp_path: Path, address: str, compatible: str
) -> None:
    async with shop(kafka_address, tmp_path) as running:
        await asyncio.to_thread(import_all, address, running.registry)
        await run_sagas(running)
        assert await asyncio.to_thread(read_all, running, compatible) == KINDS
        async with httpx.AsyncClient(trust_env=False) as http:
            for schema in (*OWN, *CATALOG):
                held = await http.get(f"{compatible}/schemas/ids/{schema.id}")
                assert json.loads(held.json()["schema"])["name"] in (schema.full_name, schema.full_name.rpartition(".")[2])
