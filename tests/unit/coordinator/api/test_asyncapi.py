"""`/v1/asyncapi`: valid documents of what is registered, active or in use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.port import DefinitionRow
from support.asyncapi_schema import faults
from unit.coordinator.api.stored import Stored


class StoreOfTheShop(Stored):
    """The shop's definition, active unless a test says otherwise."""

    active = True
    open = False

    async def definitions(self, tenant: str) -> list[DefinitionRow]:
        return [replace(row, active=self.active) for row in await self.definition_rows(())]

    async def open_definition_ids(self) -> set[int]:
        return {1} if self.open else set()


@pytest.fixture
def store(coordinator: Any) -> StoreOfTheShop:
    shop: Any = StoreOfTheShop()
    coordinator.store, coordinator.definitions = shop, DefinitionCache(shop, "default")
    return shop  # type: ignore[no-any-return]


async def test_the_coordinators_document_has_every_participant(http: httpx.AsyncClient, store: StoreOfTheShop) -> None:
    document = (await http.get("/v1/asyncapi")).json()

    assert faults(document) == []
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {"saga.start", "saga.events", "saga.cmd.payment", "saga.reply.payment", "saga.cmd.inventory"} <= addresses
    start = document["components"]["messages"]["start.order"]
    assert start["payload"] == {"$ref": "#/components/schemas/shop.PlaceOrder"}


async def test_a_participants_document_is_its_own_side(http: httpx.AsyncClient, store: StoreOfTheShop) -> None:
    document = (await http.get("/v1/asyncapi/payment")).json()

    assert faults(document) == []
    assert document["operations"]["payment.action.shop.ChargeCard"]["action"] == "receive"
    assert "saga.cmd.inventory" not in {channel["address"] for channel in document["channels"].values()}


async def test_a_definition_counts_while_it_is_active_or_has_open_sagas(http: httpx.AsyncClient, store: StoreOfTheShop) -> None:
    store.active = False
    gone = await http.get("/v1/asyncapi/payment")
    store.open = True
    still = await http.get("/v1/asyncapi/payment")

    assert (gone.status_code, gone.json()["code"]) == (404, "participant_unknown")
    assert still.status_code == 200


async def test_a_definition_that_cannot_be_loaded_is_left_out(http: httpx.AsyncClient, store: StoreOfTheShop) -> None:
    row = (await store.definition_rows(()))[0]
    broken = replace(row, id=2, name="broken", document=b"{}")
    rows = [row, broken]

    async def definitions(tenant: str) -> list[DefinitionRow]:
        return rows

    async def definition_rows(ids: Any) -> list[DefinitionRow]:
        return [one for one in rows if one.id in ids]

    store.definitions = definitions  # type: ignore[method-assign]
    store.definition_rows = definition_rows  # type: ignore[method-assign]
    document = (await http.get("/v1/asyncapi")).json()

    assert [name for name in document["components"]["messages"] if name.startswith("start.")] == ["start.order"]
