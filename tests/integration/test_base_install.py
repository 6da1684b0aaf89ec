"""The base alone is what a microservice installs: into an environment of its own, with the driver
of its own database, and it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT as PROJECT

SERVICE = """
import asyncio, importlib.util, sys
from pathlib import Path
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from saga_participant import Participant, Step
from saga_participant.testing import ParticipantTester

class ReserveStock(BaseModel):
    order_id: str

class StockReserved(BaseModel):
    reservation_id: str

async def tables(engine):
    async with engine.begin() as db:
        await db.execute(text("CREATE TABLE reservation (id TEXT)"))

inventory = Participant("inventory", database="sqlite+aiosqlite:///own.sqlite", schemas=sys.argv[1], on_start=tables)

@inventory.action
async def reserve(command: ReserveStock, db: AsyncConnection, step: Step) -> StockReserved:
    await db.execute(text("INSERT INTO reservation VALUES (:id)"), {"id": step.idempotency_key})
    return StockReserved(reservation_id="r-" + command.order_id)

async def main():
    async with ParticipantTester(inventory) as tester:
        first = await tester.action("reserve", ReserveStock(order_id="7"))
        again = await tester.redeliver()
        async with tester.engine.connect() as db:
            rows = (await db.execute(text("SELECT count(*) FROM reservation"))).scalar_one()
        print(first.outcome, again.outcome, rows)
    absent = [name for name in ("typer", "fastapi", "alembic", "structlog", "avro", "orjson") if importlib.util.find_spec(name)]
    print("absent" if not absent else absent)

asyncio.run(main())
"""
SCHEMAS = {
    "shop.ReserveStock": '{"type":"record","name":"ReserveStock","namespace":"shop","sagaReply":"shop.StockReserved",'
    '"fields":[{"name":"order_id","type":"string"}]}',
    "shop.StockReserved": '{"type":"record","name":"StockReserved","namespace":"shop",'
    '"fields":[{"name":"reservation_id","type":"string"}]}',
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that holds the base and aiosqlite."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv is not None:
        _run(uv, "venv", "-q", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "-q", "--python", str(python), str(PROJECT), "aiosqlite")
    else:
        # Our own pip and build backend do the work: the new environment needs neither.
        _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
        (wheel,) = folder.glob("*.whl")
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python))
        _run(*pip, "install", "-q", "--no-compile", str(wheel), "aiosqlite")
    return python


def test_a_participant_runs_on_the_base_alone(python: Path, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    for name, document in SCHEMAS.items():
        (schemas / f"{name}.avsc").write_text(document)
    told = subprocess.run(
        [str(python), "-I", "service.py", str(schemas)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.stderr == ""
    assert told.stdout.splitlines() == ["SUCCEEDED SUCCEEDED 1", "absent"]


def test_the_command_without_its_extra_names_the_one_to_install(python: Path) -> None:
    told = subprocess.run([str(python.parent / "saga"), "list"], capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode != 0
    assert told.stderr == "saga: the command line needs typer, rich, httpx: pip install 'saga-coordinator[server]'\n"


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
