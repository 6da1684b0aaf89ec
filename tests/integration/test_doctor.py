"""`saga doctor participant`: of a participant whose rows were set back it finds exactly the steps
that do not fit any more, and nothing of a healthy one, also while its sagas run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from contract.store_rows import by_hand, new_id
from saga_cli.main import main
from saga_cli.participant_rows import OpenParticipant, opened_participant
from saga_coordinator.doctor.examination import Examination, Rows
from saga_coordinator.store.open import open_store
from saga_messaging.memory import MemoryBroker
from saga_participant import Participant, Rejected
from saga_schemas.catalog import Catalog
from saga_schemas.horizon import Horizon
from saga_schemas.schema import Schema
from support.coordinators import closed, opened, register, running, settings_for, start

DEFINITION = """
saga: sale
version: 1
input: k.Sale
key: ${input.order}
steps:
  - {name: charge, participant: bank, command: k.Charge, compensation: k.Refund}
  - {name: ship, participant: bank, after: [charge], command: k.Ship, compensation: k.Recall}
"""
RECORDS = [
    {"type": "record", "name": name, "namespace": "k", "fields": [{"name": "order", "type": "string"}]}
    for name in ("Sale", "Charge", "Refund", "Ship", "Recall")
]


class Charge(BaseModel):
    avro_name: ClassVar[str] = "k.Charge"
    order: str


class Refund(BaseModel):
    avro_name: ClassVar[str] = "k.Refund"
    order: str


class Ship(BaseModel):
    avro_name: ClassVar[str] = "k.Ship"
    order: str


class Recall(BaseModel):
    avro_name: ClassVar[str] = "k.Recall"
    order: str


def bank_at(url: str, folder: Path) -> Participant:
    """It ships nothing whose order begins with "no"."""
    for record in RECORDS:
        (folder / f"k.{record['name']}.avsc").write_text(json.dumps(record))
    bank = Participant("bank", database=url, schemas=folder)

    async def charge(command: Charge) -> None: ...

    async def refund(command: Refund) -> None: ...

    async def ship(command: Ship) -> None:
        if command.order.startswith("no"):
            raise Rejected("no_carrier")

    async def recall(command: Recall) -> None: ...

    bank.action(charge)
    bank.compensation(refund)
    bank.action(ship)
    bank.compensation(recall)
    return bank


class ReadTooEarly:
    """Rows as they were before anything was done, at the first look."""

    def __init__(self, rows: OpenParticipant) -> None:
        self._rows = rows
        self.looks = 0

    async def of(self, ids: Sequence[UUID]) -> Rows:
        self.looks += 1
        return {} if self.looks == 1 else await self._rows.of(ids)

    async def remembered(self) -> Horizon:
        return await self._rows.remembered()


class Between:
    """Rows, before each reading of which something happens."""

    def __init__(self, rows: OpenParticipant, happens: Callable[[], Awaitable[object]]) -> None:
        self._rows = rows
        self._happens = happens

    async def of(self, ids: Sequence[UUID]) -> Rows:
        await self._happens()
        return await self._rows.of(ids)

    async def remembered(self) -> Horizon:
        return await self._rows.remembered()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_was_set_back_is_found_and_nothing_else(
    kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, theirs = _urls(kind, tmp_path, request)
    monkeypatch.setenv("SAGA_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")

    async def doctor(*more: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, ["doctor", "participant", "bank", "--database", theirs, *more])
        told = capsys.readouterr()
        return code, told.out, told.err

    broker = MemoryBroker()
    async with bank_at(theirs, tmp_path).served(broker), opened(url) as store:
        await register(store, DEFINITION, Catalog(map(Schema.parse, RECORDS)))
        with capture_logs():  # nothing but the command's own words stands on stdout then
            async with running(store, broker, settings_for(url)) as instance:
                orders = [f"{'no' if n % 3 == 0 else 'o'}-{n}" for n in range(36)]
                sagas = [await start(instance, "sale", {"order": order}) for order in orders]
                ends = asyncio.gather(*(closed(instance, saga_id) for saga_id in sagas))
                looks = 0
                while not ends.done() or not looks:
                    assert await _found(url, theirs) == [], "sagas run, and their bank is healthy"
                    looks += 1
                assert await ends == ["COMPENSATED" if order.startswith("no") else "COMPLETED" for order in orders]
                assert await doctor() == (0, "", "all rows of bank fit what the coordinator has recorded, of 36 sagas\n")
                whole = ("doctor", "--participant", "bank", "--database", theirs, "--fast", "-o", "json")
                assert await _run(whole, capsys) == (0, [])
                lost, other = _id(kind, sagas[2]), _id(kind, new_id())
                moved = "UPDATE saga_barrier SET saga_id = '{}' WHERE saga_id = '{}' AND step = 'ship'"
                await by_hand(theirs, moved.format(other, lost))
                code, damages = await _run(whole, capsys)
                assert (code, [one["kind"] for one in damages]) == (1, ["row_differs", "row_without_saga"])
                await by_hand(theirs, moved.format(lost, other))
                async with opened_participant(theirs, "default") as rows:
                    assert await _found(url, theirs, ReadTooEarly(rows)) == [], "what does not fit is read again"

                again, gone = sagas[0], sagas[1]
                await by_hand(
                    theirs,
                    f"DELETE FROM saga_barrier WHERE saga_id = '{_id(kind, gone)}'",
                    f"UPDATE saga_barrier SET state = 'DONE' WHERE saga_id = '{_id(kind, again)}' AND step = 'charge'",
                )
                code, out, err = await doctor("-o", "json")
    assert (code, err) == (1, "3 rows of bank do not fit, of 36 sagas\n")
    assert [(one["saga"], one["step"], one["trouble"], one["coordinator"], one["participant"]) for one in json.loads(out)] == [
        (str(again), "charge", "stands_again", "COMPENSATED, undone", "DONE"),
        (str(gone), "charge", "gone", "COMPLETED, done", "no row"),
        (str(gone), "ship", "gone", "COMPLETED, done", "no row"),
    ]
    code, out, err = await doctor("--limit", "1")
    assert (code, err) == (1, "stopped at 1 rows that do not fit: --limit has it go on\n")
    assert f"{again}  no-0" in out

    moves = f"UPDATE saga SET version = version + 1 WHERE id = {_key(kind, again)}"  # it cannot be read any more
    async with opened_participant(theirs, "default") as rows:
        found = await _found(url, theirs, Between(rows, lambda: by_hand(url, moves)), moving=1)
    assert found == [(gone, "charge"), (gone, "ship")], "what moves with every look is not judged"
    assert await _found(url, theirs) == [(again, ""), (gone, "charge"), (gone, "ship")]
    raised = "UPDATE meta SET incarnation = incarnation + 1"
    await by_hand(url, raised)
    assert await _found(url, theirs) == [(again, ""), (gone, "charge"), (gone, "ship")], "finished sagas ask nothing again"
    await by_hand(theirs, _covering(kind, gone))
    assert await _found(url, theirs) == [], "what the participant has forgotten, it may have removed"


async def _run(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    code = await asyncio.to_thread(main, list(arguments))
    return code, json.loads(capsys.readouterr().out)


async def _found(url: str, theirs: str, rows: Any = None, moving: int = 0) -> list[tuple[UUID, str]]:
    store = open_store(url, pool_size=2, reader="saga-doctor")
    await store.start()
    try:
        async with opened_participant(theirs, "default") as real:
            examination = Examination(store, rows or real, tenant="default", participant="bank")
            found = [(one.saga_id, one.step) async for one in examination.findings()]
            assert (examination.moving, examination.unread) == (moving, ())
            return found
    finally:
        await store.stop()


def _urls(kind: str, folder: Path, request: pytest.FixtureRequest) -> tuple[str, str]:
    """The coordinator's database, and the bank's."""
    if kind == "sqlite":
        return f"sqlite+aiosqlite:///{folder}/saga.db", f"sqlite+aiosqlite:///{folder}/bank.db"
    fresh: Callable[[], str] = request.getfixturevalue("postgres_url")
    return fresh(), fresh()


def _id(kind: str, saga_id: UUID) -> str:
    return saga_id.hex if kind == "sqlite" else str(saga_id)


def _key(kind: str, saga_id: UUID) -> str:
    """In the coordinator's own table."""
    return f"x'{saga_id.hex}'" if kind == "sqlite" else f"'{saga_id}'"


def _covering(kind: str, saga_id: UUID) -> str:
    """A horizon that covers everything."""
    empty = "x''" if kind == "sqlite" else "''::bytea"
    return f"INSERT INTO saga_horizon VALUES ('default', {(saga_id.int >> 80) + 600_000}, {empty}, 1, '/test', 1)"
