"""One saga of the shop in a store of its own, as the views read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from saga_coordinator.definitions import compile_definition, lint, records_reached
from saga_coordinator.engine import decide
from saga_coordinator.engine.encoding import FACTS_FORMAT, encode_facts, encode_saga
from saga_coordinator.engine.events import Env, Reply, Start
from saga_coordinator.engine.facts import evolve
from saga_coordinator.engine.state import Saga
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.pause_port import PauseRow
from saga_coordinator.store.port import (
    AttentionRow,
    DeadLetter,
    DefinitionRow,
    JournalRow,
    OutboxRow,
    SagaRow,
    SchemaRow,
    shard_of,
)
from saga_coordinator.views.deliveries import Delivery
from saga_coordinator.views.saga import SagaView, saga_view
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.labels import LabelValue
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.plain import from_plain
from saga_schemas.records import EMPTY_BYTES
from saga_schemas.schema import Schema
from support.paths import ROOT
from support.saga_rows import SAGA, saga_row

SHOP = read_schemas(ROOT / "participants/saga_demo/schemas")
CATALOG = Catalog(SHOP)
COMPILED = compile_definition(
    lint((ROOT / "participants/saga_demo/order.saga.yaml").read_text(), "order", CATALOG).required(), CATALOG
)
T0 = 1_700_000_000_000_000
SECOND = 1_000_000
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
class Stored:
    """One saga in a store of its own: the engine is real, the rows are in memory."""

    row: SagaRow = field(default_factory=saga_row)
    saga: Saga | None = None
    records: list[JournalRow] = field(default_factory=list)
    attention: list[AttentionRow] = field(default_factory=list)
    labels: dict[str, LabelValue] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    pauses: list[PauseRow] = field(default_factory=list)
    without_definition: bool = False
    clock_us: int = T0

    def happens(self, event: Any, *, after_s: float = 1) -> Stored:
        """Let the engine decide and keep what the coordinator would store."""
        self.clock_us += int(after_s * SECOND)
        facts = decide(COMPILED.definition, self.saga, event, Env(now_us=self.clock_us), empty=EMPTY_BYTES)
        if facts:
            self.saga = evolve(self.saga, facts)
            self.records.append(
                JournalRow(
                    saga_id=SAGA, version=self.saga.version, at_us=self.clock_us, kind=type(event).__name__.lower(), engine_rev=1,
                    format=FACTS_FORMAT, facts=encode_facts(facts),
                )
            )  # fmt: skip
            self.row = replace(
                self.row, version=self.saga.version, phase=self.saga.phase.value, started_at_us=T0 + SECOND,
                closed_at_us=self.saga.closed_at_us,
            )  # fmt: skip
        return self

    def says(self, saga: Saga) -> None:
        """Let the stored state be this one, whatever the journal says."""
        self.saga = saga
        self.row = replace(self.row, state=encode_saga(saga), state_version=saga.version)

    def answered(
        self, step: str, outcome: Outcome, *, kind: Kind = Kind.ACTION, payload: bytes | None = None, **more: Any
    ) -> Stored:
        assert self.saga is not None
        state = self.saga.steps[step]
        return self.happens(
            Reply(
                step=step, kind=kind, run=state.run, attempt=state.attempt, incarnation=0, version=self.saga.version, outcome=outcome,
                payload=payload, code="busy" if outcome is Outcome.FAILED else None, **more,
            )
        )  # fmt: skip

    # What the view asks of a store.

    async def now_us(self) -> int:
        return self.clock_us

    async def journal(self, saga_id: UUID, *, after: int, limit: int) -> list[JournalRow]:
        return [record for record in self.records if record.version > after][:limit]

    async def attention_of(self, saga_id: UUID) -> list[AttentionRow]:
        return self.attention

    async def attentions(self, ids: object) -> dict[UUID, list[AttentionRow]]:
        return {SAGA: self.attention}

    async def restarted_as(self, tenant: str, saga_id: UUID) -> UUID | None:
        return None

    async def pause_rows(self, tenant: str) -> list[PauseRow]:
        return self.pauses

    async def labels_of(self, ids: object) -> dict[UUID, dict[str, LabelValue]]:
        return {SAGA: self.labels} if self.labels else {}

    async def dead_letters(self, *, before: object, limit: int) -> list[DeadLetter]:
        return self.letters[::-1][:limit]

    async def dead_letters_of(self, key: bytes, *, since_us: int, limit: int) -> list[DeadLetter]:
        assert key == str(SAGA).encode()
        return [letter for letter in reversed(self.letters) if letter.at_us >= since_us][:limit]

    async def outbox_older_than(self, shard: int, before_us: int, limit: int) -> list[OutboxRow]:
        assert shard == shard_of(SAGA)
        return self.outbox

    async def definition_rows(self, ids: object) -> list[DefinitionRow]:
        if self.without_definition:
            return []
        pins = {name: schema.id for name in records_reached(COMPILED.document) if (schema := CATALOG.latest(name)) is not None}
        row = DefinitionRow(
            id=1, hash=COMPILED.definition.hash, tenant="default", name="order", version=1, document=COMPILED.document.canonical,
            reader_schemas=pins, active=True, registered_at_us=T0,
        )  # fmt: skip
        return [row]

    async def schemas(self) -> list[SchemaRow]:
        return [SchemaRow(id=schema.id, subject=schema.full_name, version=1, document=schema.canonical) for schema in SHOP]

    async def view(self, no_consumer: Mapping[str, str] | None = None, delivery: Delivery | None = None) -> SagaView:
        store: Any = self
        definitions = DefinitionCache(store, "default")
        await definitions.refresh_schemas()
        return await saga_view(self.row, store=store, definitions=definitions, no_consumer=no_consumer, delivery=delivery)


def schema(name: str) -> Schema:
    found = CATALOG.latest(name)
    assert found is not None
    return found


def started() -> Stored:
    order = encode(schema("shop.PlaceOrder"), from_plain(schema("shop.PlaceOrder"), ORDER))
    return Stored().happens(Start(id=str(SAGA), tenant="default", key="o-17", input=order, incarnation=0))


def step(view: SagaView, name: str) -> Any:
    return next(one for one in view.steps if one.name == name)
