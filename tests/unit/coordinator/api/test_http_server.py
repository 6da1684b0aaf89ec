"""The socket of the HTTP server: who has an address has it before it serves."""

from __future__ import annotations

import pytest

from saga_coordinator.api.http_server import listening_socket
from saga_messaging.errors import ConfigurationError

HOST = "127.0.0.1"


def test_an_address_belongs_to_one_at_once() -> None:
    """Two sockets that are only bound share an address, and the loser learns of it too late."""
    with listening_socket(HOST, 0) as first:
        port = first.getsockname()[1]

        with pytest.raises(ConfigurationError, match=rf"^cannot listen on {HOST}:{port}: Address already in use; give another"):
            listening_socket(HOST, port)
