"""The commands `saga dev kafka|postgres|jaeger`, without a server."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from saga_cli import output
from saga_cli.commands import dev


def test_sigterm_ends_a_server_in_order_as_soon_as_its_address_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[Any] = []
    monkeypatch.setattr(output, "print_object", lambda *_, **__: handlers.append(signal.getsignal(signal.SIGTERM)))
    before = signal.getsignal(signal.SIGTERM)
    try:
        dev._print_service(output.Format.IDS, "PostgreSQL", "127.0.0.1:5432", {})
    finally:
        signal.signal(signal.SIGTERM, before)

    assert handlers == [signal.default_int_handler], "whoever reads the address may send SIGTERM at once"
