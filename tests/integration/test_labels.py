"""Labels from each door to the lists: given over HTTP and Kafka, and computed by the definition."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from saga_coordinator.query import parse
from saga_coordinator.starts.requests import StartRefused, StartRequest
from saga_coordinator.store.port import ListFilter
from saga_coordinator.views.saga import saga_view
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers.names import LABELS
from saga_schemas.labels import labels_of
from support.coordinators import opened, register, running, settings_for
from support.orders import until
from support.start_records import CATALOG, start_record

DEFINITION = """
saga: asked
version: 1
input: t.Input
key: ${input.id}
labels: {customer: "${input.id}", region: eu}
steps:
  - {name: one, participant: one, command: t.Do, compensation: none}
"""
DUE = datetime(2026, 11, 1, tzinfo=UTC)


def request(key: str, **labels: Any) -> StartRequest:
    return StartRequest(
        tenant="default",
        definition="asked",
        input={"id": key},
        labels=labels_of(labels),
        request_id=f"h-{key}",
        source="http",
        body_hash=b"0" * 32,
    )


def labelled(record: Outgoing, labels: str) -> Outgoing:
    return replace(record, headers=(*record.headers, (LABELS, labels.encode())))


async def test_a_saga_has_its_labels_from_its_start_and_its_definition(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url, roles="api,starts,replies,watchdog")) as instance:
            producer = broker.producer()
            await producer.start()
            records = [
                labelled(start_record("r-1", "k-1"), '{"vip": true, "total": 12.5, "customer": "k-1"}'),
                start_record("r-2", "k-2"),
                labelled(start_record("r-3", "k-3"), '{"customer": "another"}'),
                labelled(start_record("r-4", "k-4"), "[]"),
                # With other labels the same request asks for something else.
                labelled(start_record("r-1", "k-1"), '{"vip": false}'),
                labelled(start_record("r-1", "k-1"), '{"total": 12.5, "vip": true, "customer": "k-1"}'),
            ]
            assert await producer.send_all(records, timeout_s=5) == [None] * len(records)
            started = await instance.coordinator.start(request("h-1", due="2026-11-01T00:00:00Z", customer="h-1"))

            for refused in (request("h-2", region="us"), request("h-3", **{f"n{i}": i for i in range(15)})):
                with pytest.raises(StartRefused) as wrong:
                    await instance.coordinator.start(refused)
                assert wrong.value.code == "labels_invalid"

            async def settled() -> bool:
                listed, _ = await store.list_sagas(ListFilter(tenant="default"))
                return len(listed) == 3 and len(await store.dead_letters(before=None, limit=9)) == 3

            await until(settled, 20, "three sagas and three dead letters")
            lines, _ = await store.list_sagas(ListFilter(tenant="default"))
            letters = await store.dead_letters(before=None, limit=9)
            assert sorted(letter.reason for letter in letters) == ["header_invalid", "labels_invalid", "request_reused"]
            assert {line.business_key: line.labels for line in lines} == {
                "k-1": {"customer": "k-1", "region": "eu", "total": 12.5, "vip": True},
                "k-2": {"customer": "k-2", "region": "eu"},
                "h-1": {"customer": "h-1", "region": "eu", "due": DUE},
            }
            wanted = parse("input.customer starts with h and label.due <= 2026-11-01 and label.region = eu")
            assert await store.matching_ids("default", wanted, after=None, limit=5) == [started.saga_id]
            row = await store.saga(started.saga_id)
            assert row is not None
            view = await saga_view(row, store=store, definitions=instance.coordinator.definitions)
            assert view.labels == {"customer": "h-1", "region": "eu", "due": "2026-11-01T00:00:00.000000Z"}
