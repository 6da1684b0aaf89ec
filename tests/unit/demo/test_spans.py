"""The spans of the demo's business functions: one a write, named as OpenTelemetry names database
calls, and no value in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

from saga_demo import fraud, inventory, mail, payment, shipping
from saga_demo.messages import BookCarrier, ChargeCard, RefundCard, ReleaseStock, ReserveStock, ScreenOrder, SendConfirmation
from saga_demo.settings import ServiceSettings
from saga_demo.spans import Spans
from saga_participant import Participant
from saga_participant.testing import ParticipantTester

Make = Callable[[ServiceSettings], Participant]
RESERVE = ReserveStock(order_id="secret", sku="secret", quantity=2)
RELEASE = ReleaseStock(order_id="secret", sku="secret", quantity=2)
CHARGE = ChargeCard(order_id="secret", account="secret", amount=2500)
REFUND = RefundCard(order_id="secret", account="secret", amount=2500, charge_id="secret")
LEDGER = "INSERT effect_ledger"
WRITES: list[tuple[Make, list[BaseModel], list[str]]] = [
    (inventory.make_inventory, [RESERVE], ["UPDATE stock", "INSERT stock", "UPDATE stock", "INSERT reservations", LEDGER]),
    (inventory.make_inventory, [RESERVE, RELEASE], ["UPDATE reservations", "UPDATE stock", LEDGER]),
    (payment.make_payment, [CHARGE], ["INSERT accounts", "INSERT charges", LEDGER]),
    (payment.make_payment, [CHARGE, REFUND], ["UPDATE charges", LEDGER]),
    (shipping.make_shipping, [BookCarrier(order_id="secret", address="secret", carrier="post")], ["INSERT parcels", LEDGER]),
    (fraud.make_fraud, [ScreenOrder(order_id="secret", customer="secret", total=1)], ["INSERT screenings", LEDGER]),
    (mail.make_mail, [SendConfirmation(order_id="secret", customer="secret")], ["INSERT mails", LEDGER]),
]


class Sdk:
    """A service's own SDK, which keeps its spans."""

    def __init__(self, *, lean: bool = False) -> None:
        self.kept, self.provider = InMemorySpanExporter(), TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.settings = ServiceSettings(database_url="sqlite+aiosqlite://", lean=lean, tracer_provider=self.provider)

    async def last_of(self, make: Make, commands: list[BaseModel]) -> list[ReadableSpan]:
        """What the last command's handler made, below a span that stands for `process`."""
        async with ParticipantTester(make(self.settings)) as tester:
            for number, command in enumerate(commands):
                self.kept.clear()
                with self.provider.get_tracer("tests").start_as_current_span("process"):
                    await (tester.compensation("step", command) if number else tester.action("step", command))
        *own, process = self.kept.get_finished_spans()
        assert all(span.parent is not None and span.parent == process.context for span in own)
        return own


@pytest.mark.parametrize(("make", "commands", "writes"), WRITES, ids=lambda given: getattr(given, "__name__", str(given)[:60]))
async def test_every_write_is_a_span_below_the_commands(make: Make, commands: list[BaseModel], writes: list[str]) -> None:
    spans = await Sdk().last_of(make, commands)

    assert [span.name for span in spans] == writes
    for span in spans:
        operation, table = span.name.split()
        assert span.kind is SpanKind.CLIENT
        assert dict(span.attributes or {}) == {
            "db.system.name": "sqlite",
            "db.operation.name": operation,
            "db.collection.name": table,
        }
        assert "secret" not in span.to_json()


async def test_where_nothing_is_recorded_nothing_is_made() -> None:
    sdk = Sdk()
    async with ParticipantTester(payment.make_payment(sdk.settings)) as tester:
        await tester.action("charge", CHARGE)

    assert sdk.kept.get_finished_spans() == ()


async def test_lean_handlers_are_traced_too_when_something_records() -> None:
    assert [span.name for span in await Sdk(lean=True).last_of(payment.make_payment, [CHARGE])] == [LEDGER]


async def test_a_write_that_fails_is_an_error_without_its_words() -> None:
    sdk = Sdk()
    async with ParticipantTester(payment.make_payment(sdk.settings)) as tester:
        async with tester.engine.begin() as db:
            await db.exec_driver_sql("DROP TABLE charges")
        with sdk.provider.get_tracer("tests").start_as_current_span("process"):
            await tester.action("charge", CHARGE)

    (failed,) = [span for span in sdk.kept.get_finished_spans() if span.name == "INSERT charges"]
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "OperationalError")
    assert (failed.attributes or {})["error.type"] == "OperationalError"
    assert "secret" not in failed.to_json()


@pytest.mark.parametrize("name", ["postgresql+asyncpg://u:p@h:5432/payment", "sqlite+aiosqlite:///x/payment.sqlite"])
def test_a_database_is_named_only_where_its_name_says_something(name: str) -> None:
    sdk = Sdk()
    spans = Spans(replace(sdk.settings, database_url=name))
    with sdk.provider.get_tracer("tests").start_as_current_span("process"), spans.around("INSERT", "charges"):
        pass

    attributes = sdk.kept.get_finished_spans()[0].attributes or {}
    assert attributes.get("db.namespace") == ("payment" if name.startswith("postgresql") else None)
    assert "p@h" not in str(attributes)
