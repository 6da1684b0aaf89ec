"""One saga, record or row that makes our own code fail each time: it is left out and told, and
nothing else waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from contract.store_rows import by_hand
from saga_coordinator.batch import plan
from saga_coordinator.batch.committer import Committer
from saga_coordinator.loops import sweeper
from saga_coordinator.loops.catch_up_loop import CatchUpLoop
from saga_coordinator.overview.sampling import OpenSagas
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.sagas.messages import Outbound
from saga_coordinator.sagas.state_cache import StateCache
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.starts.requests import StartRequest, StartResult
from saga_coordinator.store import reads, rows
from saga_coordinator.store.port import BadRow, SagaRow, Store, shard_of
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, settings_for
from support.orders import until
from support.scripted import DONE, ScriptedParticipant
from support.scripted import until as until_seen
from support.start_records import CATALOG, DEFINITION, has_letters, keys_started, send, start_record


def request(key: str) -> StartRequest:
    return StartRequest(
        tenant="default", definition="asked", input={"id": key}, request_id=key, source="test", body_hash=b"0" * 32
    )


def fails_for(monkeypatch: pytest.MonkeyPatch, key: str, *, fresh: bool, parking: bool = False) -> None:
    """From now on writing what became of this saga meets a bug; with `parking`, all but its
    attention."""
    write = plan.saga_write

    def writing(work: SagaWork, now: int) -> Any:
        if work.row.business_key == key and work.fresh is fresh and not (parking and work.journal[-1].kind == "parked"):
            raise KeyError("a bug")
        return write(work, now)

    monkeypatch.setattr(plan, "saga_write", writing)


@pytest.fixture(autouse=True)
def told() -> Iterator[list[EventDict]]:
    """What is logged: drawing a trace for a terminal takes seconds."""
    with capture_logs() as lines:
        yield lines


@asynccontextmanager
async def silent(url: str, **more: object) -> AsyncIterator[tuple[Store, MemoryBroker, Instance, ScriptedParticipant]]:
    """A coordinator whose participant is asked and does not answer."""
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "one")
    participant.answering = False
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        asked = asyncio.create_task(participant.run())
        try:
            async with running(store, broker, settings_for(url, **more)) as instance:
                yield store, broker, instance, participant
        finally:
            await end((asked,))


async def asked(instance: Instance, participant: ScriptedParticipant, *keys: str) -> dict[str, UUID]:
    ids = {key: (await instance.coordinator.start(request(key))).saga_id for key in keys}
    await until_seen(lambda: len(participant.seen) >= len(keys))
    return ids


async def test_a_reply_that_breaks_its_transaction_is_dead_lettered_and_the_others_are_applied(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with silent(sqlite_url) as (store, broker, instance, participant):
        ids = await asked(instance, participant, "before", "guilty", "behind")
        fails_for(monkeypatch, "guilty", fresh=False)
        await send(broker, *(participant.reply(command, DONE) for command, _ in participant.seen))
        assert await closed(instance, ids["before"]) == "COMPLETED"
        assert await closed(instance, ids["behind"]) == "COMPLETED"
        await until(lambda: has_letters(store, 1), 20, "a dead letter")
        letters = await store.dead_letters(before=None, limit=10)
        assert [(letter.reason, letter.key) for letter in letters] == [("internal_error", str(ids["guilty"]).encode())]
        assert await instance.coordinator.ready() == []


async def test_a_saga_that_breaks_the_timers_transaction_holds_up_no_other(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, told: list[EventDict]
) -> None:
    async with silent(sqlite_url) as (_, _, instance, participant):
        ids = await asked(instance, participant, "guilty", "good")
        fails_for(monkeypatch, "guilty", fresh=False)
        before = len(participant.seen)
        await until_seen(lambda: [c.saga_id for c, _ in participant.seen[before:]].count(ids["good"]) >= 2)
        parked = {line["saga"] for line in told if line["event"] == "saga_parked"}
        assert parked == {str(ids["guilty"])}
        assert "a bug" not in str([line.get("error") for line in told]), "what an unexpected error says may quote a payload"
        assert await instance.coordinator.ready() == []


async def test_sagas_that_cannot_be_read_take_no_other_sagas_place_in_the_timers_batch(
    sqlite_url: str, told: list[EventDict]
) -> None:
    """As many of them as a batch has, and due before all others."""
    async with silent(sqlite_url, batch_sagas=2) as (_, _, instance, participant):
        ids = await asked(instance, participant, "one", "two", "good")
        lost = f"('{ids['one'].hex}', '{ids['two'].hex}')"
        await by_hand(
            sqlite_url,
            f"UPDATE saga SET state = x'00', state_version = version, facts_print = 7 WHERE lower(hex(id)) IN {lost}",
            f"UPDATE wakeup SET due_at = 0 WHERE lower(hex(saga_id)) IN {lost}",
        )
        before = len(participant.seen)
        await until_seen(lambda: [c.saga_id for c, _ in participant.seen[before:]].count(ids["good"]) >= 2)
        parked = {line["saga"] for line in told if line["event"] == "saga_parked" and line["reason"] == "state_unreadable"}
        assert parked == {str(ids["one"]), str(ids["two"])}
        assert await instance.coordinator.ready() == []


async def test_what_can_be_written_of_a_guilty_saga_is_that_it_needs_a_person(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with silent(sqlite_url) as (store, _, instance, participant):
        ids = await asked(instance, participant, "guilty", "good")
        fails_for(monkeypatch, "guilty", fresh=False, parking=True)

        async def needs_a_person() -> bool:
            return [one.reason for one in await store.attention_of(ids["guilty"])] == ["engine_error"]

        await until(needs_a_person, 20, "its attention")
        assert await store.attention_of(ids["good"]) == []
        monkeypatch.undo()
        participant.answering = True
        assert await closed(instance, ids["guilty"], 60) == "COMPLETED"


async def test_a_record_that_breaks_its_transaction_does_not_cost_other_starts_theirs(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with silent(sqlite_url) as (store, broker, instance, _):
        fails_for(monkeypatch, "guilty", fresh=True)
        await send(broker, *(start_record(key, key) for key in ("before", "guilty", "behind")))

        async def others() -> bool:
            return await keys_started(store) == {"before", "behind"} and await has_letters(store, 1)

        await until(others, 20, "the other starts, and a dead letter")
        assert [letter.reason for letter in await store.dead_letters(before=None, limit=10)] == ["internal_error"]
        assert await instance.coordinator.ready() == []


async def test_a_start_over_http_that_breaks_its_transaction_does_not_cost_others_their_answers(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, MemoryBroker(), settings_for(sqlite_url, roles="timers")) as instance:
            fails_for(monkeypatch, "guilty", fresh=True)
            waiting = [asyncio.create_task(instance.coordinator.start(request(key))) for key in ("one", "guilty", "two")]
            await asyncio.sleep(0)
            queue = asyncio.create_task(instance.loops["api"][0]())
            one, guilty, two = await asyncio.gather(*waiting, return_exceptions=True)
            await end([queue])
    assert isinstance(one, StartResult)
    assert isinstance(two, StartResult)
    assert isinstance(guilty, KeyError)


async def test_a_loop_that_cannot_even_give_a_record_up_says_so_until_it_goes_on(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with silent(sqlite_url) as (store, broker, instance, _):

        def broken(*_: Any, **__: Any) -> None:
            raise KeyError("a secret")

        monkeypatch.setattr(Committer, "batch", broken)
        await send(broker, start_record("k", "k"))

        async def said() -> bool:
            reasons = await instance.coordinator.ready()
            assert "secret" not in str(reasons)
            return any(reason.startswith("starts: failed ") for reason in reasons)

        await until(said, 30, "/readyz names the loop")
        monkeypatch.undo()

        async def well() -> bool:
            return await keys_started(store) == {"k"} and await instance.coordinator.ready() == []

        await until(well, 30, "the start, and /readyz")


def cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Outbound.message

    def making(outbound: Outbound, identity: Any, *args: Any, **named: Any) -> Any:
        if identity.key == "guilty":
            raise KeyError("a bug")
        return made(outbound, identity, *args, **named)

    monkeypatch.setattr(Outbound, "message", making)


def is_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    of = rows.saga_row

    def reading(row: Sequence[Any]) -> SagaRow:
        saga = of(row)
        if saga.business_key == "guilty":
            raise BadRow("table saga: edited by hand")
        return saga

    monkeypatch.setattr(reads, "saga_row", reading)


def has_no_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    of = sweeper.Sweeper._identity

    async def identifying(self: sweeper.Sweeper, saga: SagaRow) -> Any:
        if saga.business_key == "guilty":
            raise BadRow("table definition: edited by hand")
        return await of(self, saga)

    monkeypatch.setattr(sweeper.Sweeper, "_identity", identifying)


@pytest.mark.parametrize("fault", [cannot_be_made, is_no_row, has_no_definition])
async def test_a_message_that_cannot_be_made_holds_up_no_other(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, told: list[EventDict], fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    monkeypatch.setattr(sweeper, "OLDER_THAN_US", 0)
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url, roles="api")) as instance:
            instance.relay.offer = lambda messages: None  # type: ignore[method-assign]
            guilty = (await instance.coordinator.start(request("guilty"))).saga_id
            await instance.coordinator.start(request("good"))
            await by_hand(sqlite_url, f"UPDATE outbox SET shard = {shard_of(guilty)}")  # one shard is swept at once
            fault(monkeypatch)
            sweeping = asyncio.create_task(instance.loops["sweeper"][0]())

            async def only_the_guilty() -> bool:
                rows = await store.outbox_older_than(shard_of(guilty), await store.now_us() + 1_000_000, 100)
                return {row.saga_id for row in rows} == {guilty}

            await until(only_the_guilty, 20, "the other saga's messages")
            await end([sweeping])
            assert any(line["event"] == "outbox_row_unreadable" and line["saga"] == str(guilty) for line in told)


async def test_whom_sagas_wait_for_is_told_without_one_whose_row_is_none(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, MemoryBroker(), settings_for(sqlite_url, roles="api")) as instance:
            for key in ("guilty", "good", "better"):
                await instance.coordinator.start(request(key))
            is_no_row(monkeypatch)
            definitions = instance.coordinator.definitions
            sagas = OpenSagas(store=store, tenant="default", definitions=definitions, states=StateCache(), clock=SystemClock())
            assert (await sagas.waits(3)).looked_at == 2


@pytest.mark.parametrize("role", ["watchdog", "replies"])
async def test_a_bug_in_a_loop_that_looks_around_ends_no_process_and_is_told(
    role: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog's own, and the loop that measures catch-up."""
    broken, what = {"watchdog": ("participants", "topics"), "replies": ("once", "drains")}[role]

    async def bug(*_: Any) -> None:
        raise KeyError("a bug")

    async with silent(sqlite_url) as (_, _, instance, _):
        monkeypatch.setattr(DefinitionCache if role == "watchdog" else CatchUpLoop, broken, bug)

        async def said() -> bool:
            return any(reason.startswith(f"{what}: ") for reason in await instance.coordinator.ready())

        await until(said, 30, "/readyz names it")
        monkeypatch.undo()

        async def well() -> bool:
            return await instance.coordinator.ready() == []

        await until(well, 30, "/readyz is well again")
