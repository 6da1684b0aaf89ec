"""Retention with an archive: what the loop removed is read back as it was shown, and says where it
is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx

from integration.test_archived_sagas import CATALOG, DEFINITION, Answers, Home
from saga_coordinator.api import create_app
from saga_coordinator.archive.address import check_archive, open_files
from saga_coordinator.archive.reading import ArchiveReader
from saga_messaging.background import end_one
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, settings_for, start
from support.orders import until
from support.scripted import ScriptedParticipant

SHORT = dict.fromkeys(("retention_sagas", "retention_journals", "retention_keys", "retention_attention"), "3s")


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
