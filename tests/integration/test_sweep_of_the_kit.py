"""A participant of the kit tells its rows after a restore, and an effect of a lost saga is undone
by what its row holds: the ledger is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contract.store_rows import by_hand
from saga_coordinator.store import recovery
from saga_coordinator.store.recovering import is_open
from saga_messaging.memory import MemoryBroker
from saga_participant import Participant
from saga_participant.step import Step
from saga_schemas.catalog import Catalog
from saga_schemas.schema import Schema
from support.backups import backed_up
from support.coordinators import closed, opened, register, running, settings_for, start
from support.orders import until

DEFINITION = """
saga: sale
version: 1
input: k.Sale
key: ${input.order}
steps:
  - name: charge
    participant: bank
    command: k.Charge
    reply: k.Charged
    compensation: {command: k.Refund, with: {receipt: "${steps.charge.reply.receipt}"}}
"""


def avro(name: str, **fields: str) -> dict[str, Any]:
    listed = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "namespace": "k", "fields": listed}


RECORDS = [
    avro("Sale", order="string", amount="long"),
    avro("Charge", order="string", amount="long"),
    avro("Charged", receipt="string"),
    avro("Refund", order="string", amount="long", receipt="string"),
]


class Charge(BaseModel):
    avro_name: ClassVar[str] = "k.Charge"
    order: str
    amount: int


class Charged(BaseModel):
    avro_name: ClassVar[str] = "k.Charged"
    receipt: str


class Refund(BaseModel):
    avro_name: ClassVar[str] = "k.Refund"
    order: str
    amount: int
    receipt: str


def bank_in(folder: Path) -> tuple[Participant, str]:
    """The participant, and its database."""
    for record in RECORDS:
        (folder / f"k.{record['name']}.avsc").write_text(json.dumps(record))
    url = f"sqlite+aiosqlite:///{folder}/bank.db"
    bank = Participant("bank", database=url, schemas=folder)

    async def charge(command: Charge, db: AsyncConnection, step: Step) -> Charged:
        await db.execute(text("INSERT INTO ledger VALUES (:order, :amount)"), command.model_dump())
        return Charged(receipt=f"r-{command.order}")

    async def refund(command: Refund, charged: Charged, db: AsyncConnection) -> None:
        assert command.receipt == charged.receipt
        await db.execute(text("INSERT INTO ledger VALUES (:order, -:amount)"), command.model_dump(exclude={"receipt"}))

    bank.action(charge)
    bank.compensation(refund)
    return bank, url


async def balance(url: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for order, amount in await by_hand(url, 'SELECT "order", amount FROM ledger ORDER BY rowid'):
        found.setdefault(order, []).append(amount)
    return found


async def test_what_a_lost_saga_did_is_undone_or_owned_again(sqlite_url: str, tmp_path: Path) -> None:
    broker, (bank, ledger) = MemoryBroker(), bank_in(tmp_path)
    await by_hand(ledger, 'CREATE TABLE ledger ("order" TEXT, amount INTEGER)')
    async with bank.served(broker):
        async with opened(sqlite_url) as store:
            await register(store, DEFINITION, Catalog(map(Schema.parse, RECORDS)))
            backup = await backed_up(sqlite_url, tmp_path)
            async with running(store, broker, settings_for(sqlite_url)) as instance:
                orders = ("undone", "adopted")
                undone, adopted = [await start(instance, "sale", {"order": order, "amount": 40}) for order in orders]
                assert [await closed(instance, saga_id) for saga_id in (undone, adopted)] == ["COMPLETED", "COMPLETED"]
        backup.restore()
        await recovery.recover(sqlite_url, tenant="default", who="me", why="the disk", sagas_per_s=500, force=True)
        async with opened(sqlite_url) as store, running(store, broker, settings_for(sqlite_url)) as instance:

            async def swept() -> bool:
                return not is_open(await store.control("recovery", "default"))

            async def settled() -> bool:
                return await store.lost_effects("default", settled=False) == []

            await until(swept, 30, "all rows are told")
            assert [one.saga_id for one in await store.lost_effects("default", settled=False)] == sorted([undone, adopted])
            acts, ours = instance.coordinator.lost_effects, {"who": "me", "why": "because"}
            await acts.undo(undone, "charge", definition="sale", version=1, given={}, **ours)
            await acts.adopt(adopted, definition="sale", version=1, input={"order": "adopted", "amount": 40}, **ours)
            assert await closed(instance, adopted) == "COMPLETED"
            await until(settled, 30, "the bank has answered")
    assert await balance(ledger) == {"undone": [40, -40], "adopted": [40]}
