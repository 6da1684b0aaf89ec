"""What a service's own strict type checker is told: the pages' examples pass, and `answering` knows
the type of its `db`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT

PAGES = ("README.md", "docs/participants.md")
SERVICE = """
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from saga_participant import Participant, Rejected

class Granted(BaseModel):
    grant_id: str

till = Participant("till", database="sqlite+aiosqlite://", schemas="schemas/")

async def decided(ref: str, granted: bool) -> None:
    async with till.answering(ref, db=AsyncSession) as (session, answer):
        reveal_type(session)
        answer(Granted(grant_id="g-1") if granted else Rejected("refused_by_clerk"))
    async with till.answering(ref, db=AsyncConnection) as (connection, answer):
        reveal_type(connection)
        answer(None)
    async with till.answering(ref) as (whichever, answer):
        reveal_type(whichever)
        answer()
    await till.progress(ref, "3 of 5")
"""


def test_strict_mypy_accepts_the_pages_examples_and_knows_db(tmp_path: Path) -> None:
    roots = os.pathsep.join(str(ROOT / root) for root in ("schemas", "messaging", "participants"))
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--follow-imports=silent",
        f"--cache-dir={tmp_path}",
    ]
    examples = {page: re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL) for page in PAGES}
    assert all(examples.values())
    texts = ["\n".join(found) for found in examples.values()]
    files = [tmp_path / f"service_{number}.py" for number in range(len(texts) + 1)]
    for file, text in zip(files, [SERVICE, *texts], strict=True):
        file.write_text(text)
    told = subprocess.run(
        [*command, *files], env={**os.environ, "MYPYPATH": roots}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    revealed = [line.rpartition("Revealed type is ")[2] for line in told.stdout.splitlines() if "Revealed" in line]
    assert [name.strip('"').rpartition(".")[2] for name in revealed] == ["AsyncSession", "AsyncConnection", "Any"], told.stdout
    assert "Success" in told.stdout, told.stdout + told.stderr
