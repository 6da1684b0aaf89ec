"""The console in the system's Chromium: one browser and one running system for the whole session.

Tests here are synchronous: Playwright keeps an event loop of its own in this thread.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from saga_cli.dev.services import Postgres
from support.chromium import ChromiumMissing, chromium, chromium_program
from support.console_system import ConsoleSystem, console_system
from support.visits import PATIENCE_MS, Visits, watched
from support.wire_services import WireServices, wire_services

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium(_program()) as running:
        yield running


def _program() -> str:
    try:
        return chromium_program()
    except ChromiumMissing as missing:
        reason = str(missing)
    pytest.fail(reason, pytrace=False)  # outside the handler, so that the one line stands alone


@pytest.fixture(scope="session")
def services(kafka_address: str, postgres_service: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WireServices]:
    with wire_services(kafka_address, postgres_service, tmp_path_factory.mktemp("console")) as services:
        yield services


@pytest.fixture(scope="session")
def system(services: WireServices) -> ConsoleSystem:
    """It is shared: keys of your own, and what is broken is mended."""
    return console_system(services)


@pytest.fixture
def visits(browser: Browser, system: ConsoleSystem) -> Iterator[Visits]:
    """Opens pages. What must not happen on any of them fails the test."""
    with watched(browser, system.server) as opened:
        yield opened
