"""`saga doctor` of the whole system: each planted damage is found and nothing else is, its
statement mends it, and a system that runs has none."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from contract.store_rows import by_hand, new_id
from saga_cli.dev.services import Postgres
from saga_coordinator.doctor.barrier import BarrierExamination
from saga_coordinator.doctor.comparison import BarrierRow
from saga_coordinator.doctor.damage import Damage
from saga_coordinator.doctor.examination import Rows
from saga_coordinator.doctor.judging import literal
from saga_coordinator.doctor.pace import Pace
from saga_coordinator.doctor.system import SystemExamination
from saga_coordinator.engine.encoding import FORMAT, encode_saga
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import shard_of
from saga_coordinator.store.removal_port import FinishedOf, Leaving, Stripped
from saga_messaging.background import end
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.horizon import Horizon
from saga_schemas.outcomes import Kind, Outcome, RowState
from support.coordinators import closed, opened, register, running, saga_of, settings_for, start
from support.scripted import Answer, ScriptedParticipant, catalog_of, eventually, obliging

CATALOG = catalog_of("t.Input", "t.Do", "t.Undo")
CHARGE = "  - {name: charge, participant: bank, command: t.Do, compensation: t.Undo}"
ENDS = {
    "good": "  - {name: ship, pivot: true, participant: bank, after: [charge], command: t.Do}",
    "back": "  - {name: ship, pivot: true, participant: no, after: [charge], command: t.Do}",
    "open": "  - {name: ship, pivot: true, participant: nobody, after: [charge], command: t.Do}",
    "stuck": "  - {name: ship, pivot: true, participant: bank, after: [charge], command: t.Do}\n"
    "  - {name: mail, participant: no, after: [ship], command: t.Do}",
}
"""Sagas by how they end, or do not."""
LABELS = 'labels: {customer: "${input.id}", priority: 3, vip: true, region: eu}'
NOT_THERE = new_id()
"""Too young for any horizon."""


def definition(name: str) -> str:
    return f"saga: {name}\nversion: 1\ninput: t.Input\nkey: ${{input.id}}\n{LABELS}\nsteps:\n{CHARGE}\n{ENDS[name]}\n"


def refusing(command: CommandHeaders) -> Sequence[Answer]:
    return [Answer(outcome=Outcome.REJECTED, code="no")] if command.kind is Kind.ACTION else obliging(command)


@dataclass(frozen=True)
class System:
    """A store in which some sagas have ended and others are open; no coordinator serves it."""

    url: str
    sagas: dict[str, UUID]
    broker: MemoryBroker

    @property
    def dialect(self) -> str:
        return "sqlite" if self.url.startswith("sqlite") else "postgresql"

    def sql(self, statement: str) -> str:
        """With `{good}` and the others as literals, `{none}` for a saga that is not there,
        `{shard}` for that of the good one, `{empty}` for no bytes."""
        ids = {name: literal(self.dialect, id) for name, id in {**self.sagas, "none": NOT_THERE}.items()}
        empty = "x''" if self.dialect == "sqlite" else "''::bytea"
        return statement.format(**ids, shard=shard_of(self.sagas["good"]), empty=empty)

    async def examined(self, *, one: UUID | None = None, rows: Any = None) -> list[Damage]:
        store = open_store(self.url, pool_size=2, reader="saga-doctor")
        await store.start()
        try:
            pace = Pace(SystemClock(), rests=0, look_again_s=0.01)
            bank = [] if rows is None else [BarrierExamination(store, rows, tenant="default", participant="bank", pace=pace)]
            examination = SystemExamination(store, pace, broker=self.broker, participants=bank)
            found = examination.damages() if one is None else examination.of_one(one)
            return [damage async for damage in found]
        finally:
            await store.stop()


async def made(url: str) -> System:
    broker, sagas = MemoryBroker(), dict[str, UUID]()
    async with opened(url) as store:
        for name in ENDS:
            await register(store, definition(name), CATALOG)
        async with running(store, broker, settings_for(url)) as instance:
            people = [ScriptedParticipant(broker, "bank"), ScriptedParticipant(broker, "no", refusing)]
            working = [asyncio.create_task(one.run()) for one in people]
            for name in ENDS:
                sagas[name] = await start(instance, name, {"id": name})
            assert await closed(instance, sagas["good"]) == "COMPLETED"
            assert await closed(instance, sagas["back"]) == "COMPENSATED"

            async def settled() -> bool:
                stuck, left = await saga_of(store, sagas["stuck"]), await saga_of(store, sagas["open"])
                return stuck.steps["mail"].attention == "rejected" and left.steps["ship"].dispatched

            await eventually(settled)
            await end(working)
    return System(url, sagas, broker)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[System, Path]:
    """Made once; each test has a copy of the file."""
    file = tmp_path_factory.mktemp("doctor") / "saga.db"
    with capture_logs():
        return asyncio.run(made(f"sqlite+aiosqlite:///{file}")), file


@pytest.fixture
def system(kept: tuple[System, Path], tmp_path: Path) -> System:
    original, file = kept
    shutil.copy(file, tmp_path / "saga.db")
    return System(f"sqlite+aiosqlite:///{tmp_path}/saga.db", original.sagas, original.broker)


DAMAGES: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "a wake-up is deleted": (["DELETE FROM wakeup WHERE saga_id = {open}"], ["wake_up_missing"]),
    "a finished saga is to be woken": (["INSERT INTO wakeup VALUES ({good}, 1)"], ["wake_up_left"]),
    "a wake-up is put off": (["UPDATE wakeup SET due_at = due_at + 1 WHERE saga_id = {open}"], ["wake_up_differs"]),
    "a wake-up of no saga": (["INSERT INTO wakeup VALUES ({none}, 1)"], ["wake_up_of_no_saga"]),
    "a message of no record": (
        ["INSERT INTO outbox (shard, id, saga_id, version, ord) VALUES ({shard}, {none}, {good}, 99, 0)"],
        ["message_without_record"],
    ),
    "a line with another phase": (["UPDATE saga_listing SET phase = 'COMMITTED' WHERE saga_id = {open}"], ["line_differs"]),
    "a line that is missing": (["DELETE FROM saga_listing WHERE saga_id = {open}"], ["line_missing"]),
    "a line that counts wrong": (["UPDATE saga_listing SET attention = 7 WHERE saga_id = {open}"], ["line_count"]),
    "a line of no saga": (
        [
            "INSERT INTO saga_listing (tenant, saga_id, definition_name, definition_version, trace_id, started_at, phase, attention,"
            " shelf) VALUES ('default', {none}, 'good', 1, 'x', 1, 'RUNNING', 0, 0)"
        ],
        ["line_of_no_saga"],
    ),
    "attention that the state does not have": (
        [
            "INSERT INTO attention (saga_id, step, reason, since, note) VALUES ({open}, 'ship', 'it''s odd', 1, '')",
            "UPDATE saga_listing SET attention = 1 WHERE saga_id = {open}",
        ],
        ["attention_left"],
    ),
    "attention that only the state has": (
        ["DELETE FROM attention WHERE saga_id = {stuck}", "UPDATE saga_listing SET attention = 0 WHERE saga_id = {stuck}"],
        ["attention_missing"],
    ),
    "attention of no saga": (["INSERT INTO attention VALUES ({none}, 'a', 'no_answer', 1, '')"], ["attention_of_no_saga"]),
    "a journal with a gap": (["DELETE FROM journal WHERE saga_id = {good} AND version = 2"], ["journal_gap"]),
    "a journal that ends too early": (["DELETE FROM journal WHERE saga_id = {open} AND version > 1"], ["journal_gap"]),
    "no journal at all": (["DELETE FROM journal WHERE saga_id = {good}"], ["journal_gap"]),
    "a record that says something else": (
        ["UPDATE journal SET facts = (SELECT facts FROM journal WHERE saga_id = {good} AND version = 1)"
            " WHERE saga_id = {back} AND version = 1"],
        ["state_differs", "state_differs"],
    ),
    "a record that cannot be read": (["UPDATE journal SET facts = {empty} WHERE saga_id = {back} AND version = 2"], ["state_unreadable"]),
    "a phase that no record says": (
        ["UPDATE saga SET phase = 'SETTLING' WHERE id = {open}", "UPDATE saga_listing SET phase = 'SETTLING' WHERE saga_id = {open}"],
        ["state_differs"],
    ),
    "a fingerprint of another journal": (["UPDATE saga SET facts_print = facts_print / 2 WHERE id = {good}"], ["state_differs"]),
    "a key that points nowhere": (["INSERT INTO saga_key VALUES ('default', 'it''s', 'good', {none})"], ["key_of_no_saga"]),
    "a former key that points nowhere": (
        ["INSERT INTO saga_key_former VALUES ('default', 'k', 'good', {none})"],
        ["key_of_no_saga"],
    ),
    "a key that is lost": (["DELETE FROM saga_key WHERE saga_id = {open}"], ["key_lost"]),
    "an event of a removed saga": (["INSERT INTO inbox_event VALUES ({none}, {none}, 'reply', {empty})"], ["event_of_no_saga"]),
    "a start request of no saga": (["INSERT INTO start_request VALUES ('default', 'http', 'r', {none}, {empty})"], ["request_of_no_saga"]),
    "a finished saga that recovers": (["INSERT INTO recovering VALUES ({good}, 'bank')"], ["recovering_left"]),
    "a label of no saga": (
        ["INSERT INTO saga_label (tenant, name, saga_id, text_value) VALUES ('default', 'it''s', {none}, 'a')"],
        ["label_of_no_saga"],
    ),
    "a label with another text": (
        ["UPDATE saga_label SET text_value = 'it''s' WHERE saga_id = {stuck} AND name = 'customer'"],
        ["label_differs"],
    ),
    "a label with another number": (
        ["UPDATE saga_label SET number_value = 4.5 WHERE saga_id = {stuck} AND name = 'priority'"],
        ["label_differs"],
    ),
    "a label of another type": (
        ["UPDATE saga_label SET flag_value = NULL, number_value = 1 WHERE saga_id = {stuck} AND name = 'vip'"],
        ["label_differs"],
    ),
    "a label that is lost": (["DELETE FROM saga_label WHERE saga_id = {stuck} AND name = 'region'"], ["label_differs"]),
    "no saga recovers": (["INSERT INTO recovering VALUES ({none}, 'bank')"], ["recovering_of_no_saga"]),
    "a span of no record": (["INSERT INTO span_due VALUES ({good}, 99)"], ["span_without_record"]),
    "a position beyond its topic": (
        ["UPDATE consumed SET next_offset = next_offset + 1000 WHERE topic = 'saga.reply.bank'"
            " AND part = (SELECT min(part) FROM consumed WHERE topic = 'saga.reply.bank')"],
        ["position_beyond_end"],
    ),
    "a definition that is gone": (["DELETE FROM definition WHERE name = 'stuck'"], ["definition_gone"]),
    "a saga that is gone": (
        ["DELETE FROM saga WHERE id = {good}"],
        ["line_of_no_saga", "request_of_no_saga", "key_of_no_saga", *["label_of_no_saga"] * 4],
    ),
}  # fmt: skip


async def test_of_a_healthy_system_nothing_is_said(system: System) -> None:
    assert await system.examined() == []


async def test_what_retention_leaves_fits(system: System) -> None:
    """A finished saga without its journal, and the keys of one that was removed."""
    await by_hand(system.url, "UPDATE saga SET max_expiry = 0", "DELETE FROM outbox")
    async with opened(system.url) as store:
        (good,), (back,) = [
            await store.finished(
                FinishedOf(tenant="default", definition=name, version=1, shelf=0, before_us=10**17), after=None, limit=2
            )
            for name in ("good", "back")
        ]
        saga = await saga_of(store, good.id)
        stripped = Stripped(saga=good, version=saga.version, state_format=FORMAT, state=encode_saga(saga))
        async with store.transaction() as transaction:
            assert (await transaction.strip_sagas([stripped])).sagas == (good.id,)
            assert (await transaction.remove_sagas([Leaving(saga=back, keys_until_us=10**17)])).sagas == (back.id,)
    assert await system.examined() == []


@pytest.mark.parametrize("what", DAMAGES)
async def test_each_damage_is_found_and_nothing_else(system: System, what: str) -> None:
    statements, kinds = DAMAGES[what]
    await by_hand(system.url, "PRAGMA ignore_check_constraints = ON", *map(system.sql, statements))
    found = await system.examined()
    assert [damage.kind.value for damage in found] == list(kinds)
    assert all(damage.evidence and damage.way_out for damage in found)
    left = found
    for _ in range(2):  # attention is counted anew at the second
        await by_hand(system.url, *(damage.sql for damage in left if damage.sql is not None))
        left = await system.examined()
    assert [damage.kind for damage in left] == [damage.kind for damage in found if damage.sql is None], "its statement mends it"


@pytest.mark.parametrize(
    "what",
    ["a wake-up is deleted", "a message of no record", "a line with another phase", "a key that is lost", "a label of no saga"],
)
async def test_one_saga_is_looked_at_alone(system: System, what: str) -> None:
    statements, kinds = DAMAGES[what]
    await by_hand(system.url, *map(system.sql, statements))
    of = {"a message of no record": system.sagas["good"], "a label of no saga": NOT_THERE}.get(what, system.sagas["open"])
    assert [damage.kind.value for damage in await system.examined(one=of)] == list(kinds)
    assert await system.examined(one=system.sagas["back"]) == []


async def test_every_damage_at_once_on_postgresql(postgres_service: Postgres) -> None:
    name = f"doctor_{uuid.uuid4().hex[:12]}"
    url = postgres_service.create_database(name)
    try:
        with capture_logs():
            system = await made(url)
        assert await system.examined() == []
        # Each of these hides another.
        alone = {"a journal that ends too early", "no journal at all", "a saga that is gone", "a line that is missing",
                 "a line that counts wrong", "a line with another phase", "a wake-up is deleted", "a definition that is gone",
                 "a journal with a gap", "a record that cannot be read"}  # fmt: skip
        planted = {what: damage for what, damage in DAMAGES.items() if what not in alone}
        for statements, _ in planted.values():
            await by_hand(url, *map(system.sql, statements))
        found = [damage.kind.value for damage in await system.examined()]
        assert sorted(found) == sorted(kind for _, kinds in planted.values() for kind in kinds)
    finally:
        postgres_service.drop_database(name)


@pytest.mark.parametrize("kind", ["sqlite_url", "database_url"])
async def test_of_a_system_that_runs_nothing_is_said(kind: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(kind)
    broker = MemoryBroker()
    async with AsyncExitStack() as stack:
        stack.enter_context(capture_logs())
        store = await stack.enter_async_context(opened(url))
        for name in ("good", "back", "stuck"):
            await register(store, definition(name), CATALOG)
        instance = await stack.enter_async_context(running(store, broker, settings_for(url)))
        people = [ScriptedParticipant(broker, "bank"), ScriptedParticipant(broker, "no", refusing)]
        working = [asyncio.create_task(one.run()) for one in people]
        starting = asyncio.gather(*(start(instance, ("good", "back", "stuck")[n % 3], {"id": f"{n}"}) for n in range(150)))
        looks = 0
        while looks < 3 or not starting.done():
            system = System(url, {}, broker)
            assert await system.examined() == []
            looks += 1
        ids = await starting
        await asyncio.gather(*(closed(instance, id) for n, id in enumerate(ids) if n % 3 != 2))
        assert await System(url, {}, broker).examined() == []
        await end(working)


class BankRows:
    """What a participant's database says."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.horizon = Horizon()

    async def of(self, ids: Sequence[UUID]) -> Rows:
        return {key: row for key, row in self.rows.items() if key[0] in ids}

    async def page(self, *, after: tuple[UUID, str] | None, limit: int) -> Rows:
        return dict([(key, self.rows[key]) for key in sorted(self.rows) if after is None or key > after][:limit])

    async def remembered(self) -> Horizon:
        return self.horizon


async def test_rows_of_a_participant_are_compared_both_ways(system: System) -> None:
    done = BarrierRow(state=RowState.DONE, run=1)
    undone = BarrierRow(state=RowState.UNDONE, run=1)
    steps = {"good": ("charge", "ship"), "stuck": ("charge", "ship"), "open": ("charge",)}
    rows = {(system.sagas[saga], step): done for saga, names in steps.items() for step in names}
    rows[system.sagas["back"], "charge"] = undone
    assert await system.examined(rows=BankRows(rows)) == []
    damaged = {key: row for key, row in rows.items() if key != (system.sagas["good"], "ship")}
    damaged[NOT_THERE, "charge"] = done
    found = await system.examined(rows=BankRows(damaged))
    assert [(damage.kind.value, damage.saga_id) for damage in found] == [
        ("row_differs", system.sagas["good"]),
        ("row_without_saga", NOT_THERE),
    ]
    forgotten = BankRows(rows | {(NOT_THERE, "charge"): done})
    forgotten.horizon = Horizon(below_ms=(NOT_THERE.int >> 80) + 1)
    assert [damage.kind.value for damage in await system.examined(rows=forgotten)] == []


async def test_what_fits_at_the_second_look_is_not_told(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a read of two moments."""
    await by_hand(system.url, *map(system.sql, DAMAGES["a wake-up is deleted"][0]))
    await by_hand(system.url, *map(system.sql, DAMAGES["a message of no record"][0]))
    looked: Callable[[Pace], Any] = Pace.look_again

    async def mended(pace: Pace) -> None:
        await by_hand(
            system.url,
            system.sql("INSERT OR IGNORE INTO wakeup (saga_id, due_at) SELECT id, wake_at FROM saga WHERE id = {open}"),
            system.sql("DELETE FROM outbox WHERE version = 99"),
        )
        await looked(pace)

    monkeypatch.setattr(Pace, "look_again", mended)
    assert await system.examined() == []
