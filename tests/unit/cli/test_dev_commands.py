"""The commands `saga dev kafka|postgres|jaeger`, without a server."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, cast

import pytest

from saga_cli import output
from saga_cli.commands import dev
from saga_cli.dev import kafka, process
from saga_cli.dev.local_server import LocalServer


def test_sigterm_ends_a_server_in_order_whatever_python_is_at_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the address may send it at once: here a finalizer, in which exceptions are
    lost."""

    class Reader:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    def read(*_: Any, **__: Any) -> None:
        Reader()

    class Server:
        pid, log = os.getpid(), Path("server.log")

    monkeypatch.setattr(output, "print_object", read)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt):
            dev._run_until_asked(cast(LocalServer, Server()), output.Format.IDS, "PostgreSQL", "127.0.0.1:5432", {})
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("given", "listens"), [(19402, 19402), (None, 19401)], ids=["--port wins", "else the last one's"])
def test_a_kafka_on_kept_data_listens_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: int | None, listens: int
) -> None:
    class Asked(Exception):
        pass

    def service(directory: Path | None, *, port: int) -> None:
        raise Asked(directory, port)

    (tmp_path / "server.properties").write_text("listeners=PLAINTEXT://127.0.0.1:19401,CONTROLLER://127.0.0.1:1\n")
    monkeypatch.setattr(kafka, "KafkaService", service)
    monkeypatch.setattr(process, "is_free", lambda port: True)

    with pytest.raises(Asked) as asked:
        dev.kafka(port=given, data=tmp_path)

    assert asked.value.args == (tmp_path, listens)
