"""Sagas that a whole coordinator ran, kept in an archive and exported: what is read back is what
`saga show -o json` said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import httpx
import pytest

from contract.store_rows import by_hand
from saga_coordinator.api.app import create_app
from saga_coordinator.archive.address import check_archive, open_files
from saga_coordinator.archive.container import read_container
from saga_coordinator.archive.keeping import FileArchive, keep_entries
from saga_coordinator.archive.names import day_of
from saga_coordinator.archive.port import ArchivedSaga
from saga_coordinator.archive.reading import ArchiveReader
from saga_coordinator.loops import timer_loop
from saga_coordinator.server import serve
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end_one
from saga_messaging.errors import ConfigurationError
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.archived import handed_over
from support.coordinators import closed, journal_of, opened, register, running, settings_for, start
from support.horizons import SECONDS
from support.orders import until
from support.processes import SAGA
from support.scripted import DONE, FENCED, UNDONE, Answer, ScriptedParticipant, catalog_of

DEFINITION = """
saga: kept
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do, retry: {attempts: 300, first: 1ms, cap: 1ms}}
  - {name: two, participant: one, command: t.Do, compensation: none}
"""
CATALOG = catalog_of("t.Input", "t.Do")
BUSY = Answer(outcome=Outcome.FAILED, code="busy")


class Answers:
    """The first step is busy for a while; the second is refused, where the test says so."""

    busy_for = 1
    refuse = False

    def __call__(self, command: CommandHeaders) -> Sequence[Answer]:
        if command.kind is Kind.ACTION and command.step == "one" and command.attempt <= self.busy_for:
            return [BUSY]
        if command.kind is Kind.ACTION and command.step == "two" and self.refuse:
            return [Answer(outcome=Outcome.REJECTED, code="no")]
        return [{Kind.ACTION: DONE, Kind.COMPENSATION: UNDONE, Kind.RESOLVE: FENCED}[command.kind]]


@dataclass(frozen=True, slots=True)
class Home:
    """A coordinator without a port, its API, and its participant."""

    instance: Instance
    store: Store
    answers: Answers
    http: httpx.AsyncClient
    address: str
    url: str

    async def run(self, key: str, *, busy_for: int = 1, refuse: bool = False) -> UUID:
        """A finished saga."""
        self.answers.busy_for, self.answers.refuse = busy_for, refuse
        saga_id = await start(self.instance, "kept", {"id": key}, key)
        assert await closed(self.instance, saga_id) == ("COMPENSATED" if refuse else "COMPLETED")
        return saga_id

    async def shown(self, saga_id: UUID) -> dict[str, Any]:
        """What `saga show -o json` prints."""
        view: dict[str, Any] = (await self.http.get(f"/v1/sagas/{saga_id}")).raise_for_status().json()
        records: list[Any] = []
        while True:
            after = records[-1]["version"] if records else 0
            page = (await self.http.get(f"/v1/sagas/{saga_id}/journal", params={"after": after})).raise_for_status().json()
            records += page["items"]
            if page["next"] is None:
                return {**view, "journal": records}

    async def handed_over(self, saga_id: UUID) -> ArchivedSaga:
        """As the retention loop reads it."""
        row = await self.store.saga(saga_id)
        assert row is not None
        return handed_over(row, tuple(record for record, _ in await journal_of(self.store, saga_id)), "kept")

    async def keep(self, *sagas: UUID) -> None:
        archive = FileArchive(open_files(self.address), self.instance.coordinator.entries.of)
        await archive.keep([await self.handed_over(saga) for saga in sagas])

    async def remove(self, saga_id: UUID) -> None:
        text = str(saga_id) if self.store.dialect == "postgresql" else saga_id.hex
        value = f"'{text}'" if self.store.dialect == "postgresql" else f"x'{text}'"
        await by_hand(self.url, f"DELETE FROM saga WHERE id = {value}")


@pytest.fixture
async def home(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Home]:
    answers, address = Answers(), (tmp_path / "archive").as_uri()
    broker = MemoryBroker()
    settings = settings_for(sqlite_url, archive=address, jaeger_url="http://127.0.0.1:16686")
    participant = ScriptedParticipant(broker, "one", answers)
    answering = asyncio.create_task(participant.run())
    await check_archive(address)
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings) as instance:
            transport = httpx.ASGITransport(create_app(instance.coordinator))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
                yield Home(instance, store, answers, http, address, sqlite_url)
    await end_one(answering)


def read_plainly(address: str) -> list[dict[str, Any]]:
    """With fastavro and nothing of ours."""
    files = sorted(Path(address.removeprefix("file://")).glob("????-??-??/*.avro"))
    return [dict(record) for file in files for record in fastavro.reader(BytesIO(file.read_bytes())) if isinstance(record, dict)]


async def test_what_is_archived_is_what_show_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer_loop, "IDLE_S", 0.01)  # a try follows the other at once
    sagas = [await home.run("good"), await home.run("bad", refuse=True), await home.run("long", busy_for=130)]
    shown = [await home.shown(saga) for saga in sagas]

    await home.keep(*sagas)

    records = {str(record["id"]): record for record in read_plainly(home.address)}
    assert [json.loads(records[str(saga)]["view"]) for saga in sagas] == shown
    assert len(shown[2]["journal"]) > 200, "more than one page"
    assert [records[str(saga)]["key"] for saga in sagas] == ["good", "bad", "long"]
    assert {record["definition"] for record in records.values()} == {"kept"}


async def test_what_is_exported_is_what_show_said(home: Home) -> None:
    saga = await home.run("one", refuse=True)

    answer = await home.http.get(f"/v1/sagas/{saga}/export")

    assert answer.headers["content-type"] == "application/avro"
    (record,) = fastavro.reader(BytesIO(answer.content))
    assert isinstance(record, dict)
    assert json.loads(str(record["view"])) == await home.shown(saga)
    assert json.loads(str(record["document"]))["saga"] == "kept"


async def test_a_saga_that_goes_on_is_not_exported(home: Home) -> None:
    home.answers.busy_for = 10_000
    saga = await start(home.instance, "kept", {"id": "open"}, "open")

    answer = await home.http.get(f"/v1/sagas/{saga}/export")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_finished")


async def elsewhere(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The API of another environment, which knows neither the definition nor its schemas."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'elsewhere.sqlite'}"
    async with opened(url) as store, running(store, MemoryBroker(), settings_for(url)) as instance:
        transport = httpx.ASGITransport(create_app(instance.coordinator))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
            yield http


other_environment = pytest.fixture(elsewhere)
AVRO = {"content-type": "application/avro"}


async def test_an_imported_saga_is_shown_as_it_was_and_marked(home: Home, other_environment: httpx.AsyncClient) -> None:
    there = other_environment
    saga = await home.run("moved", refuse=True)
    shown = await home.shown(saga)
    content = (await home.http.get(f"/v1/sagas/{saga}/export")).content

    answer = await there.post("/v1/imports", content=content, headers=AVRO, params={"actor": "ada"})

    assert (answer.status_code, answer.json()) == (201, {"imported": [str(saga)], "known": []})
    view = (await there.get(f"/v1/sagas/{saga}")).json()
    mark = view.pop("imported")
    assert (mark["by"], mark["cluster_id"]) == ("ada", (await home.store.meta()).cluster_id)
    expected = {name: value for name, value in shown.items() if name not in ("imported", "journal")}
    assert view == expected
    assert (await there.get(f"/v1/sagas/{saga}/journal")).json() == {"items": shown["journal"], "next": None}
    page = (await there.get(f"/v1/sagas/{saga}/journal", params={"after": 2, "limit": 1})).json()
    assert page == {"items": shown["journal"][2:3], "next": 3}
    (line,) = (await there.get("/v1/sagas", params={"key": "moved"})).json()["items"]
    assert (line["id"], line["imported"], line["phase"]) == (str(saga), True, "COMPENSATED")
    assert (await there.get(f"/v1/sagas/{saga}/export")).status_code == 200


async def test_an_imported_saga_is_only_read(home: Home, other_environment: httpx.AsyncClient) -> None:
    there = other_environment
    saga = await home.run("moved")
    content = (await home.http.get(f"/v1/sagas/{saga}/export")).content
    await there.post("/v1/imports", content=content, headers=AVRO)

    acts = [("cancel", {"reason": "no"}), ("steps/one/retry", {"reason": "no"}), ("steps/one/waive", {"evidence": "no"})]
    for path, body in acts:
        answer = await there.post(f"/v1/sagas/{saga}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "saga_imported")
    assert (await there.get(f"/v1/sagas/{saga}/trace")).json()["code"] == "saga_imported"


async def test_what_cannot_be_imported_is_one_clear_error(home: Home, other_environment: httpx.AsyncClient) -> None:
    there = other_environment
    saga = await home.run("moved")
    content = (await home.http.get(f"/v1/sagas/{saga}/export")).content

    async def refused(body: bytes, headers: dict[str, str] = AVRO) -> tuple[int, str, str]:
        answer = await there.post("/v1/imports", content=body, headers=headers)
        return answer.status_code, answer.json()["code"], answer.json().get("detail", "")

    other_byte = content[:-40] + bytes([content[-40] ^ 0xFF]) + content[-39:]
    for body in (b"", b"Obj", content[:-1], content[: len(content) // 2], other_byte):
        status, code, detail = await refused(body)
        assert (status, code) == (422, "import_invalid")
        assert detail.startswith("The file is damaged: ") and detail.endswith("Nothing was imported.")
    assert (await refused(content, {"content-type": "application/json"}))[:2] == (415, "container_expected")
    assert (await refused(b"x" * (16 * 1024 * 1024 + 1)))[:2] == (413, "file_too_large")
    assert (await there.get("/v1/sagas")).json()["items"] == []

    known = await home.http.post("/v1/imports", content=content, headers=AVRO)
    assert (known.status_code, known.json()) == (201, {"imported": [], "known": [str(saga)]})


async def test_an_archive_that_cannot_be_written_to_ends_the_start(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = settings_for(sqlite_url, archive=(tmp_path / "file").as_uri(), token_keys=None)

    with pytest.raises(ConfigurationError, match=r"^SAGA_ARCHIVE: .* cannot be written to"):
        await serve(settings, broker=MemoryBroker())

    assert not (tmp_path / "test.sqlite").exists(), "nothing was begun"


async def test_a_saga_that_was_removed_says_where_it_is(home: Home) -> None:
    saga = await home.run("gone")
    await home.keep(saga)
    await home.remove(saga)

    for path in ("", "/journal", "/trace", "/export"):
        answer = await home.http.get(f"/v1/sagas/{saga}{path}")
        assert (answer.status_code, answer.json()["code"]) == (410, "saga_archived")
        assert answer.json()["archive"].startswith(f"{home.address}/20")
        assert f"`saga archive show {saga}` shows it" in answer.json()["detail"]


async def test_the_commands_say_the_same(sqlite_url: str, tmp_path: Path) -> None:
    """A whole coordinator on a port, and `saga` as a process of its own."""
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
    broker, stop, address = MemoryBroker(), asyncio.Event(), (tmp_path / "archive").as_uri()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    settings = settings_for(sqlite_url, archive=address, token_keys=None)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(settings, ready=listening.set_result, stop=stop, broker=broker))
        answering = group.create_task(ScriptedParticipant(broker, "one", Answers()).run())
        server = f"http://127.0.0.1:{await listening}"
        async with httpx.AsyncClient(base_url=server, timeout=30, trust_env=False) as http:
            answer = await http.post("/v1/sagas", json={"definition": "kept", "input": {"id": "typed"}})
            saga_id = answer.raise_for_status().json()["id"]
            assert (await http.get(f"/v1/sagas/{saga_id}", params={"wait_s": 20})).json()["phase"] == "COMPLETED"
        shown = json.loads(await typed("show", "typed", "-o", "json", "--server", server))
        await typed("export", "typed", "-o", str(tmp_path / "one.avro"), "--server", server)
        assert json.loads(await typed("export", "typed", "-o", "-", "--server", server)) == shown
        (entry,) = read_container((tmp_path / "one.avro").read_bytes())
        assert json.loads(entry.view) == shown

        await keep_entries(open_files(address), day_of(entry.closed_at_us), [entry])
        assert json.loads(await typed("archive", "show", saga_id, "-o", "json", "--archive", address)) == shown
        assert (await typed("archive", "list", "-o", "ids", "--archive", address)).split() == [saga_id]
        stop.set()
        await end_one(answering)


async def typed(*arguments: str) -> str:
    """What the command prints."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(SAGA, *arguments, env={"NO_COLOR": "1"}, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_a_saga_that_is_nowhere_is_unknown(home: Home) -> None:
    answer = await home.http.get("/v1/sagas/019b0000-0000-7000-8000-00000000ffff")

    assert (answer.status_code, answer.json()["code"]) == (404, "saga_unknown")
    assert answer.json()["detail"] == f"It is neither here nor in the archive {home.address}."


SHORT: dict[str, object] = (
    dict.fromkeys(("retention_sagas", "retention_journals", "retention_keys", "retention_attention"), "3s") | SECONDS
)


async def test_a_saga_that_retention_removed_is_in_the_archive(sqlite_url: str, tmp_path: Path) -> None:
    address, answers, broker = (tmp_path / "archive").as_uri(), Answers(), MemoryBroker()
    answering = asyncio.create_task(ScriptedParticipant(broker, "one", answers).run())
    await check_archive(address)
    settings = settings_for(sqlite_url, archive=address, **SHORT)
    async with opened(sqlite_url) as store:
        quick = DEFINITION.replace("command: t.Do,", "command: t.Do, timeout: {expiry: 1s, reask: 1s},")
        await register(store, quick, CATALOG)
        async with running(store, broker, settings) as instance:
            transport = httpx.ASGITransport(create_app(instance.coordinator))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
                saga = await start(instance, "kept", {"id": "gone"})
                await closed(instance, saga)
                shown = await Home(instance, store, answers, http, address, sqlite_url).shown(saga)

                async def removed() -> bool:
                    return (await http.get(f"/v1/sagas/{saga}")).status_code == 410

                await until(removed, 60, "the saga is removed")
                found = await ArchiveReader(open_files(address)).find(saga)
    assert found is not None
    assert json.loads(found.entry.view) == shown
    await end_one(answering)
