"""The plan of one run of the demo: how many orders, on which parts, with which files.

It is made before anything starts.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from saga_cli.otlp import Otlp
from saga_messaging.errors import ConfigurationError

DIRECTORY = Path(".saga-demo")
PORT = 8700
JAEGER_URL = "http://127.0.0.1:16686"
SERVICES = ("inventory", "payment", "shipping")
MORE_SERVICES = ("fraud", "mail")
"""Run where the demo stays up and goes on."""
EVERY_FIFTH = 5
"""Every fifth order has no carrier. Shipping rejects it, and its earlier steps are undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run."""

    orders: int
    keep: bool
    every_s: float
    """While the demo stays up, the time from one order to the next; 0: it rests."""
    directory: Path
    bootstrap_servers: str | None
    """The Kafka to use. None: the stand-in."""
    coordinator_url: str
    service_urls: Mapping[str, str]
    suffix: str
    """End of the keys of this run's orders, so that no key equals one of an earlier run."""
    otlp: Otlp | None = None
    """Where spans go; None: nothing is traced."""
    jaeger_url: str = JAEGER_URL

    @property
    def embedded(self) -> bool:
        return self.coordinator_url.startswith("sqlite")

    @property
    def goes_on(self) -> bool:
        """Whether orders go on being placed while the demo stays up."""
        return self.keep and self.every_s > 0

    def key(self, number: int) -> str:
        return f"o-{number}-{self.suffix}"

    def has_carrier(self, number: int) -> bool:
        return number % EVERY_FIFTH != 0


def planned(
    *,
    orders: int,
    keep: bool,
    bootstrap_servers: str | None,
    database: str | None,
    every_s: float = 0,
    otlp: Otlp | None = None,
    jaeger_url: str = JAEGER_URL,
) -> Plan:
    """Make the plan from the command's options.

    Raises:
        ConfigurationError: `database` is not a URL that the demo can use.
    """
    if database is not None and not database.startswith("postgresql+asyncpg://"):
        raise ConfigurationError(
            "--database takes postgresql+asyncpg://user:password@host/name; without it the demo uses SQLite files"
        )
    if database is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,49}", database_name(database)):
        raise ConfigurationError(
            "--database must end in a database name of letters, digits and _: postgresql+asyncpg://user@host/name"
        )
    names = (*SERVICES, *MORE_SERVICES) if keep and every_s > 0 else SERVICES
    return Plan(
        orders=orders,
        keep=keep,
        every_s=every_s,
        directory=DIRECTORY,
        bootstrap_servers=bootstrap_servers,
        coordinator_url=database or _file(DIRECTORY, "coordinator"),
        service_urls={name: _beside(database, name) if database else _file(DIRECTORY, name) for name in names},
        suffix=_suffix(),
        otlp=otlp,
        jaeger_url=jaeger_url,
    )


def database_name(url: str) -> str:
    """Return the database's name in a PostgreSQL URL."""
    return url.partition("?")[0].partition("://")[2].partition("/")[2]


def _file(directory: Path, name: str) -> str:
    return f"sqlite+aiosqlite:///{directory.absolute() / name}.sqlite"


def _beside(database: str, service: str) -> str:
    """Return the URL of the service's own database on the same server: `shop` gives
    `shop_payment`."""
    server, mark, options = database.partition("?")
    return f"{server}_{service}{mark}{options}"


def _suffix() -> str:
    """Return three random letters and digits, without those that look alike."""
    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(3))
