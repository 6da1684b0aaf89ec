"""The HTTP API over a whole coordinator: SQLite, every loop, a Kafka in memory, and participants
that answer as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.coordinator import Coordinator
from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.settings import Settings
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance, build
from saga_messaging.background import end
from saga_messaging.broker import Outgoing, Record
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.errors import BadMessage
from saga_schemas.files import read_schemas
from saga_schemas.headers import answer, decode_command
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.plain import from_plain
from saga_schemas.records import Empty, Failure, encode_own
from support.fresh_stores import prepare
from support.paths import ROOT

SHOP = ROOT / "participants/saga_demo/schemas"
DEFINITION = (ROOT / "participants/saga_demo/order.saga.yaml").read_text()
PARTICIPANTS = ("inventory", "payment", "shipping")
REPLIES: dict[str, tuple[str, dict[str, Any]]] = {
    "reserve": ("shop.StockReserved", {"reservation_id": "r-1"}),
    "charge": ("shop.CardCharged", {"charge_id": "c-1"}),
    "ship": ("shop.CarrierBooked", {"parcel_id": "p-1"}),
}
USUAL = {Kind.ACTION: Outcome.SUCCEEDED, Kind.COMPENSATION: Outcome.UNDONE, Kind.RESOLVE: Outcome.FENCED}
ORDER = {
    "order_id": "o-17",
    "customer": "ada",
    "account": "a-1",
    "sku": "s-1",
    "quantity": 2,
    "total": 1999,
    "address": "Main St 1",
}


@dataclass
class Shop:
    """All participants: as usual unless the test said otherwise; None is silence."""

    broker: MemoryBroker
    catalog: Catalog
    says: dict[tuple[str, Kind], Outcome | None] = field(default_factory=dict)

    async def run(self) -> None:
        consumer, producer = self.broker.consumer(group="shop"), self.broker.producer()
        await consumer.start()
        await producer.start()
        await self.broker.ensure_topics(f"saga.{kind}.{name}" for kind in ("cmd", "reply") for name in PARTICIPANTS)
        await consumer.subscribe([f"saga.cmd.{name}" for name in PARTICIPANTS])
        while True:
            for position in consumer.awaiting_seek():
                consumer.seek(position, 0)
            records = await consumer.poll(timeout_s=0.05, max_records=100)
            replies = [reply for record in records if (reply := self.reply(record)) is not None]
            await producer.send_all(replies, timeout_s=1)

    def reply(self, record: Record) -> Outgoing | None:
        command = decode_command(record.headers)
        outcome = self.says.get((command.step, command.kind), USUAL[command.kind])
        if outcome is None:
            return None
        name, value = self.payload(command.step, outcome)
        headers = answer(
            command, message_id=str(uuid4()), source="/shop", record=name, time_us=command.time_us, outcome=outcome
        ).encode()
        topic = record.topic.replace("saga.cmd.", "saga.reply.")
        return Outgoing(topic=topic, key=record.key, value=value, headers=headers)

    def payload(self, step: str, outcome: Outcome) -> tuple[str, bytes]:
        if outcome in (Outcome.REJECTED, Outcome.FAILED):
            return "saga.v1.Failure", encode_own(Failure(code="no_carrier", message="nobody drives there"))
        if outcome is not Outcome.SUCCEEDED:
            return "saga.v1.Empty", encode_own(Empty())
        name, plain = REPLIES[step]
        schema = self.catalog.latest(name)
        assert schema is not None
        return name, encode(schema, from_plain(schema, plain))


@dataclass
class Running:
    """A coordinator at work, and its HTTP API."""

    http: httpx.AsyncClient
    shop: Shop
    store: Store
    coordinator: Coordinator

    async def started(self, **changes: Any) -> str:
        """The id of a fresh order."""
        order = ORDER | {"order_id": f"o-{uuid4().hex[:8]}"} | changes
        response = await self.http.post("/v1/sagas", json={"definition": "order", "input": order})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def finished(self, saga_id: str) -> dict[str, Any]:
        saga: dict[str, Any] = (await self.http.get(f"/v1/sagas/{saga_id}?wait_s=20")).json()
        assert saga["closed_at"] is not None, saga
        return saga

    async def until(self, saga_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The saga once the condition holds: polled, since nothing announces it."""
        async with asyncio.timeout(20):
            while True:
                saga: dict[str, Any] = (await self.http.get(f"/v1/sagas/{saga_id}")).json()
                if holds(saga):
                    return saga
                await asyncio.sleep(0.02)


@pytest.fixture
async def running(sqlite_url: str) -> AsyncIterator[Running]:
    async with coordinator(sqlite_url) as made:
        yield made


async def register_and_activate(http: httpx.AsyncClient) -> None:
    """Before the loops start, so that they know the reply topics at once."""
    response = await http.post("/v1/definitions", json={"document": DEFINITION, "schemas": documents()})
    assert response.status_code == 201, response.text
    response = await http.post("/v1/definitions/order/1/activate", json={"reason": "first", "actor": "ada"})
    assert response.status_code == 200, response.text


@asynccontextmanager
async def coordinator(url: str) -> AsyncIterator[Running]:
    settings = Settings(database_url=url, kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    broker, store = MemoryBroker(), open_store(url)
    await prepare(url)
    await store.start()
    instance = await build(settings, store, broker, await store.meta(), SystemClock())
    shop = Shop(broker, Catalog(read_schemas(SHOP)))
    transport = httpx.ASGITransport(create_app(instance.coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", timeout=30) as http:
        await register_and_activate(http)
        tasks = [asyncio.create_task(run()) for run in (*loops(instance), shop.run)]
        try:
            yield Running(http=http, shop=shop, store=store, coordinator=instance.coordinator)
        finally:
            ended = [task.exception() for task in tasks if task.done()]
            await end(tasks)
            await store.stop()
            assert not ended, ended


def loops(instance: Instance) -> Iterator[Callable[[], Any]]:
    yield instance.sender.run
    yield instance.relay.run
    for of_role in instance.loops.values():
        yield from of_role


def documents(*without: str) -> list[Any]:
    return [json.loads(path.read_bytes()) for path in sorted(SHOP.glob("*.avsc")) if path.stem not in without]


# --- sagas ----------------------------------------------------------------------------------------


async def test_a_saga_runs_and_is_shown(running: Running) -> None:
    saga_id = await running.started(order_id="o-17")
    saga = await running.finished(saga_id)
    assert (saga["phase"], saga["key"], saga["definition"], saga["definition_version"]) == ("COMPLETED", "o-17", "order", 1)
    assert saga["input"]["total"] == 1999 and saga["input_note"] is None
    assert [(step["name"], step["participant"], step["status"]) for step in saga["steps"]] == [
        ("reserve", "inventory", "done"),
        ("charge", "payment", "done"),
        ("ship", "shipping", "done"),
    ]
    charge = saga["steps"][1]
    assert charge["reply"] == {"charge_id": "c-1"}
    attempt = charge["attempts"][0]
    assert (attempt["direction"], attempt["outcome"], attempt["run"], attempt["attempt"]) == ("action", "SUCCEEDED", 1, 1)
    assert attempt["asked_at"] <= attempt["answered_at"]
    assert saga["waiting"] == saga["attention"] == saga["exceptions"] == saga["notes"] == []
    assert saga["duration_ms"] >= 0 and len(saga["trace_id"]) == 32


async def test_a_rejected_saga_is_compensated_and_shows_both_directions(running: Running) -> None:
    running.shop.says[("ship", Kind.ACTION)] = Outcome.REJECTED
    saga = await running.finished(await running.started())
    assert (saga["phase"], saga["reason"]) == ("COMPENSATED", "ship: REJECTED no_carrier")
    by_name = {step["name"]: step for step in saga["steps"]}
    assert [step["status"] for step in saga["steps"]] == ["undone", "undone", "no_effect"]
    assert [(a["direction"], a["outcome"]) for a in by_name["charge"]["attempts"]] == [
        ("action", "SUCCEEDED"),
        ("compensation", "UNDONE"),
    ]
    assert (by_name["ship"]["code"], by_name["ship"]["message"]) == ("no_carrier", "nobody drives there")


async def test_a_saga_that_waits_says_for_what(running: Running) -> None:
    running.shop.says[("charge", Kind.ACTION)] = None
    saga_id = await running.started()
    saga = await running.until(saga_id, lambda saga: saga["steps"][1]["status"] == "asked")
    (waiting,) = saga["waiting"]
    assert (waiting["step"], waiting["name"]) == ("charge", "reply")
    assert "payment" in waiting["mover"] and waiting["since"] and waiting["until"]
    shown = (await running.http.get(f"/v1/sagas/{saga_id}?wait_s=0.2")).json()
    assert shown["phase"] == "RUNNING"


async def test_a_stop_answers_at_once_who_waits_for_the_end_of_a_saga(running: Running) -> None:
    """A stop waits for open requests: one that may last a minute would hold it up."""
    running.shop.says[("charge", Kind.ACTION)] = None
    saga_id = await running.started()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        waiting = group.create_task(running.http.get(f"/v1/sagas/{saga_id}?wait_s=60"))
        await running.until(saga_id, lambda saga: saga["steps"][1]["status"] == "asked")
        running.coordinator.stop_waiting()
    late = await running.http.get(f"/v1/sagas/{saga_id}?wait_s=60")

    assert [answer.json()["phase"] for answer in (waiting.result(), late)] == ["RUNNING", "RUNNING"]


async def test_the_journal_is_readable_and_paged(running: Running) -> None:
    saga_id = await running.started()
    saga = await running.finished(saga_id)
    page = (await running.http.get(f"/v1/sagas/{saga_id}/journal?limit=2")).json()
    rest = (await running.http.get(f"/v1/sagas/{saga_id}/journal?after={page['next']}")).json()
    records = page["items"] + rest["items"]
    assert [record["version"] for record in records] == list(range(1, saga["version"] + 1))
    assert rest["next"] is None
    facts = [fact for record in records for fact in record["facts"]]
    started = next(fact for fact in facts if fact["fact"] == "started")
    assert started["input"]["total"] == 1999 and started["at"].endswith("Z")
    sent = next(fact for fact in facts if fact["fact"] == "command" and fact["step"] == "charge")
    assert sent["payload"]["amount"] == 1999 and sent["due_at"].endswith("Z")
    reply = next(fact for fact in facts if fact["fact"] == "reply" and fact["step"] == "charge")
    assert reply["payload"] == {"charge_id": "c-1"} and reply["outcome"] == "SUCCEEDED"


async def test_sagas_are_listed_filtered_and_paged(running: Running) -> None:
    done = [await running.started() for _ in range(3)]
    for saga_id in done:
        await running.finished(saga_id)
    running.shop.says[("reserve", Kind.ACTION)] = None
    stuck = await running.started(order_id="o-stuck")

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await running.http.get(f"/v1/sagas?{query}")).json()["items"]]

    assert await ids("") == [stuck, *reversed(done)]
    assert await ids("phase=COMPLETED") == list(reversed(done))
    assert await ids("phase=RUNNING&definition=order") == [stuck]
    assert await ids("key=o-stuck") == [stuck]
    assert await ids("attention=true") == [] and await ids("definition=other") == []
    first = (await running.http.get("/v1/sagas?limit=2")).json()
    second = (await running.http.get(f"/v1/sagas?limit=2&cursor={first['next']}")).json()
    assert [item["id"] for item in first["items"] + second["items"]] == [stuck, *reversed(done)]
    assert second["next"] is None
    assert (await running.http.get("/v1/sagas?cursor=nonsense!")).json()["field"] == "cursor"


# --- starting twice -------------------------------------------------------------------------------


async def test_a_start_is_idempotent_per_request_and_per_key(running: Running) -> None:
    running.shop.says[("reserve", Kind.ACTION)] = None
    body = {"definition": "order", "input": ORDER}

    async def start(request_id: str, **changes: Any) -> httpx.Response:
        return await running.http.post("/v1/sagas", json=body | changes, headers={"Idempotency-Key": request_id})

    first, again = await start("r-1"), await start("r-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"] and first.headers["location"] == again.headers["location"]
    other_body = await start("r-1", input=ORDER | {"quantity": 3})
    assert (other_body.status_code, other_body.json()["code"]) == (409, "request_reused")
    same_key = await start("r-2")
    assert (same_key.status_code, same_key.json()["id"]) == (200, first.json()["id"])
    held = await start("r-3", on_open="reject")
    assert (held.status_code, held.json()["code"], held.json()["saga_id"]) == (409, "key_held", first.json()["id"])


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"definition": "unheard-of"}, 404, "definition_unknown", None),
        ({"version": 7}, 404, "definition_unknown", None),
        ({"key": "another"}, 422, "key_mismatch", None),
        ({"input": ORDER | {"total": "much"}}, 422, "input_invalid", "total"),
        ({"input": ORDER | {"total": 2**63 - 1, "quantity": 2**31}}, 422, "input_invalid", "quantity"),
        ({"input": {"order_id": "o-1"}}, 422, "input_invalid", "customer"),
        ({"input": ORDER | {"adress": "secret-q4711"}}, 422, "input_invalid", "adress"),
        ({"input": ORDER | {"faults": [{"step": "x", "kind": "unheard"}]}}, 422, "input_invalid", "faults[0].kind"),
    ],
)
async def test_a_start_that_makes_no_sense_says_which_field(
    running: Running, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    response = await running.http.post("/v1/sagas", json={"definition": "order", "input": ORDER} | changes)
    said = response.json()
    assert (response.status_code, said["code"]) == (status, code)
    assert field is None or (said["field"] == field and said["expected"])
    assert "q4711" not in response.text


async def test_everything_amiss_with_an_input_is_said_at_once(running: Running) -> None:
    order = {name: given for name, given in ORDER.items() if name != "total"} | {"totl": 5, "quantity": "two"}
    response = await running.http.post("/v1/sagas", json={"definition": "order", "input": order})
    assert response.json()["detail"] == "the input does not fit in 3 places"
    assert [(wrong["field"], wrong["said"]) for wrong in response.json()["errors"]] == [
        ("totl", "totl is no field; did you mean total?"),
        ("total", "total is missing; it is long"),
        ("quantity", "quantity is not int"),
    ]


# --- operators ------------------------------------------------------------------------------------


async def test_cancel_compensates_and_a_finished_saga_refuses(running: Running) -> None:
    running.shop.says[("charge", Kind.ACTION)] = None
    saga_id = await running.started()
    await running.until(saga_id, lambda saga: saga["steps"][1]["status"] == "asked")
    response = await running.http.post(f"/v1/sagas/{saga_id}/cancel", json={"reason": "wrong size", "actor": "ada"})
    assert response.status_code == 202 and response.json()["phase"] == "COMPENSATING"
    saga = await running.finished(saga_id)
    assert (saga["phase"], saga["reason"]) == ("COMPENSATED", "cancel: wrong size")
    again = await running.http.post(f"/v1/sagas/{saga_id}/cancel", json={"reason": "again"})
    assert (again.status_code, again.json()["code"]) == (409, "finished")


async def test_a_stuck_compensation_has_a_way_out_and_can_be_waived(running: Running) -> None:
    running.shop.says[("ship", Kind.ACTION)] = Outcome.REJECTED
    running.shop.says[("charge", Kind.COMPENSATION)] = Outcome.REJECTED
    saga_id = await running.started()
    saga = await running.until(saga_id, lambda saga: bool(saga["attention"]))
    (attention,) = saga["attention"]
    assert attention["step"] == "charge" and attention["way_out"] and attention["since"]
    assert [item["id"] for item in (await running.http.get("/v1/sagas?attention=true")).json()["items"]] == [saga_id]

    steps = f"/v1/sagas/{saga_id}/steps"
    for path, body, code in [
        ("ship/waive", {"evidence": "e"}, "is_pivot"),
        ("reserve/retry", {"reason": "r"}, "not_stuck"),
        ("pack/retry", {"reason": "r"}, "step_unknown"),
    ]:
        refused = await running.http.post(f"{steps}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (404 if code == "step_unknown" else 409, code)

    word: dict[str, Any] = {"evidence": "refunded by hand, receipt 12", "actor": "ada", "unsafe": True}
    assert (await running.http.post(f"{steps}/charge/waive", json=word)).status_code == 202
    saga = await running.finished(saga_id)
    assert saga["phase"] == "FORCED"
    (waived,) = saga["exceptions"]
    assert (waived["step"], waived["evidence"], waived["actor"]) == ("charge", "refunded by hand, receipt 12", "ada")


async def test_a_stuck_step_can_be_retried(running: Running) -> None:
    running.shop.says[("ship", Kind.ACTION)] = Outcome.REJECTED
    running.shop.says[("charge", Kind.COMPENSATION)] = Outcome.REJECTED
    saga_id = await running.started()
    await running.until(saga_id, lambda saga: bool(saga["attention"]))
    running.shop.says[("charge", Kind.COMPENSATION)] = Outcome.UNDONE
    response = await running.http.post(f"/v1/sagas/{saga_id}/steps/charge/retry", json={"reason": "bank is back"})
    assert response.status_code == 202
    saga = await running.finished(saga_id)
    assert saga["phase"] == "COMPENSATED"
    assert [attempt["outcome"] for attempt in saga["steps"][1]["attempts"]] == ["SUCCEEDED", "REJECTED", "UNDONE"]


# --- definitions and schemas ----------------------------------------------------------------------


async def test_registering_the_same_again_changes_nothing(running: Running) -> None:
    again = await running.http.post("/v1/definitions", json={"document": DEFINITION, "schemas": documents()})
    shown = (await running.http.get("/v1/definitions/order/1")).json()
    assert (again.status_code, again.json()["created"], again.json()["active"]) == (200, False, True)
    assert again.json()["hash"] == shown["hash"] and shown["document"]["saga"] == "order"
    assert set(shown["reader_schemas"]) == set(again.json()["reader_schemas"]) >= {"shop.PlaceOrder", "shop.ChargeCard"}
    canonical = await running.http.post("/v1/definitions", json={"document": shown["document"]})
    assert (canonical.status_code, canonical.json()["hash"]) == (200, shown["hash"])


async def test_other_content_under_a_version_is_refused(running: Running) -> None:
    changed = DEFINITION.replace("deadline: 10m", "deadline: 11m")
    response = await running.http.post("/v1/definitions", json={"document": changed})
    assert (response.status_code, response.json()["code"]) == (409, "version_exists")
    next_version = changed.replace("version: 1", "version: 2")
    assert (await running.http.post("/v1/definitions", json={"document": next_version})).status_code == 201


async def test_a_new_version_is_what_starts_without_a_version_only_once_it_is_active(running: Running) -> None:
    second = DEFINITION.replace("version: 1", "version: 2")
    assert (await running.http.post("/v1/definitions", json={"document": second})).status_code == 201
    body = {"definition": "order", "version": 2, "input": ORDER}
    named = await running.http.post("/v1/sagas", json=body)
    assert (named.status_code, (await running.finished(named.json()["id"]))["definition_version"]) == (201, 2)
    unnamed = await running.started()
    assert (await running.finished(unnamed))["definition_version"] == 1
    unknown = await running.http.post("/v1/sagas", json=body | {"version": 3})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "definition_unknown")
    assert "registered are 1, 2" in unknown.json()["detail"]
    assert (await running.http.post("/v1/definitions/order/2/activate")).json()["active"] is True
    assert (await running.finished(await running.started()))["definition_version"] == 2
    listed = (await running.http.get("/v1/definitions?name=order")).json()["items"]
    assert [(item["version"], item["active"]) for item in listed] == [(1, False), (2, True)]
    page = (await running.http.get("/v1/definitions?limit=1")).json()
    rest = (await running.http.get(f"/v1/definitions?limit=1&cursor={page['next']}")).json()
    assert (page["next"], rest["items"][0]["version"], rest["next"]) == ("order@1", 2, None)


async def test_a_definition_with_mistakes_gets_all_findings_with_their_places(running: Running) -> None:
    wrong = (
        DEFINITION.replace("deadline: 10m", "deadline: soon")
        .replace("after: [", "afterr: [")
        .replace("shop.BookCarrier", "shop.Nope")
    )
    response = await running.http.post("/v1/definitions", json={"document": wrong, "file": "order.saga.yaml"})
    said = response.json()
    assert (response.status_code, said["code"]) == (422, "definition_invalid")
    assert {finding["code"] for finding in said["findings"]} >= {"S009", "S201"}
    assert all(finding["file"] == "order.saga.yaml" and finding["line"] > 0 for finding in said["findings"])


@pytest.mark.parametrize("document", ["", "][", "a: &a [*a]", "saga: x", "x" * 600_000, {"format": 1}, {"saga": "x"}, {}])
async def test_what_is_no_definition_gets_findings(running: Running, document: object) -> None:
    response = await running.http.post("/v1/definitions", json={"document": document})
    assert (response.status_code, response.json()["code"]) == (422, "definition_invalid")
    assert response.json()["findings"]


def placed(**changes: Any) -> dict[str, Any]:
    """The schema of PlaceOrder, changed in the field `total`."""
    document: dict[str, Any] = json.loads((SHOP / "shop.PlaceOrder.avsc").read_bytes())
    document["fields"] = [entry | changes if entry["name"] == "total" else entry for entry in document["fields"]]
    return document


async def test_a_compatible_schema_is_added_once(running: Running) -> None:
    grown = placed()
    grown["fields"].append({"name": "gift", "type": "boolean", "default": False})
    first = await running.http.post("/v1/schemas", json={"document": grown})
    again = await running.http.post("/v1/schemas", json={"document": grown})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"] and first.json()["subject"] == "shop.PlaceOrder"
    versions = (await running.http.get("/v1/schemas?subject=shop.PlaceOrder")).json()["items"]
    assert [item["version"] for item in versions] == [1, 2]
    shown = (await running.http.get(f"/v1/schemas/{first.json()['id']}")).json()
    assert shown["document"]["fields"][-1]["name"] == "gift"


async def test_a_version_that_is_registered_again_with_a_newer_schema_says_that_it_keeps_its_own(running: Running) -> None:
    before = (await running.http.get("/v1/definitions/order/1")).json()["reader_schemas"]
    grown = placed()
    grown["fields"].append({"name": "gift", "type": "boolean", "default": False})
    other = [one for one in documents() if one["name"] != "shop.PlaceOrder"]
    again = (await running.http.post("/v1/definitions", json={"document": DEFINITION, "schemas": [*other, grown]})).json()
    assert [(finding["code"], finding["severity"]) for finding in again["findings"]] == [("S222", "warning")]
    assert "shop.PlaceOrder: order 1 keeps the schema" in again["findings"][0]["message"]
    assert (again["created"], again["reader_schemas"]) == (False, before)
    next_version = DEFINITION.replace("version: 1", "version: 2")
    made = (await running.http.post("/v1/definitions", json={"document": next_version, "schemas": [*other, grown]})).json()
    assert (made["created"], made["findings"]) == (True, [])
    assert {name for name, schema_id in made["reader_schemas"].items() if before[name] != schema_id} == {"shop.PlaceOrder"}


async def test_an_incompatible_schema_is_refused_by_itself_and_with_a_definition(running: Running) -> None:
    alone = await running.http.post("/v1/schemas", json={"document": placed(type="string")})
    assert (alone.status_code, alone.json()["code"]) == (409, "schema_incompatible")
    assert alone.json()["reasons"]
    grown = placed()
    grown["fields"].append({"name": "gift", "type": "boolean"})
    changed = [*documents("shop.PlaceOrder"), grown]
    second = DEFINITION.replace("version: 1", "version: 2")
    along = await running.http.post("/v1/definitions", json={"document": second, "schemas": changed})
    assert (along.status_code, along.json()["code"]) == (422, "definition_invalid")
    assert "S218" in {finding["code"] for finding in along.json()["findings"]}
    assert len((await running.http.get("/v1/schemas?subject=shop.PlaceOrder")).json()["items"]) == 1


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "enum", "name": "E", "symbols": ["A"]},
        {"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]},
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]},
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": "unheard.Of"}]},
        {"type": "record", "name": "0", "fields": []},
    ],
)
async def test_a_dangerous_schema_is_refused(running: Running, document: object) -> None:
    response = await running.http.post("/v1/schemas", json={"document": document})
    assert (response.status_code, response.json()["code"]) == (422, "schema_invalid")


# --- dead letters, audit --------------------------------------------------------------------------


async def test_dead_letters_are_listed_and_shown(running: Running) -> None:
    record = Record(
        topic="saga.start", partition=2, offset=7, timestamp_ms=0, key=b"k", value=b"\xff", headers=(("ce_id", b"r-1"), ("raw", b"\xff"))
    )  # fmt: skip
    async with running.store.transaction() as tx:
        letters = [dead_letter("starts", record, BadMessage("bad_framing", "starts with 0x00"), tx.now_us) for _ in range(3)]
        await tx.add_dead_letters(letters)
    page = (await running.http.get("/v1/dead-letters?limit=2")).json()
    rest = (await running.http.get(f"/v1/dead-letters?limit=2&cursor={page['next']}")).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == sorted((str(letter.id) for letter in letters), reverse=True)
    shown = (await running.http.get(f"/v1/dead-letters/{letters[0].id}")).json()
    assert (shown["reason"], shown["topic"], shown["partition"], shown["offset"]) == ("bad_framing", "saga.start", 2, 7)
    assert (shown["key"], shown["value"]) == ("aw==", "/w==")
    assert shown["headers"] == [{"name": "ce_id", "value": "r-1"}, {"name": "raw", "value": "/w=="}]
    assert (await running.http.get("/v1/dead-letters?cursor=nonsense")).json()["field"] == "cursor"


async def test_ready_and_metrics_of_a_real_coordinator(running: Running) -> None:
    assert (await running.http.get("/readyz")).status_code == 200
    assert "saga_" in (await running.http.get("/metrics")).text
