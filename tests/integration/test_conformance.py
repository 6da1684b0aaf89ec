"""`saga participant check` on a participant of the Python kit: two processes, one PostgreSQL, kills
in the middle. It passes every case."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from xml.etree import ElementTree

import asyncpg
import pytest

from saga_cli.conformance.case import Result, Status
from saga_cli.conformance.cases.every_case import chosen, every_case
from saga_cli.conformance.check import check
from saga_cli.conformance.given import Body, Given, Part, Patience
from saga_messaging.background import end
from saga_messaging.kafka import KafkaBroker, SidewaysProducer
from saga_messaging.settings import KafkaSettings
from saga_schemas.files import read_schemas
from saga_schemas.topics import Topics
from support.wire_services import SAGA, ParticipantProcesses, WireServices

BOOKING: Final = Path(__file__).parents[1] / "support" / "booking"
PATIENCE: Final = Patience(start_s=120, reply_s=120, later_s=120, quiet_s=0.2, stray_s=120)
"""They name the command that they answer. What comes twice on a busy machine, and names an earlier
one, is no answer to a later one.
"""
BOOK: Final = {"room": "{{unique}}", "resumed": "LATER", "lease_ms": 600_000}
BODIES: Final = {
    Part.ACTION: Body(record="booking.Book", fields=BOOK | {"how": "DONE"}),
    Part.REJECT: Body(record="booking.Book", fields=BOOK | {"how": "REJECT"}),
    Part.FAIL: Body(record="booking.Book", fields=BOOK | {"how": "FAIL"}),
    Part.ACCEPT: Body(record="booking.Book", fields=BOOK | {"how": "LATER"}),
    Part.COMPENSATION: Body(record="booking.Unbook", fields={"how": "DONE"}),
    Part.REJECT_COMPENSATION: Body(record="booking.Unbook", fields={"how": "REJECT"}),
    Part.FAIL_COMPENSATION: Body(record="booking.Unbook", fields={"how": "FAIL"}),
}
ENDS_WORK: Final = """
INSERT INTO decision (ref, how)
SELECT saga_id::text || '/' || step || '/' || run, 'DONE' FROM saga_barrier
WHERE state = 'ACCEPTED' AND at < extract(epoch FROM clock_timestamp()) * 1000000 - 5000000
ON CONFLICT DO NOTHING
"""
"""What was accepted is done when nobody has asked for five seconds."""
COUNTS: Final = "SELECT kind, count(*) AS times FROM effect_ledger WHERE saga_id = $1 GROUP BY kind"


@dataclass
class Outside:
    """Kills both processes and starts them; counts in their database."""

    processes: ParticipantProcesses
    pool: asyncpg.Pool
    counts_effects: bool = True
    kills: bool = True

    async def count_effects(self, saga_id: str, unique: str) -> list[int]:
        found = {row["kind"]: row["times"] for row in await self.pool.fetch(COUNTS, UUID(saga_id))}
        return [found.get("action", 0), found.get("compensation", 0)]

    async def kill(self) -> None:
        for process in self.processes.instances:
            process.kill()

    async def start(self) -> None:
        for process in self.processes.instances:
            process.start(environment=self.processes.environment)


@pytest.fixture(scope="module")
def booking(services: WireServices) -> ParticipantProcesses:
    return services.participants(2, static=True)


@contextlib.asynccontextmanager
async def outside_of(booking: ParticipantProcesses) -> AsyncIterator[Outside]:
    """And meanwhile somebody ends the work that was accepted."""
    pool = await asyncpg.create_pool(
        booking.database.url.replace("postgresql+asyncpg:", "postgresql:", 1), min_size=1, max_size=4
    )

    async def end_work() -> None:
        while True:
            await pool.execute(ENDS_WORK)
            await asyncio.sleep(0.2)

    ending = asyncio.create_task(end_work())
    try:
        yield Outside(processes=booking, pool=pool)
    finally:
        await end((ending,))
        await pool.close()


async def checked(booking: ParticipantProcesses, bodies: Mapping[Part, Body], patterns: Sequence[str] = ()) -> dict[str, Result]:
    settings = KafkaSettings(bootstrap_servers=booking.kafka, topic_prefix=booking.prefix)
    given = Given(participant="booking", bodies=bodies, patience=PATIENCE)
    broker, sideways = KafkaBroker(settings), SidewaysProducer(settings)
    try:
        async with outside_of(booking) as outside:
            found = await check(
                broker,
                Topics(booking.prefix),
                given,
                chosen(every_case(), patterns),
                schemas=read_schemas(BOOKING),
                sideways=sideways,
                outside=outside,
            )
    finally:
        await sideways.stop()
        await broker.stop()
    return {result.case.name: result for result in found}


async def test_the_kit_passes_every_case(booking: ParticipantProcesses) -> None:
    found = await checked(booking, BODIES)
    assert not {name: result.seen for name, result in found.items() if result.status is Status.FAILED}
    left_out = {name for name, result in found.items() if result.status is Status.LEFT_OUT}
    no_array, no_fence = "bytes.array-blocks", "later.loses-against-a-newer-run"
    assert left_out == {no_array, no_fence}, "the command has no array; its work may not be fenced"


async def test_the_kit_passes_the_cases_of_work_that_may_be_fenced(booking: ParticipantProcesses) -> None:
    bodies = BODIES | {Part.ACCEPT: Body(record="booking.Hold", fields={"room": "{{unique}}"})}
    found = await checked(booking, bodies, ["barrier.accepted.resolve.*", "later.loses-*"])
    assert {result.status for result in found.values()} == {Status.PASSED}, found


def run(booking: ParticipantProcesses, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(SAGA), "participant", "check", "--participant", "booking", "--kafka", booking.kafka]
    command += ["--prefix", booking.prefix, "--schemas", str(BOOKING), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_prints_what_was_seen_and_what_the_page_says(booking: ParticipantProcesses, tmp_path: Path) -> None:
    (tmp_path / "ok.json").write_text(json.dumps(BOOK | {"how": "DONE"}))
    given = ["--action", f"booking.Book=@{tmp_path}/ok.json", "--reject", f"@{tmp_path}/ok.json"]
    only = ["--only", "barrier.absent.*", "--only", "codec.*", "--effects-query", "echo '1 0'"]
    wrong = run(booking, *given, *only)
    assert wrong.returncode == 1, wrong.stderr
    assert "barrier.absent.rejected: the action of run 2 (--reject) without a row" in wrong.stdout
    assert "was answered SUCCEEDED booking.Booked" in wrong.stdout
    assert "(docs/wire.md#the-barrier)" in wrong.stdout
    assert "left out, because --compensation is not given" in wrong.stdout
    suite = ElementTree.fromstring(run(booking, *given, *only, "--output", "junit").stdout)
    counted: dict[str, Any] = dict(suite.attrib)
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert "barrier.absent.rejected" in failed
    assert int(counted["failures"]) == len(failed)
    passed = run(booking, *given[:2], "--only", "codec.*", "-o", "json")
    assert passed.returncode == 0, passed.stdout
    assert json.loads(passed.stdout)["passed"] is True


def test_a_participant_that_does_not_answer_is_told_apart_from_one_that_is_wrong(booking: ParticipantProcesses) -> None:
    wrong = run(booking, "--action", "booking.Nobody={}")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "saga: no schema of booking.Nobody: --schemas names a directory with booking.Nobody.avsc\n",
    )
