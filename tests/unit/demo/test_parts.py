"""The demo's port: the usual one, or a free one where somebody took that at the last moment."""

from __future__ import annotations

import pytest

from saga_cli.demo import parts
from saga_coordinator.api.http_server import listening_socket

HOST = "127.0.0.1"


def test_a_demo_listens_on_the_usual_port_or_on_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening_socket(HOST, 0) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setattr(parts, "PORT", port)

    with parts.coordinator_socket(HOST) as first, parts.coordinator_socket(HOST) as second:
        assert first.getsockname() == (HOST, port)
        assert second.getsockname()[1] != port
