"""The system whose console is looked at: a coordinator and the demo's participants, as processes on
a real Kafka and PostgreSQL, and what goes on in it.

What its tests break they mend: all tests of a session share it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from confluent_kafka import Producer

from saga_cli.dev.sql import ask
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import StartHeaders
from support.paths import DEMO
from support.wire_services import Coordinator, ParticipantProcesses, WireServices

PARTICIPANTS: Final = ("inventory", "payment", "shipping", "mail")
PATIENCE_S: Final = 90.0
_POLL_S: Final = 0.1
_AT_ONCE: Final = 8
Fault = Mapping[str, object]
Json = dict[str, Any]

_DEFINITION: Final = """
saga: {name}
version: {version}
input: shop.PlaceOrder
key: ${{input.order_id}}
show_key: true
deadline: {deadline}

steps:
  - name: reserve
    participant: inventory
    command: shop.ReserveStock
    compensation: shop.ReleaseStock
  - name: charge
    participant: payment
    command: shop.ChargeCard
    with: {{amount: "${{input.total}}", reason: order}}
    retry: {{attempts: 3, first: {first_retry}, cap: {first_retry}}}
    compensation:
      command: shop.RefundCard
      with: {{charge_id: "${{steps.charge.reply.charge_id}}"}}
      retry: {{attempts: 2, first: 100ms}}
  - name: ship
    pivot: true
    participant: shipping
    command: shop.BookCarrier
"""
_WITH_MAIL: Final = """\
  - name: confirm
    participant: mail
    command: shop.SendConfirmation
"""


def order_definition(
    name: str = "order", version: int = 1, *, deadline: str = "10m", first_retry: str = "100ms", mail: bool = True
) -> str:
    """The demo's order with limits for the impatient; after its pivot the customer gets a mail.

    `first_retry`: how long after a failure the card is charged again.
    """
    text = _DEFINITION.format(name=name, version=version, deadline=deadline, first_retry=first_retry)
    return text + _WITH_MAIL if mail else text


@dataclass
class ConsoleSystem:
    """The running system, and the sagas that it was given."""

    coordinator: Coordinator
    shop: Mapping[str, ParticipantProcesses]
    sagas: dict[str, str] = field(default_factory=dict)
    """Ids by what they show: completed, compensated, stuck, waiting."""
    catalog: Catalog = field(default_factory=lambda: Catalog(read_schemas(DEMO / "schemas")))

    @property
    def server(self) -> str:
        return self.coordinator.server

    def request(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Json:
        """An answer of 2xx; any other fails the test."""
        status, answer = self.coordinator.request(method, path, body, headers)
        assert status < 300, answer
        return answer

    def register(self, text: str, *, activate: bool = True, schemas: Sequence[Json] | None = None) -> None:
        """A definition with all schemas of the shop, unless others are given."""
        documents = schemas if schemas is not None else [json.loads(one.canonical) for one in read_schemas(DEMO / "schemas")]
        line = self.request("POST", "/v1/definitions", {"document": text, "schemas": documents})
        if activate:
            self.request("POST", f"/v1/definitions/{line['name']}/{line['version']}/activate", {})

    def start(self, order: Mapping[str, object], definition: str = "order") -> str:
        """Start a saga. Returns its id."""
        return str(self.request("POST", "/v1/sagas", {"definition": definition, "input": order})["id"])

    def start_all(self, orders: Sequence[Mapping[str, object]], definition: str) -> list[str]:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(lambda order: self.start(order, definition), orders))

    def saga(self, saga_id: str) -> Json:
        return self.request("GET", f"/v1/sagas/{saga_id}")

    def ended(self, saga_id: str, phase: str) -> None:
        """Wait until the saga has ended, in this phase."""
        assert self.coordinator.finished(saga_id) == phase, self.saga(saga_id)

    def stuck(self, saga_id: str) -> None:
        """Wait until it needs a person."""
        eventually(lambda: bool(self.saga(saga_id)["attention"]), f"saga {saga_id} needs a person")

    def held_back(self, order_id: str, definition: str = "waiting") -> str:
        """A saga whose charge waits long for its second try. Its id."""
        saga = self.start(order(order_id, faults=FAILING), definition)
        self.step_is(saga, "charge", "backoff")
        return saga

    def held_by_a_pause(self, order_id: str, definition: str = "order") -> str:
        """A saga that a pause holds, begun once the instance has heard of the pause. Its id.

        What is shown says at once that there is a pause; what is decided hears of it a little
        later.
        """
        for number in range(100):
            saga = self.start(order(f"{order_id}-{number}"), definition)
            eventually(partial(self._is_held_or_over, saga), f"saga {saga} is held or over")
            if not self.saga(saga)["closed_at"]:
                return saga
        raise AssertionError("no pause was heard of")

    def _is_held_or_over(self, saga_id: str) -> bool:
        saga = self.saga(saga_id)
        return bool(saga["closed_at"]) or any(one["name"] == "paused" for one in saga["waiting"])

    def step_is(self, saga_id: str, step: str, status: str) -> None:
        def is_so() -> bool:
            return any(one["name"] == step and one["status"] == status for one in self.saga(saga_id)["steps"])

        try:
            eventually(is_so, f"step {step} of saga {saga_id} is {status}")
        except AssertionError as late:
            saga = self.saga(saga_id)
            late.add_note(f"{saga['phase']}, waits for {saga['waiting']}, steps {saga['steps']}")
            raise

    def produce(self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]], key: bytes | None = None) -> None:
        """Put a record on a topic, named without the prefix, and wait until Kafka has it."""
        producer = Producer({"bootstrap.servers": self.coordinator.kafka})
        producer.produce(f"{self.coordinator.prefix}{topic}", value, key, headers=list(headers))
        assert producer.flush(30) == 0

    def start_by_kafka(self, order: Mapping[str, object], definition: str) -> None:
        """Ask for a saga on `saga.start`, whether or not there is such a definition."""
        schema = self.catalog.latest("shop.PlaceOrder")
        assert schema is not None
        headers = StartHeaders(
            message_id=str(uuid.uuid4()),
            source="/tests/console",
            record=schema.full_name,
            tenant="default",
            definition=definition,
            time_us=time.time_ns() // 1000,
        )
        self.produce("saga.start", encode(schema, dict(order)), headers.encode())

    def ids(self) -> Json:
        """What the paths of pages name: sagas by what they show, a dead letter, a schema."""
        letters = self.request("GET", "/v1/dead-letters?limit=1")["items"]
        schemas = self.request("GET", "/v1/schemas?limit=1")["items"]
        return {**self.sagas, "letter": letters[0]["id"], "schema": schemas[0]["id"]}

    def refunds_break(self) -> None:
        """What a migration does that was not thought through: charges may no longer be refunded."""
        self._sql("payment", "ALTER TABLE charges ADD CONSTRAINT always_charged CHECK (state = 'charged') NOT VALID")

    def refunds_mended(self) -> None:
        self._sql("payment", "ALTER TABLE charges DROP CONSTRAINT IF EXISTS always_charged")

    def _sql(self, participant: str, statement: str) -> None:
        ask(self.shop[participant].database.url, statement)


def order(order_id: str, *, carrier: str | None = "post", faults: Sequence[Fault] = (), **changes: object) -> Json:
    """The input of an order's saga. Without a carrier shipping rejects it."""
    return {
        "order_id": order_id,
        "customer": "ada",
        "account": "account-ada",
        "sku": "lamp",
        "quantity": 2,
        "total": 4980,
        "carrier": carrier,
        "address": "12 Compensation Street",
        "faults": list(faults),
        **changes,
    }


def fault(step: str, kind: str, times: int = 1, ms: int = 0) -> Fault:
    return {"step": step, "kind": kind, "times": times, "ms": ms}


FAILING: Final = [fault("charge", "fail", times=1_000)]
"""Each try fails. A single fault may be used up unseen: commands that fail in a group are done once
more, each by itself."""


def console_system(services: WireServices) -> ConsoleSystem:
    """A running system in which something of everything goes on."""
    coordinator = services.coordinator()
    system = ConsoleSystem(coordinator, services.shop(coordinator.prefix, *PARTICIPANTS))
    system.register(order_definition())
    system.register(order_definition(version=2, deadline="20m", first_retry="250ms"), activate=False)
    completed = [system.start(order(f"o-{number}")) for number in range(1, 6)]
    system.sagas["completed"] = completed[-1]
    system.sagas["compensated"] = system.start(order("o-6", carrier=None))
    system.sagas["stuck"] = system.start(order("o-7", faults=[fault("confirm", "reject", times=1_000)]))
    system.register(order_definition("waiting", deadline="1h", first_retry="10m", mail=False))
    system.sagas["waiting"] = system.start(order("o-8", faults=FAILING), "waiting")
    system.produce("saga.reply.payment", b"not a reply", [("ce_id", b"7")], key=b"o-9")
    for saga in completed:
        system.ended(saga, "COMPLETED")
    system.ended(system.sagas["compensated"], "COMPENSATED")
    system.stuck(system.sagas["stuck"])
    system.step_is(system.sagas["waiting"], "charge", "backoff")
    eventually(lambda: bool(system.request("GET", "/v1/dead-letters")["items"]), "the record is a dead letter")
    return system


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Look again and again; AssertionError when the time is over."""
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(_POLL_S)
