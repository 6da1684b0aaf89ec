"""Environment variables of the demo's services.

- `SAGA_<NAME>_DATABASE_URL`: the database of one service (`SAGA_INVENTORY_DATABASE_URL`), a
  SQLAlchemy URL
- `SAGA_PARTICIPANT_DATABASE_URL`: the database of every service that has none of its own; several
  services may share one PostgreSQL database
- `SAGA_DEMO_LEAN`: with `1` handlers write nothing but the effect ledger (for benchmarks)
- `SAGA_DEMO_GROUPS_OFF`: with `1` every command has a transaction of its own (for benchmarks)
- `SAGA_DEMO_ALLOW_CRASH`: with `1` the fault `crash` really ends the process; otherwise it is a
  technical failure

Without a database URL a service keeps a SQLite file in `.saga-demo/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opentelemetry.trace import TracerProvider

SCHEMAS: Final = Path(__file__).parent / "schemas"
FOLDER: Final = ".saga-demo"
SHARED_DATABASE: Final = "SAGA_PARTICIPANT_DATABASE_URL"
LEAN: Final = "SAGA_DEMO_LEAN"
GROUPS_OFF: Final = "SAGA_DEMO_GROUPS_OFF"
ALLOW_CRASH: Final = "SAGA_DEMO_ALLOW_CRASH"
SERVICES: Final = ("inventory", "payment", "shipping", "fraud", "mail")
VARIABLES: Final = frozenset(
    {SHARED_DATABASE, LEAN, GROUPS_OFF, ALLOW_CRASH, *(f"SAGA_{name.upper()}_DATABASE_URL" for name in SERVICES)}
)
"""Every variable named above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """One service's settings."""

    database_url: str
    lean: bool = False
    groups_off: bool = False
    allow_crash: bool = False
    tracer_provider: TracerProvider | None = None
    """Makes the service's spans. None: the process's provider."""

    @property
    def on_asyncpg(self) -> bool:
        return self.database_url.startswith("postgresql+asyncpg:")


def settings_from(environ: Mapping[str, str], name: str) -> ServiceSettings:
    """Read the settings of one service; the table above lists the variables."""
    return ServiceSettings(
        database_url=environ.get(f"SAGA_{name.upper()}_DATABASE_URL") or environ.get(SHARED_DATABASE) or _file(name),
        lean=environ.get(LEAN) == "1",
        groups_off=environ.get(GROUPS_OFF) == "1",
        allow_crash=environ.get(ALLOW_CRASH) == "1",
    )


def _file(name: str) -> str:
    return f"sqlite+aiosqlite:///{FOLDER}/{name}.sqlite"


def make_folder(database_url: str) -> None:
    """Make the folder of the default SQLite files. Any other folder has to exist."""
    if database_url.startswith(f"sqlite+aiosqlite:///{FOLDER}/"):
        Path(FOLDER).mkdir(exist_ok=True)
