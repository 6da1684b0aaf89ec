"""A process that removes sagas is killed in the middle, again and again: each saga is here whole,
or gone whole and archived."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from uuid import UUID

import pytest

from contract.store_rows import by_hand, claim, end, register, row_of, save, start_of
from saga_coordinator.store.port import ClaimFirst, Store
from support.coordinators import opened
from support.horizons import horizon_now
from support.paths import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("waiting")]

SAGAS = 600
KILLS = 6
WHOLE = """
SELECT
  (SELECT count(*) FROM saga),
  (SELECT count(*) FROM saga_listing l WHERE EXISTS (SELECT 1 FROM saga s WHERE s.id = l.saga_id)),
  (SELECT count(*) FROM saga_key k WHERE EXISTS (SELECT 1 FROM saga s WHERE s.id = k.saga_id)),
  (SELECT count(*) FROM start_request r WHERE EXISTS (SELECT 1 FROM saga s WHERE s.id = r.saga_id)),
  (SELECT count(*) / 2 FROM journal j WHERE EXISTS (SELECT 1 FROM saga s WHERE s.id = j.saga_id)),
  (SELECT count(*) FROM saga_listing) + (SELECT count(*) FROM saga_key) + (SELECT count(*) FROM start_request)
    + (SELECT count(*) / 2 FROM journal)
"""


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


async def finished(store: Store) -> set[UUID]:
    definition = await register(store)
    ids = set[UUID]()
    for at in range(0, SAGAS, 100):
        claims = [claim(f"r-{n}", f"k-{n}") for n in range(at, at + 100)]
        async with store.transaction(ClaimFirst(claims)) as tx:
            rows = [row_of(definition, id=one.saga_id, business_key=one.business_key) for one in claims]
            await tx.save([start_of(row) for row in rows])
        await save(store, *(end(row) for row in rows))
        ids |= {row.id for row in rows}
    return ids


async def killed(url: str, archive: Path, after_s: float) -> bool:
    """Whether the process was killed before it had removed all."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.removing", url, str(archive), stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"removing\n"
    try:
        async with asyncio.timeout(after_s):
            await child.wait()
    except TimeoutError:
        child.send_signal(signal.SIGKILL)
    return await child.wait() == -signal.SIGKILL


async def test_no_saga_is_torn_or_lost_by_a_kill(url: str, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    async with opened(url) as store:
        every = await finished(store)
        await horizon_now(store)
    chance = random.Random(7)
    kills = 0
    for _ in range(KILLS):
        kills += await killed(url, archive, chance.uniform(0.02, 0.12))
        counts = (await by_hand(url, WHOLE))[0]
        here, whole, left_over = counts[0], counts[1:5], counts[5]
        assert whole == (here,) * 4, "what is here is whole"
        assert left_over == here * 4, "what is gone left nothing"
        rows = await by_hand(url, "SELECT id FROM saga")
        present = {UUID(bytes=row[0]) if isinstance(row[0], bytes) else UUID(str(row[0])) for row in rows}
        archived = [line.split() for line in archive.read_text().splitlines()]
        assert every - present <= {UUID(id) for id, _ in archived}, "what is gone is archived"
        assert {records for _, records in archived} <= {"2"}
    assert kills >= 2, "the kills came in the middle"
    while await killed(url, archive, 30.0):
        pass
    assert (await by_hand(url, "SELECT count(*) FROM saga"))[0] == (0,)
    assert {UUID(line.split()[0]) for line in archive.read_text().splitlines()} == every
